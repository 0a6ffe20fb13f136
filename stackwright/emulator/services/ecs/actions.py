"""The actions of ECS that moto lacks, or that rollouts have to know of.

docs.aws.amazon.com/AmazonECS/latest/APIReference/. Arguments and results have the API's own shapes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from werkzeug.wrappers import Response

from .rollout import ENDED
from .rollouts import ServiceRollouts

Arguments = Mapping[str, Any]


class EcsError(Exception):
    """An error answer of ECS."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class EcsActions:
    """ECS for one request; ``pass_on`` lets moto answer an action."""

    def __init__(
        self, rollouts: ServiceRollouts, page: int, pass_on: Callable[[str, Arguments], Response]
    ) -> None:
        self._rollouts, self._page, self._pass_on = rollouts, page, pass_on

    def answer(self, action: str, arguments: Arguments) -> Response:
        """The answer to an action; moto's for an action that is not here."""
        handler = _ACTIONS.get(action)
        if handler is None:
            return self._pass_on(action, arguments)
        try:
            result = handler(self, arguments)
        except EcsError as error:
            return _respond({"__type": error.code, "message": str(error)}, 400)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return _respond(
                {"__type": "InvalidParameterException", "message": f"malformed: {error}"}, 400
            )
        return result if isinstance(result, Response) else _respond(result)

    def list_clusters(self, arguments: Arguments) -> Any:
        """ListClusters: all that were not deleted."""
        clusters = self._rollouts.context.backend.clusters.values()
        return self._cut_page(
            "clusterArns",
            [cluster.arn for cluster in clusters if cluster.status == "ACTIVE"],
            arguments,
        )

    def list_services(self, arguments: Arguments) -> Any:
        """ListServices: all that were not deleted, filtered by launch type and scheduling
        strategy."""
        wanted = {"cluster_name": self._find_cluster(arguments).name, "status": "ACTIVE"}
        for name, attribute in (
            ("launchType", "launch_type"),
            ("schedulingStrategy", "scheduling_strategy"),
        ):
            if name in arguments:
                wanted[attribute] = arguments[name]
        services = self._rollouts.context.backend.services.values()
        arns = [
            service.arn
            for service in services
            if all(getattr(service, name) == value for name, value in wanted.items())
        ]
        return self._cut_page("serviceArns", sorted(arns), arguments, default=10)

    # --- tasks

    def list_tasks(self, arguments: Arguments) -> Any:
        """ListTasks with its filters; without ``desiredStatus`` those that run or are to run."""
        cluster = self._find_cluster(arguments)
        if "containerInstance" in arguments:
            return {"taskArns": []}
        wanted = {"desired_status": arguments.get("desiredStatus", "RUNNING")}
        for name, attribute in (("startedBy", "started_by"), ("launchType", "launch_type")):
            if name in arguments:
                wanted[attribute] = arguments[name]
        if "serviceName" in arguments:
            wanted["group"] = f"service:{self._find_service(arguments, 'serviceName').name}"
        family = f":task-definition/{arguments['family']}:" if "family" in arguments else ""
        tasks = self._rollouts.context.backend.tasks.get(cluster.name, {}).values()
        arns = [
            task.task_arn
            for task in tasks
            if family in task.task_definition_arn
            if all(getattr(task, name) == value for name, value in wanted.items())
        ]
        return self._cut_page("taskArns", arns, arguments)

    def _cut_page(
        self, key: str, entries: list[Any], arguments: Arguments, default: int = 100
    ) -> Any:
        size = min(int(arguments.get("maxResults") or default), self._page)
        start = int(arguments.get("nextToken") or 0)
        more = {"nextToken": str(start + size)} if start + size < len(entries) else {}
        return {key: entries[start : start + size], **more}

    # --- service deployments

    def list_service_deployments(self, arguments: Arguments) -> Any:
        """ListServiceDeployments: newest first, filtered by status."""
        service, status = self._find_service(arguments, "service"), arguments.get("status")
        briefs = [
            {key: value for key, value in deployment.items() if key in _BRIEF}
            | {"targetServiceRevisionArn": deployment["targetServiceRevision"]["arn"]}
            for deployment in self._rollouts.context.deployments.get(service.arn, [])
            if not status or deployment["status"] in status
        ]
        return self._cut_page("serviceDeployments", briefs, arguments)

    def describe_service_deployments(self, arguments: Arguments) -> Any:
        """DescribeServiceDeployments; unknown ARNs are failures."""
        known = {
            deployment["serviceDeploymentArn"]: deployment
            for deployments in self._rollouts.context.deployments.values()
            for deployment in deployments
        }
        arns = arguments.get("serviceDeploymentArns", ())
        return {
            "serviceDeployments": [known[arn] for arn in arns if arn in known],
            "failures": [{"arn": arn, "reason": "MISSING"} for arn in arns if arn not in known],
        }

    def stop_service_deployment(self, arguments: Arguments) -> Any:
        """StopServiceDeployment: the service returns to its last completed deployment, or stays as
        it is (ABORT)."""
        arn = arguments.get("serviceDeploymentArn", "")
        for service, deployments in self._rollouts.context.deployments.items():
            rollout = self._rollouts.current.get(service)
            if arn not in [deployment["serviceDeploymentArn"] for deployment in deployments]:
                continue
            latest = deployments[0]
            if (
                latest["serviceDeploymentArn"] != arn
                or latest["status"] in ENDED
                or rollout is None
            ):
                raise EcsError(
                    "ConflictException", f"The service deployment {arn} is not in progress."
                )
            rollout.stop(arguments.get("stopType", "ROLLBACK") == "ROLLBACK")
            return {"serviceDeploymentArn": arn}
        raise EcsError(
            "ServiceDeploymentNotFoundException", "The service deployment could not be found."
        )

    # --- services that clients change

    def create_service(self, arguments: Arguments) -> Any:
        """CreateService; then the tasks start."""
        answer = self._pass_on("CreateService", arguments)
        if answer.status_code < 400:
            service = self._find_service(
                {**arguments, "service": arguments["serviceName"]}, "service"
            )
            self._rollouts.begin_by_client(
                service, _pascal(arguments.get("deploymentConfiguration") or {}), is_new=True
            )
        return answer

    def update_service(self, arguments: Arguments) -> Any:
        """UpdateService: roll out another task definition or a forced deployment, or scale."""
        given = {
            key: value for key, value in arguments.items() if key != "forceNewDeployment"
        }  # moto renames it
        answer = self._pass_on("UpdateService", given)
        if answer.status_code >= 400:
            return answer
        service, configured = (
            self._find_service(arguments, "service"),
            arguments.get("deploymentConfiguration"),
        )
        forced = bool(arguments.get("forceNewDeployment"))
        self._rollouts.begin_by_client(
            service, _pascal(configured) if configured else None, is_new=False, force=forced
        )
        description = self._pass_on(
            "DescribeServices", {"cluster": service.cluster_name, "services": [service.name]}
        )
        return {"service": json.loads(description.get_data())["services"][0]}

    def delete_service(self, arguments: Arguments) -> Any:
        """DeleteService; then the tasks stop."""
        answer = self._pass_on("DeleteService", arguments)
        if answer.status_code < 400:
            self._rollouts.drain_by_client(self._find_service(arguments, "service"))
        return answer

    # --- finding

    def _find_cluster(self, arguments: Arguments) -> Any:
        name = str(arguments.get("cluster") or "default").rpartition("/")[2]
        cluster = self._rollouts.context.backend.clusters.get(name)
        if cluster is None:
            raise EcsError("ClusterNotFoundException", "Cluster not found.")
        return cluster

    def _find_service(self, arguments: Arguments, key: str) -> Any:
        given = str(arguments.get(key, ""))
        parts = given.partition(":service/")[2].split("/")
        cluster = parts[0] if len(parts) > 1 else self._find_cluster(arguments).name
        key = f"{cluster}:{given.rpartition('/')[2]}"
        service = self._rollouts.context.backend.services.get(key)
        if service is None:
            raise EcsError("ServiceNotFoundException", "Service not found.")
        return service


