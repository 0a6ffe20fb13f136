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
    """ECS of one account and Region, for one request; ``passed`` lets moto answer an action."""

    def __init__(
        self, rollouts: ServiceRollouts, page: int, passed: Callable[[str, Arguments], Response]
    ) -> None:
        self._rollouts, self._page, self._passed = rollouts, page, passed

    def answer(self, action: str, arguments: Arguments) -> Response:
        """The answer to an action; moto's where it is not one of these."""
        handler = _ACTIONS.get(action)
        if handler is None:
            return self._passed(action, arguments)
        try:
            found = handler(self, arguments)
        except EcsError as error:
            return _answer({"__type": error.code, "message": str(error)}, 400)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return _answer(
                {"__type": "InvalidParameterException", "message": f"malformed: {error}"}, 400
            )
        return found if isinstance(found, Response) else _answer(found)

    def list_clusters(self, arguments: Arguments) -> Any:
        """ListClusters: those that nobody deleted."""
        clusters = self._rollouts.context.backend.clusters.values()
        return self._paged(
            "clusterArns", [each.arn for each in clusters if each.status == "ACTIVE"], arguments
        )

    def list_services(self, arguments: Arguments) -> Any:
        """ListServices: those that nobody deleted, by launch type and scheduling strategy where
        asked for."""
        wanted = {"cluster_name": self._cluster(arguments).name, "status": "ACTIVE"}
        for name, attribute in (
            ("launchType", "launch_type"),
            ("schedulingStrategy", "scheduling_strategy"),
        ):
            if name in arguments:
                wanted[attribute] = arguments[name]
        services = self._rollouts.context.backend.services.values()
        found = [
            s.arn
            for s in services
            if all(getattr(s, name) == value for name, value in wanted.items())
        ]
        return self._paged("serviceArns", sorted(found), arguments, usual=10)

    # --- tasks
    # --------------------------------------------------------------------------------------------------

    def list_tasks(self, arguments: Arguments) -> Any:
        """ListTasks, with its filters; those that run or are to run, unless others are asked
        for."""
        cluster = self._cluster(arguments)
        if "containerInstance" in arguments:
            return {"taskArns": []}
        wanted = {"desired_status": arguments.get("desiredStatus", "RUNNING")}
        for name, attribute in (("startedBy", "started_by"), ("launchType", "launch_type")):
            if name in arguments:
                wanted[attribute] = arguments[name]
        if "serviceName" in arguments:
            wanted["group"] = f"service:{self._service(arguments, 'serviceName').name}"
        family = f":task-definition/{arguments['family']}:" if "family" in arguments else ""
        tasks = self._rollouts.context.backend.tasks.get(cluster.name, {}).values()
        found = [
            task.task_arn
            for task in tasks
            if family in task.task_definition_arn
            if all(getattr(task, name) == value for name, value in wanted.items())
        ]
        return self._paged("taskArns", found, arguments)

    def _paged(self, key: str, found: list[Any], arguments: Arguments, usual: int = 100) -> Any:
        size = min(int(arguments.get("maxResults") or usual), self._page)
        start = int(arguments.get("nextToken") or 0)
        more = {"nextToken": str(start + size)} if start + size < len(found) else {}
        return {key: found[start : start + size], **more}

    # --- service deployments
    # ------------------------------------------------------------------------------------

    def list_service_deployments(self, arguments: Arguments) -> Any:
        """ListServiceDeployments: newest first, by status where asked for."""
        service, status = self._service(arguments, "service"), arguments.get("status")
        found = [
            each
            for each in self._rollouts.context.deployments.get(service.arn, [])
            if not status or each["status"] in status
        ]
        shown = [{key: value for key, value in each.items() if key in _BRIEF} for each in found]
        for brief, each in zip(shown, found, strict=True):
            brief["targetServiceRevisionArn"] = each["targetServiceRevision"]["arn"]
        return self._paged("serviceDeployments", shown, arguments)

    def describe_service_deployments(self, arguments: Arguments) -> Any:
        """DescribeServiceDeployments; those that do not exist are failures."""
        known = {
            each["serviceDeploymentArn"]: each
            for all_ in self._rollouts.context.deployments.values()
            for each in all_
        }
        asked = arguments.get("serviceDeploymentArns", ())
        failures = [{"arn": arn, "reason": "MISSING"} for arn in asked if arn not in known]
        return {
            "serviceDeployments": [known[arn] for arn in asked if arn in known],
            "failures": failures,
        }

    def stop_service_deployment(self, arguments: Arguments) -> Any:
        """StopServiceDeployment: the service returns to the last completed deployment, or (ABORT)
        stays as it is."""
        arn = arguments.get("serviceDeploymentArn", "")
        for service, deployments in self._rollouts.context.deployments.items():
            rollout = self._rollouts.current.get(service)
            if arn not in [each["serviceDeploymentArn"] for each in deployments]:
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
    # ---------------------------------------------------------------------------

    def create_service(self, arguments: Arguments) -> Any:
        """CreateService, whose tasks then start."""
        answer = self._passed("CreateService", arguments)
        if answer.status_code < 400:
            service = self._service({**arguments, "service": arguments["serviceName"]}, "service")
            self._rollouts.begin_by_client(
                service, _pascal(arguments.get("deploymentConfiguration") or {}), is_new=True
            )
        return answer

    def update_service(self, arguments: Arguments) -> Any:
        """UpdateService: another task definition or a forced deployment is rolled out, another
        count is reached."""
        given = {
            key: value for key, value in arguments.items() if key != "forceNewDeployment"
        }  # moto renames it
        answer = self._passed("UpdateService", given)
        if answer.status_code >= 400:
            return answer
        service, configured = (
            self._service(arguments, "service"),
            arguments.get("deploymentConfiguration"),
        )
        forced = bool(arguments.get("forceNewDeployment"))
        self._rollouts.begin_by_client(
            service, _pascal(configured) if configured else None, is_new=False, force=forced
        )
        shown = self._passed(
            "DescribeServices", {"cluster": service.cluster_name, "services": [service.name]}
        )
        return {"service": json.loads(shown.get_data())["services"][0]}

    def delete_service(self, arguments: Arguments) -> Any:
        """DeleteService, whose tasks then stop."""
        answer = self._passed("DeleteService", arguments)
        if answer.status_code < 400:
            self._rollouts.drain_by_client(self._service(arguments, "service"))
        return answer

    # --- finding
    # ------------------------------------------------------------------------------------------------

    def _cluster(self, arguments: Arguments) -> Any:
        name = str(arguments.get("cluster") or "default").rpartition("/")[2]
        found = self._rollouts.context.backend.clusters.get(name)
        if found is None:
            raise EcsError("ClusterNotFoundException", "Cluster not found.")
        return found

    def _service(self, arguments: Arguments, key: str) -> Any:
        given = str(arguments.get(key, ""))
        parts = given.partition(":service/")[2].split("/")
        cluster = parts[0] if len(parts) > 1 else self._cluster(arguments).name
        found = self._rollouts.context.backend.services.get(f"{cluster}:{given.rpartition('/')[2]}")
        if found is None:
            raise EcsError("ServiceNotFoundException", "Service not found.")
        return found


_BRIEF = ("serviceDeploymentArn", "serviceArn", "clusterArn", "startedAt", "createdAt", "finishedAt", "status",
          "statusReason")  # fmt: skip
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
    """A structure of the API as a template has it."""
    if isinstance(value, Mapping):
        return {key[:1].upper() + key[1:]: _pascal(item) for key, item in value.items()}
    return value


def _answer(document: Any, status: int = 200) -> Response:
    """As ECS sends it; times are seconds since the epoch."""
    return Response(json.dumps(document), status, content_type="application/x-amz-json-1.1")
