"""The connections of a running ECS task: its address, its targets in load balancers, and its
instances in Cloud Map.

docs.aws.amazon.com/AmazonECS/latest/developerguide/service-load-balancing.html and
.../service-discovery.html
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from ....cfn import Pseudo

_INITIAL = {
    "Reason": "Elb.RegistrationInProgress",
    "Description": "Target registration is in progress",
}
_HEALTHY = {"State": "healthy", "Reason": None, "Description": None}
_UNHEALTHY = {
    "State": "unhealthy",
    "Reason": "Target.FailedHealthChecks",
    "Description": "Health checks failed",
}


class TaskNetwork:
    """Connects tasks of one account and Region, on moto's own objects, which refuse nothing."""

    def __init__(self, pseudo: Pseudo) -> None:
        self._pseudo = pseudo

    def _backend(self, service: str) -> Any:
        from moto.backends import get_backend

        backends: Any = get_backend(service)  # type: ignore[call-overload]
        return backends[self._pseudo.account_id][self._pseudo.region]

    def attach(self, task: Any, service: Any, others: int) -> None:
        """Give a new task an address in one of the service's subnets, which take turns."""
        configuration = (service.network_configuration or {}).get("awsvpcConfiguration", {})
        subnet_ids = configuration.get("subnets") or []
        if not subnet_ids:
            return
        subnet = self._backend("ec2").get_subnet(subnet_ids[others % len(subnet_ids)])
        address = self._find_address(subnet.cidr_block, int(task.id[:8], 16))
        details = {
            "subnetId": subnet.id,
            "networkInterfaceId": f"eni-{task.id[:17]}",
            "privateIPv4Address": address,
        }
        id_ = task.id
        attachment = {
            "id": f"{id_[:8]}-{id_[8:12]}-{id_[12:16]}-{id_[16:20]}-{id_[20:]}",
            "type": "ElasticNetworkInterface",
            "status": "ATTACHED",
            "details": [{"name": name, "value": value} for name, value in details.items()],
        }
        task.attachments = [attachment]
        task.availability_zone = subnet.availability_zone

    def _find_address(self, cidr: str, preferred: int) -> str:
        """An address of a subnet that no running task has, near the ``preferred``-th. AWS reserves
        the first four and the last."""
        network = ipaddress.ip_network(cidr)
        tasks = (
            task for cluster in self._backend("ecs").tasks.values() for task in cluster.values()
        )
        used = {address_of(task) for task in tasks if task.last_status != "STOPPED"}
        count = max(1, network.num_addresses - 5)
        candidates = (str(network[4 + (preferred + step) % count]) for step in range(count))
        return next((address for address in candidates if address not in used), str(network[4]))

    def connect(self, task: Any, service: Any) -> None:
        """Register a running task; its targets are ``initial`` until :meth:`set_health`."""
        address = address_of(task)
        if address is None:
            return
        for target_group, port in self.target_groups(service):
            target_group.targets[address] = {
                "Id": address,
                "Port": port,
                "State": "initial",
                **_INITIAL,
            }
        for registry in self._registries(service):
            names = {"ECS_SERVICE_NAME": service.name, "ECS_CLUSTER_NAME": service.cluster_name}
            family = task.task_definition_arn.rpartition("/")[2].rpartition(":")[0]
            place = {"AWS_INSTANCE_IPV4": address, "AVAILABILITY_ZONE": task.availability_zone}
            known = {"REGION": self._pseudo.region, "ECS_TASK_DEFINITION_FAMILY": family}
            discovery = self._backend("servicediscovery")
            if registry in discovery.services:
                discovery.register_instance(registry, task.id, task.id, {**place, **names, **known})

    def set_health(self, task: Any, service: Any, healthy: bool) -> None:
        """Set the health of a task's targets."""
        for target_group, _ in self.target_groups(service):
            target = target_group.targets.get(address_of(task))
            if target is not None:
                target |= _HEALTHY if healthy else _UNHEALTHY

    def disconnect(self, task: Any, service: Any) -> None:
        """Deregister a stopping task."""
        for target_group, _ in self.target_groups(service):
            target_group.targets.pop(address_of(task), None)
        for registry in self._registries(service):
            discovery = self._backend("servicediscovery")
            if registry in discovery.services:
                instances = discovery.services[registry].instances
                discovery.services[registry].instances = [
                    instance for instance in instances if instance.instance_id != task.id
                ]

    def target_groups(self, service: Any) -> Iterator[tuple[Any, int]]:
        """moto's target groups of a service, with the port of its container."""
        known = self._backend("elbv2").target_groups if service.load_balancers else {}
        for balancer in service.load_balancers:
            if balancer.get("targetGroupArn") in known:
                yield known[balancer["targetGroupArn"]], int(balancer.get("containerPort") or 0)

    def _registries(self, service: Any) -> Iterator[str]:
        for registry in service.service_registries:
            yield str(registry.get("registryArn", "")).rpartition("/")[2]


def address_of(task: Any) -> str | None:
    """The private address of a task; None where it has no network interface of its own."""
    details = (detail for attachment in task.attachments for detail in attachment["details"])
    return next(
        (str(detail["value"]) for detail in details if detail["name"] == "privateIPv4Address"), None
    )
