"""AWS's services besides CloudFormation: moto's, and what moto lacks.

- ``moto_application``: moto's services as one application, with corrections.
- ``moto_services``: clients of them in this process; ``mirrors``, ``steps``, ``provider``: the
  resources of stacks, created there; ``drift_reader``: their properties, read back.
- ``ecs``: ECS services that roll out in time.
- ``functions``, ``bootstrap``: Lambda functions that run.
- ``registry``: the registry of ECR; ``account``: quotas and limits.
- ``backend``: moto behind the stacks of one emulator; ``moto_runtime``: moto in this process.
"""