_BRIEF = (
    "serviceDeploymentArn", "serviceArn", "clusterArn", "startedAt", "createdAt", "finishedAt",
    "status", "statusReason",
)  # fmt: skip
_ACTIONS: Mapping[str, Callable[[EcsActions, Arguments], Any]] = {
    "ListClusters": EcsActions.list_clusters,
    "ListServices": EcsActions.list_services,
    "ListTasks": EcsActions.list_tasks,
    "ListServiceDeployments": EcsActions.list_service_deployments,
    "DescribeServiceDeployments": EcsActions.describe_service_deployments,
    "StopServiceDeployment": EcsActions.stop_service_deployment,
    "CreateService": EcsActions.create_service,
    "UpdateService": EcsActions.update_service,
    "DeleteService": EcsActions.delete_service,
}


def _pascal(value: Any) -> Any:
    """A structure of the API with the names of a template (``minimumHealthyPercent`` there is
    ``MinimumHealthyPercent``)."""
    if isinstance(value, Mapping):
        return {key[:1].upper() + key[1:]: _pascal(item) for key, item in value.items()}
    return value


def _respond(document: Any, status: int = 200) -> Response:
    """An answer as ECS sends it; times are seconds since the epoch."""
    return Response(json.dumps(document), status, content_type="application/x-amz-json-1.1")
