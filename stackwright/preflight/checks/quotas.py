"""Quotas of the account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from ...aws import PARALLEL
from ...core import AwsError
from ..model import PreflightCheck
from .base import Check
from .services import SERVICE

UNRESERVED = 100
"""Concurrent executions that must stay unreserved.
Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html"""
FARGATE_VCPU = ("fargate", "L-3032A538")
"""Service and code of the quota "Fargate On-Demand vCPU resource count".
Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html"""


class FargateQuota(Check):
    """Compares the vCPU quota with the largest size of all services."""

    id = "Fargate quota"
    title = "The Fargate vCPU quota is enough for all services at their largest"
    reason = "Tasks above the quota do not start."
    source = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html"

    def run(self) -> Iterator[PreflightCheck]:
        """One result; none without services."""
        needed = self._vcpu()
        if not needed:
            return
        quota = self.aws.quota(*FARGATE_VCPU)
        if quota is None:
            yield self.skip(f"at most {needed:g} vCPU needed, but the Region has no such quota")
        elif quota < needed:
            service, code = FARGATE_VCPU
            hint = (
                f"aws service-quotas request-service-quota-increase --service-code {service}"
                f" --quota-code {code} --desired-value {needed:g}"
            )
            yield self.fail(f"at most {needed:g} vCPU needed, the quota is {quota:g}", hint)
        else:
            yield self.ok(f"at most {needed:g} vCPU needed, the quota is {quota:g}")

    def _vcpu(self) -> float:
        """vCPU of all services at their largest number of tasks, and one more task of each during
        a rollout."""
        largest = {
            target.document.name: target.properties.get("MaxCapacity")
            for target in self.references.of("AWS::ApplicationAutoScaling::ScalableTarget")
        }
        definitions = {
            (definition.document.name, definition.logical_id): definition.properties.get("Cpu")
            for definition in self.references.of("AWS::ECS::TaskDefinition")
        }
        total = 0.0
        for service in self.references.of(SERVICE):
            document = service.document.name
            reference = service.properties.get("TaskDefinition")
            name = reference.get("Ref") if isinstance(reference, Mapping) else None
            if (document, str(name)) in definitions:
                desired = _number(service.properties.get("DesiredCount"))
                tasks = _number(largest.get(document)) or desired or 1
                total += (tasks + 1) * _cpu(definitions[document, str(name)])
        return total


class LambdaConcurrency(Check):
    """Compares the unreserved concurrency with what functions newly reserve."""

    id = "Lambda concurrency"
    title = f"At least {UNRESERVED} concurrent executions stay unreserved"
    reason = "PutFunctionConcurrency refuses a reservation that leaves fewer."
    source = "https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html"

    def run(self) -> Iterator[PreflightCheck]:
        """One result; none where no function reserves concurrency."""
        wanted: dict[str, int] = {}
        for function in self.references.of("AWS::Lambda::Function"):
            given = function.properties.get("FunctionName")
            name = self.references.text(function.document, given)
            value = _number(function.properties.get("ReservedConcurrentExecutions"))
            if value:
                wanted[name or function.address] = int(value)
        if not wanted:
            return
        with ThreadPoolExecutor(PARALLEL) as pool:
            asking = pool.submit(self.aws.unreserved_concurrency)
            new = sum(wanted.values()) - sum(pool.map(self._reserved, wanted))
            free = asking.result()
        detail = f"{free} unreserved, {max(new, 0)} more to reserve"
        if new > 0 and free - new < UNRESERVED:
            hint = f"Lambda keeps {UNRESERVED} unreserved: raise the quota, or reserve fewer"
            yield self.fail(detail, hint)
        else:
            yield self.ok(detail)

    def _reserved(self, function: str) -> int:
        try:
            return self.aws.reserved_concurrency(function) or 0
        except AwsError as error:
            if error.code == "ResourceNotFoundException":
                return 0
            raise


def _number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


def _cpu(value: object) -> float:
    """vCPU of a task definition: ``1024`` units, or ``1 vCPU``."""
    text = str(value).lower().replace(" ", "")
    number = _number(text.removesuffix("vcpu")) or 0.0
    return number if text.endswith("vcpu") else number / 1024
