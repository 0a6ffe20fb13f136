"""ECS services that roll out in time, on moto's own objects.

``rollouts`` begins a rollout for every change of a service; ``rollout`` is one deployment until it
is stable or has failed; ``tasks`` and ``network`` are its tasks and their connections;
``obstacles`` are reasons why a task does not start; ``actions`` are the API's actions that moto
lacks.
"""
