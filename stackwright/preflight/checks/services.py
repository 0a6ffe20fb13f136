"""ECS services that the deployment updates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...core import AwsError
from ..model import PreflightCheck
from .base import Check

SERVICE = "AWS::ECS::Service"


class ServiceDeployments(Check):
    """Reads the deployments of the services that the templates name."""

    id = "service deployments"
    title = "No service has a deployment in progress"
    reason = "The stack waits for it, or ends it, and its failure becomes the stack's."
    source = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html"

    def run(self) -> Iterator[PreflightCheck]:
        """A result for each cluster."""
        clusters: dict[str, list[str]] = {}
        for service in self.references.of(SERVICE):
            cluster = self.references.text(service.document, service.properties.get("Cluster"))
            name = self.references.text(service.document, service.properties.get("ServiceName"))
            if cluster and name:
                clusters.setdefault(cluster, []).append(name)
        for cluster, names in clusters.items():
            yield self._result(cluster, names)

    def _result(self, cluster: str, names: Sequence[str]) -> PreflightCheck:
        try:
            services = self.aws.services(cluster, names)
        except AwsError as error:
            if error.code != "ClusterNotFoundException":
                raise
            services = []
        name = f"services of {cluster}"
        moving = [
            service.name
            for service in services
            if len(service.deployments) > 1
            or any(deployment.rollout == "IN_PROGRESS" for deployment in service.deployments)
        ]
        if moving:
            detail = f"deployment in progress: {', '.join(moving)}"
            return self.fail(detail, "wait until it is stable, or stop that deployment", name=name)
        detail = f"{len(services)} of {len(names)} exist, no deployment in progress"
        return self.ok(detail, name=name)


class RollbackAlarms(Check):
    """Reads the alarms that fail a deployment of a service."""

    id = "rollback alarms"
    title = "No alarm that rolls a deployment back is in ALARM"
    reason = "ECS does not monitor alarms in a deployment that starts with one in ALARM."
    source = (
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html"
    )

    def run(self) -> Iterator[PreflightCheck]:
        """One result; none without such alarms."""
        names: dict[str, None] = {}
        for service in self.references.of(SERVICE):
            configuration = service.properties.get("DeploymentConfiguration") or {}
            alarms = configuration.get("Alarms") or {}
            if str(alarms.get("Enable")).lower() == "true":
                texts = self.references.texts(service.document, alarms.get("AlarmNames"))
                names |= dict.fromkeys(texts)
        if not names:
            return
        states = self.aws.alarms(list(names))
        in_alarm = [name for name in names if states.get(name) == "ALARM"]
        if in_alarm:
            detail = f"{', '.join(in_alarm)} in ALARM: ECS would not roll back a bad deployment"
            yield self.fail(detail, "find the cause, or wait until the alarm recovers")
        else:
            yield self.ok(f"{len(states)} of {len(names)} exist, none in ALARM")
