"""What connects a running ECS task: its address, the targets of load balancers, and its instances
in Cloud Map.

docs.aws.amazon.com/AmazonECS/latest/developerguide/service-load-balancing.html and
.../service-discovery.html
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from ...cfn import Pseudo

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


class Network:
    """Works on moto's own objects of one account and Region: nothing here can be refused."""

    def __init__(self, pseudo: Pseudo) -> None:
        self._pseudo = pseudo

    def _backend(self, service: str) -> Any:
        from moto.backends import get_backend

        found: Any = get_backend(service)  # type: ignore[call-overload]
        return found[self._pseudo.account_id][self._pseudo.region]

    def attach(self, task: Any, service: Any, others: int) -> None:
        """Give a new task an address in one of the service's subnets, in turn; nothing where it
        names none."""
        named = (service.network_configuration or {}).get("awsvpcConfiguration", {}).get(
            "subnets"
        ) or []
        if not named:
            return
        subnet = self._backend("ec2").get_subnet(named[others % len(named)])
        address = self._free(subnet.cidr_block, int(task.id[:8], 16))
        details = {
            "subnetId": subnet.id,
            "networkInterfaceId": f"eni-{task.id[:17]}",
            "privateIPv4Address": address,
        }
        shown = [{"name": name, "value": value} for name, value in details.items()]
        one = {
            "id": f"{task.id[:8]}-{task.id[8:12]}-{task.id[12:16]}-{task.id[16:20]}-{task.id[20:]}"
        }
        task.attachments = [
            {**one, "type": "ElasticNetworkInterface", "status": "ATTACHED", "details": shown}
        ]
        task.availability_zone = subnet.availability_zone

    def _free(self, cidr: str, wish: int) -> str:
        """An address of a subnet that no running task has; AWS keeps the first four and the last to
        itself."""
        network = ipaddress.ip_network(cidr)
        tasks = (
            task for cluster in self._backend("ecs").tasks.values() for task in cluster.values()
        )
        used = {address_of(task) for task in tasks if task.last_status != "STOPPED"}
        count = max(1, network.num_addresses - 5)
        free = (str(network[4 + (wish + step) % count]) for step in range(count))
        return next((each for each in free if each not in used), str(network[4]))

    def connect(self, task: Any, service: Any) -> None:
        """Register a task that runs; its targets are ``initial`` until :meth:`judge` says more."""
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

    def judge(self, task: Any, service: Any, healthy: bool) -> None:
        """Say whether a task's targets answer."""
        for target_group, _ in self.target_groups(service):
            target = target_group.targets.get(address_of(task))
            if target is not None:
                target |= _HEALTHY if healthy else _UNHEALTHY

    def disconnect(self, task: Any, service: Any) -> None:
        """Deregister a task that stops."""
        for target_group, _ in self.target_groups(service):
            target_group.targets.pop(address_of(task), None)
        for registry in self._registries(service):
            discovery = self._backend("servicediscovery")
            if registry in discovery.services:
                kept = [
                    each
                    for each in discovery.services[registry].instances
                    if each.instance_id != task.id
                ]
                discovery.services[registry].instances = kept

    def target_groups(self, service: Any) -> Iterator[tuple[Any, int]]:
        """moto's target groups of a service, with the port of its container."""
        known = self._backend("elbv2").target_groups if service.load_balancers else {}
        for each in service.load_balancers:
            if each.get("targetGroupArn") in known:
                yield known[each["targetGroupArn"]], int(each.get("containerPort") or 0)

    def _registries(self, service: Any) -> Iterator[str]:
        for each in service.service_registries:
            yield str(each.get("registryArn", "")).rpartition("/")[2]


def address_of(task: Any) -> str | None:
    """The private address of a task; None where it has no network interface of its own."""
    details = (detail for each in task.attachments for detail in each["details"])
    return next(
        (str(detail["value"]) for detail in details if detail["name"] == "privateIPv4Address"), None
    )
