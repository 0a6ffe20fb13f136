"""A local CloudFormation: what a deploy would do, done here.

- ``identity``: physical ids and attributes shaped as AWS shapes them.
- ``state``: stacks, resources, events and change sets as they are now; to and from JSON.
- ``clock``: what happens when; time passes only while a request is answered.
- ``resources``: makes, changes and deletes physical resources, or says why not.
- ``services``: resources that also exist in moto; ``rollout``, ``network`` and ``tasks``: what its ECS services do with
  time; ``ecs``: what clients ask of them; ``drift``: what moto holds against what a template says.
- ``functions``, ``bootstrap``: Lambda functions that run; ``account``: quotas and the like.
- ``moto_application``: moto's services as one application; ``registry``: ECR's, for podman and docker.
- ``operations``: creating, updating, deleting and rolling back a stack, with the events and statuses of AWS.
- ``policy``, ``imports``, ``history``: stack policies, change sets of existing resources, events by operation.
- ``faults``: requests and servers that fail on demand; ``durations``: how long AWS takes.
- ``engine``: the API's actions on all of that.
- ``protocol``: CloudFormation's Query protocol, from and to HTTP.
- ``server``: the loopback server; ``journal``: its state across restarts; ``lifecycle``: it in the background.

What a change does is decided in :mod:`stackwright.cfn`; nothing here knows templates' semantics.
"""
