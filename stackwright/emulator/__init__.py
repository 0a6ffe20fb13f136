"""A local CloudFormation: what a deploy would do, done here.

- ``identity``: physical ids and attributes shaped as AWS shapes them.
- ``state``: stacks, resources, events and change sets as they are now; to and from JSON.
- ``clock``: what happens when; time passes only while a request is answered.
- ``resources``: makes, changes and deletes physical resources, or says why not.
- ``operations``: creating, updating, deleting and rolling back a stack, with the events and statuses of AWS.
- ``engine``: the API's actions on all of that.
- ``protocol``: CloudFormation's Query protocol, from and to HTTP.
- ``server``: the loopback server.

What a change does is decided in :mod:`stackwright.cfn`; nothing here knows templates' semantics.
"""
