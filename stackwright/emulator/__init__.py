"""A local CloudFormation: deployments without an AWS account.

Requests to AWS's APIs go in, over HTTP or in this process; answers in the shapes of AWS come out.
In the order in which the packages build on one another:

- ``world``: the state, the time, the services and the faults of one account and Region.
- ``operation``: create, update, delete, roll back and import a stack, with AWS's events.
- ``api``: the actions of CloudFormation's API, one module a family.
- ``services``: every other service: moto's, so that clients see the resources that stacks made.
- ``server``: the server on the loopback interface, its journal, and its life in the background.
- ``rehearsal``: a deployment and its rollback, played ahead of time in this process.
- ``local``: the environment ``local``, whose commands use the emulator of the project.

What a template means is decided in :mod:`stackwright.cfn`, by the code that also predicts changes.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "api.cloudformation": ["LocalCloudFormation"],
        "api.errors": ["ApiError"],
        "local": [
            "REGISTRY",
            "UNSET",
            "describe_local",
            "is_local_endpoint",
            "is_local_registry",
            "local_account",
            "local_environment",
            "local_folder",
            "local_settings",
            "make_local_keys",
            "require_packages",
            "start_local",
        ],
        "rehearsal.build": ["RehearsalBuild"],
        "rehearsal.model": ["Phase", "Rehearsal", "RehearsalStep", "Rollback"],
        "rehearsal.rehearse": ["rehearse"],
        "rehearsal.world": ["RehearsalWorld"],
        "server.application": ["Application"],
        "server.fault_answers": ["action_of"],
        "server.lifecycle": [
            "ADMIN",
            "find_emulator",
            "forget_state",
            "start_emulator",
            "stop_emulator",
        ],
        "server.running": ["list_folders"],
        "server.server": ["Server"],
        "world.faults": ["AnyFault", "Fault", "RequestFault"],
        "world.settings": ["EmulatorSettings"],
    },
)
