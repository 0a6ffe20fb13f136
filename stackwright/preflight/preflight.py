"""Config, Rendering and the account -> [Check]: what has to hold before anything is changed. Reads,
never writes.

Only what needs the account is looked at; what templates alone can tell, `check` has said. What the
deployment itself brings (a repository, an image, a secret's value) is no failure. All checks are
made side by side, and one that is not allowed, or that something answers for which there is no
answer, is skipped with its reason.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from ..aws import PARALLEL
from ..cfn import RenderedResource, StaticReferences, stack_status
from ..core import AwsError, Config, Rendering, StackwrightError, command_line
from ..health import CheckState, PreflightCheck
from .permissions import service_linked_roles

if TYPE_CHECKING:
    from ..artifacts import ImageRegistry, ImageStatus
    from ..aws import Aws, Stack, Subnet
    from ..plan import LiveStack


FREE_ADDRESSES = 8
"""Of each subnet of a load balancer; tasks and mount targets need some as well. Source:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html"""
UNRESERVED = 100
"""Concurrent executions that must stay unreserved.
Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html"""
FARGATE_VCPU = ("fargate", "L-3032A538")
"""Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html"""
_ROLES = {
    "autoscaling.amazonaws.com": "AutoScaling",
    "ecs.amazonaws.com": "ECS",
    "ecs.application-autoscaling.amazonaws.com": "ApplicationAutoScaling_ECSService",
    "elasticache.amazonaws.com": "ElastiCache",
    "elasticfilesystem.amazonaws.com": "AmazonElasticFileSystem",
    "elasticloadbalancing.amazonaws.com": "ElasticLoadBalancing",
    "opensearchservice.amazonaws.com": "AmazonOpenSearchService",
    "rds.amazonaws.com": "RDS",
}
"""Service -> what follows AWSServiceRoleFor in the name of its service-linked role."""
_FATAL = frozenset(("SW401", "SW402"))
"""Without credentials nothing more can be found out."""
_UNANSWERED = frozenset(
    ("404", "405", "501", "NotImplemented", "InvalidAction", "UnknownOperationException")
)
"""Codes of an endpoint that does not know the call; AWS itself never gives them for these."""
_SERVICE = "AWS::ECS::Service"
_LASTING = {
    "AWS::DynamoDB::GlobalTable": ("TableName", "TableName"),
    "AWS::DynamoDB::Table": ("TableName", "TableName"),
    "AWS::ECR::Repository": ("RepositoryName", "RepositoryName"),
    "AWS::Kinesis::Stream": ("Name", "Name"),
    "AWS::Logs::LogGroup": ("LogGroupName", "LogGroupName"),
    "AWS::RDS::DBCluster": ("DBClusterIdentifier", "DBClusterIdentifier"),
    "AWS::RDS::DBInstance": ("DBInstanceIdentifier", "DBInstanceIdentifier"),
    "AWS::S3::Bucket": ("BucketName", "BucketName"),
    "AWS::SQS::Queue": ("QueueName", "QueueUrl"),
    "AWS::SSM::Parameter": ("Name", "Name"),
    "AWS::SecretsManager::Secret": ("Name", "Id"),
}
"""Types that templates name and keep when a stack is deleted -> the property with the name, and by
what an import knows them. Others are missing where AWS tells them apart by an id (file systems,
user pools)."""


def run_preflight(
    config: Config,
    rendering: Rendering,
    aws: Aws,
    *,
    env_dir: Path | None = None,
    registry: str | None = None,
) -> list[PreflightCheck]:
    """Look at everything; the checks in a fixed order.

    ``env_dir`` holds keys.env where it is not in the project, ``registry`` stands in for ECR
    (``127.0.0.1:5000``; default: STACKWRIGHT_REGISTRY). Raises AwsError where there are no valid
    credentials.
    """
    look = _Look(
        config, rendering, aws, env_dir, registry or os.environ.get("STACKWRIGHT_REGISTRY")
    )
    with ThreadPoolExecutor(PARALLEL) as pool:
        found = pool.map(lambda each: _made(*each), look.checks())
        return [check for checks in found for check in checks]


_Looked = Callable[[], Iterable[PreflightCheck]]


def _made(name: str, look: _Looked) -> list[PreflightCheck]:
    """The checks of one kind; one that cannot be made says why."""
    try:
        return list(look())
    except AwsError as error:
        problem = error.problems[0]
        if problem.code in _FATAL:
            raise
        if _is_unknown(error):
            return [PreflightCheck(name, CheckState.SKIP, *_unknown(error))]
        return [PreflightCheck(name, CheckState.FAIL, problem.message, problem.hint)]
    except StackwrightError as error:
        return [
            PreflightCheck(name, CheckState.FAIL, each.message, each.hint)
            for each in error.problems
        ]


def _is_unknown(error: AwsError) -> bool:
    """Whether it says only that something may not, or cannot be asked here."""
    return error.problems[0].code == "SW403" or error.code in _UNANSWERED


def _unknown(error: AwsError) -> tuple[str, str]:
    """Why something is not to be known, and what to do about it."""
    problem = error.problems[0]
    return (
        (problem.message, problem.hint)
        if problem.code == "SW403"
        else ("nothing here answers that", "")
    )


class _Look:
    """The checks of one environment."""

    def __init__(
        self,
        config: Config,
        rendering: Rendering,
        aws: Aws,
        env_dir: Path | None,
        registry: str | None,
    ) -> None:
        self.config, self.rendering, self.aws, self.registry = config, rendering, aws, registry
        self.env_dir = env_dir or config.project / "env" / config.environment
        self.literals = StaticReferences(rendering)
        self._made = {each.type for each in self.literals.resources}

    def checks(self) -> list[tuple[str, _Looked]]:
        """Name and function of each that this environment gives a reason for."""
        return [
            ("account", self.account),
            *((f"stack {root}", lambda root=root: self.stack(root)) for root in self._roots()),
            ("network", self.network),
            ("certificate", self.certificates),
            ("namespace", self.namespaces),
            ("names", self.names),
            ("images", self.images),
            ("secrets", self.secrets),
            ("service deployments", self.deployments),
            ("rollback alarms", self.alarms),
            ("Fargate quota", self.fargate),
            ("Lambda concurrency", self.concurrency),
            ("service-linked roles", self.linked_roles),
        ]

    def _roots(self) -> list[str]:
        return [document.name for document in self.rendering.documents if "/" not in document.name]

    def account(self) -> Iterator[PreflightCheck]:
        """Account and Region are those of the parameters."""
        caller, wanted = self.aws.caller(), self.config.account
        detail = f"{caller.account} in {self.config.region}, as {caller.arn}"
        if not wanted:
            yield PreflightCheck(
                "account", CheckState.SKIP, f"{detail}; nothing to compare with", "write account_id"
            )
        elif wanted != caller.account:
            hint = f"use credentials of {wanted} (AWS_PROFILE)"
            yield PreflightCheck(
                "account", CheckState.FAIL, f"{detail}; the parameters name {wanted}", hint
            )
        else:
            yield PreflightCheck("account", CheckState.OK, detail)

    # --- stacks
    # -----------------------------------------------------------------------------------------------

    def stack(self, root: str) -> Iterator[PreflightCheck]:
        """The stack can be updated, or is not there yet."""
        name = f"{self.config.prefix}-{root}"
        found = self.aws.stack(name)
        yield self._stack(f"stack {root}", name, found)

    def _stack(self, check: str, name: str, found: Stack | None) -> PreflightCheck:
        if found is None or found.status == "DELETE_COMPLETE":
            return PreflightCheck(check, CheckState.OK, f"{name} is not deployed yet")
        environment = self.config.environment
        if found.busy:
            since = f"{_since(found.updated or found.created)}{self._who(found)}"
            hint = command_line(f"watch --env {environment}")
            return PreflightCheck(check, CheckState.FAIL, f"{name} is {found.status}{since}", hint)
        status = stack_status(found.status)
        if status.stuck:
            detail = f"{name} is {found.status}: {status.explanation}"
            return PreflightCheck(
                check, CheckState.FAIL, detail, command_line(f"repair --env {environment}")
            )
        return PreflightCheck(check, CheckState.OK, f"{name} is {found.status}")

    def _who(self, stack: Stack) -> str:
        """What the change set that is being executed says of itself: who asked, and for what."""
        running = self.aws.change_set(stack.change_set, values=False) if stack.change_set else None
        return f", {running.description}" if running and running.description else ""

    # --- networks that are given
    # ------------------------------------------------------------------------------

    def network(self) -> Iterator[PreflightCheck]:
        """Subnets that the parameters give: in their VPC, in two zones, with routes and free
        addresses."""
        uses = list(self._uses())
        wanted = sorted({subnet for use in uses for subnet in use.subnets})
        if not wanted:
            return
        found = {each.id: each for each in self.aws.subnets(wanted)}
        missing = [each for each in wanted if each not in found]
        if missing:
            detail = f"there is no {', '.join(missing)} in {self.config.region}"
            yield PreflightCheck(
                "subnets",
                CheckState.FAIL,
                detail,
                "look at the subnets in the parameters or in aws.env",
            )
        yield from self._in_vpc(list(found.values()))
        yield from _zones(uses, found)
        yield from _mount_targets(uses, found)
        routes = {
            vpc: self.aws.default_routes(vpc) for vpc in {each.vpc for each in found.values()}
        }
        yield from _routes(uses, found, routes)
        yield from _addresses(found.values())

    def _uses(self) -> Iterator[_Use]:
        """What is placed in subnets that are known by their ids."""
        for each, subnets, way in self._placed():
            ids = tuple(self.literals.texts(each.document, subnets)) if subnets is not None else ()
            if ids and all(id_.startswith("subnet-") for id_ in ids):
                group = str(each.properties.get("FileSystemId")) if way is _Way.NONE else ""
                yield _Use(each.address, ids, way, f"{each.document.name} {group}")

    def _placed(self) -> Iterator[tuple[RenderedResource, object, _Way]]:
        for each in self.literals.of("AWS::ElasticLoadBalancingV2::LoadBalancer"):
            internal = (
                self.literals.text(each.document, each.properties.get("Scheme")) == "internal"
            )
            yield each, each.properties.get("Subnets"), _Way.ANY if internal else _Way.IN
        for each in self.literals.of(_SERVICE):
            network = (each.properties.get("NetworkConfiguration") or {}).get(
                "AwsvpcConfiguration"
            ) or {}
            public = network.get("AssignPublicIp") == "ENABLED"
            yield each, network.get("Subnets"), _Way.IN if public else _Way.OUT
        for each in self.literals.of("AWS::Lambda::Function"):
            yield each, (each.properties.get("VpcConfig") or {}).get("SubnetIds"), _Way.OUT
        for each in self.literals.of("AWS::EFS::MountTarget"):
            yield each, each.properties.get("SubnetId"), _Way.NONE

    def _in_vpc(self, found: Sequence[Subnet]) -> Iterator[PreflightCheck]:
        given = {
            text
            for each in self.literals.resources
            for key in ("VpcId", "Vpc")
            for text in self.literals.texts(each.document, each.properties.get(key))
            if text.startswith("vpc-")
        }
        vpcs = {each.vpc for each in found}
        if len(vpcs | given) > 1:
            elsewhere = [
                f"{each.id} is in {each.vpc}" for each in found if given and each.vpc not in given
            ]
            detail = ", ".join(elsewhere) or f"the subnets are in {', '.join(sorted(vpcs))}"
            hint = (
                f"all belong in {', '.join(sorted(given))}" if given else "take subnets of one VPC"
            )
            yield PreflightCheck("subnets", CheckState.FAIL, detail, hint)
        elif found:
            yield PreflightCheck("subnets", CheckState.OK, f"{len(found)} in {', '.join(vpcs)}")

    # --- names and certificates
    # -------------------------------------------------------------------------------

    def certificates(self) -> Iterator[PreflightCheck]:
        """Certificates of listeners are issued, in the Region of the load balancer."""
        for arn in sorted(set(self._certificates())):
            region = arn.split(":")[3]
            if region != self.config.region:
                detail = f"{arn} is in {region}, the load balancer in {self.config.region}"
                yield PreflightCheck(
                    "certificate",
                    CheckState.FAIL,
                    detail,
                    "request one in the Region of the load balancer",
                )
                continue
            status = self.aws.certificate(arn)
            if status == "ISSUED":
                yield PreflightCheck("certificate", CheckState.OK, f"{arn} is issued")
            else:
                detail = f"{arn} is {status}" if status else f"there is no {arn}"
                yield PreflightCheck(
                    "certificate", CheckState.FAIL, detail, "aws acm list-certificates"
                )

    def _certificates(self) -> Iterator[str]:
        for each in self.literals.of("AWS::ElasticLoadBalancingV2::Listener"):
            for certificate in each.properties.get("Certificates") or ():
                text = self.literals.text(each.document, certificate.get("CertificateArn"))
                if text and text.startswith("arn:"):
                    yield text

    def namespaces(self) -> Iterator[PreflightCheck]:
        """Names of private DNS namespaces are free, or this environment's own."""
        kind = "AWS::ServiceDiscovery::PrivateDnsNamespace"
        wanted = [
            (each, self.literals.text(each.document, each.properties.get("Name")))
            for each in self.literals.of(kind)
        ]
        known = [(each, name) for each, name in wanted if name]
        if not known:
            return
        held = self.aws.namespaces()
        for each, name in known:
            ids = {id_ for id_, held_name in held.items() if held_name == name}
            others = sorted(ids - self._physical(each.document.root, kind)) if ids else []
            if others:
                detail = f"{name} is another namespace's name ({', '.join(others)})"
                hint = "choose another name, or delete that one if nothing uses it"
                yield PreflightCheck("namespace", CheckState.FAIL, detail, hint)
            else:
                yield PreflightCheck(
                    "namespace", CheckState.OK, f"{name} is {'ours' if ids else 'free'}"
                )

    def names(self) -> Iterator[PreflightCheck]:
        """Names that stacks to be made give what outlives a stack are free: not what an earlier one
        has left."""
        given = [
            (each, each.properties.get(_LASTING[each.type][0]))
            for each in self.literals.of(*_LASTING)
        ]
        named = [
            (each, name)
            for each, value in given
            if (name := self.literals.text(each.document, value))
        ]
        roots = {each.document.root for each, _ in named}
        new = {root for root in roots if self._live(root) is None}
        wanted = [(each, name) for each, name in named if each.document.root in new]
        if not wanted:
            return
        with ThreadPoolExecutor(PARALLEL) as pool:
            held = list(pool.map(lambda pair: self._identifier(*pair), wanted))
        taken = [
            (each, name, found)
            for (each, name), found in zip(wanted, held, strict=True)
            if isinstance(found, str)
        ]
        if taken:
            ways = [(each, {_LASTING[each.type][1]: found}) for each, _, found in taken]
            detail = f"{', '.join(name for _, name, _ in taken)}: there already, so that no stack can make them"
            yield PreflightCheck("names", CheckState.FAIL, detail, self._way_in(ways))
            return
        unknown = {
            name: found
            for (_, name), found in zip(wanted, held, strict=True)
            if isinstance(found, AwsError)
        }
        if unknown:
            said = dict.fromkeys(_unknown(error) for error in unknown.values())
            detail = f"{', '.join(unknown)} could not be looked for: {'; '.join(reason for reason, _ in said)}"
            yield PreflightCheck(
                "names", CheckState.SKIP, detail, next(filter(None, (hint for _, hint in said)), "")
            )
        else:
            yield PreflightCheck(
                "names", CheckState.OK, f"{len(wanted)} names of what outlives a stack are free"
            )

    def _identifier(self, each: RenderedResource, name: str) -> str | AwsError | None:
        """By what an import would know the resource of that name, None where there is none; or why
        that is not to be known. A role that was made before a type was looked for hides no
        other."""
        try:
            return self._holder(each, name)
        except AwsError as error:
            if _is_unknown(error):
                return error
            raise

    def _holder(self, each: RenderedResource, name: str) -> str | None:
        if each.type == "AWS::S3::Bucket":
            return name if self.aws.bucket_exists(name) else None
        if each.type == "AWS::ECR::Repository":
            return name if self.aws.repositories([name]) else None
        if each.type == "AWS::SecretsManager::Secret":
            secret = self.aws.secret(name)
            return secret.arn if secret else None
        return self.aws.held_by(each.type, name)

    def _way_in(self, taken: Sequence[tuple[RenderedResource, Mapping[str, str]]]) -> str:
        """How a stack comes to have what is there: by an import, of roots only."""
        import yaml

        adopted: dict[str, dict[str, Mapping[str, str]]] = {}
        for each, identifier in taken:
            if "/" not in each.document.name:
                adopted.setdefault(each.document.name, {})[each.logical_id] = identifier
        given = self.config.parameters.get("imports") or {}
        if adopted and all(
            set(found) <= set(given.get(root) or ()) for root, found in adopted.items()
        ):
            return command_line(f"import --env {self.config.environment}")
        text = yaml.safe_dump(
            {"imports": adopted}, default_flow_style=True, width=10_000, sort_keys=False
        ).strip()
        inner = ", ".join(each.address for each, _ in taken if "/" in each.document.name)
        ways = (
            [f"adopt them by the verb import, with the parameters {text[1:-1]}"] if adopted else []
        )
        return "; ".join(
            [*ways, *([f"delete those of {inner}, or take other names"] if inner else [])]
        )

    def _live(self, root: str) -> LiveStack | None:
        from ..plan import read_stack

        return read_stack(f"{self.config.prefix}-{root}", self.aws, root)

    def _physical(self, root: str, kind: str) -> set[str]:
        """The physical ids of the resources of a type in a root stack that is deployed."""
        found = self._live(root)
        stacks = found.walk() if found else ()
        return {
            each.physical_id
            for stack in stacks
            for each in stack.resources.values()
            if each.type == kind
        }

    # --- what is brought
    # --------------------------------------------------------------------------------------

    def images(self) -> Iterator[PreflightCheck]:
        """Images are in the registry for the platform of the tasks, or the deployment can bring
        them."""
        if not self.config.parameters.get("images"):
            return
        from ..artifacts import ImageRegistry, list_images
        from ..emulator import is_local_registry

        store = ImageRegistry(self.config, self.aws, self.registry)
        stand_in = is_local_registry(store.registry.host)
        for status in store.status(list_images(self.config)):
            yield self._image(status, store, stand_in)

    def _image(self, status: ImageStatus, store: ImageRegistry, stand_in: bool) -> PreflightCheck:
        from ..artifacts import ImageState as ImageState

        image, name = status.image, f"image {status.image.name}"
        if status.state is ImageState.OK:
            return PreflightCheck(name, CheckState.OK, status.reference)
        if status.state is ImageState.OTHER_PLATFORM:
            detail = f"{status.reference} is for {', '.join(status.platforms)}, the tasks are {store.platform}"
            return PreflightCheck(
                name,
                CheckState.FAIL,
                detail,
                f"build it for {store.platform} and give it a new tag",
            )
        if status.state is ImageState.NO_REPOSITORY:
            if "AWS::ECR::Repository" in self._made:
                return PreflightCheck(
                    name, CheckState.SKIP, f"the deployment makes {image.repository} first"
                )
            return PreflightCheck(
                name,
                CheckState.FAIL,
                f"there is no repository {image.repository}",
                "make it, and push the image",
            )
        if stand_in or image.source or (self.config.project / (image.context or "-")).is_dir():
            how = (
                "stands in for it"
                if stand_in
                else "mirrors it"
                if image.source
                else "builds and pushes it"
            )
            return PreflightCheck(
                name, CheckState.SKIP, f"{status.reference} is not there yet: the deployment {how}"
            )
        hint = command_line(f"images push --env {self.config.environment} {image.name}")
        hint += ", on the machine that built it"
        return PreflightCheck(name, CheckState.FAIL, f"{status.reference} does not exist", hint)

    def secrets(self) -> Iterator[PreflightCheck]:
        """Secrets have a value for every key, or keys.env here has."""
        if not self.config.parameters.get("secrets") or not self.config.dotenv.secret_names:
            return
        from ..artifacts import KEYS, read_keys, read_secret_status

        for status in read_secret_status(self.config, self.aws):
            name = f"secret {status.name}"
            bad = [key for key, state in status.keys.items() if str(state) in ("missing", "empty")]
            if status.ready:
                yield PreflightCheck(name, CheckState.OK, f"version {status.version} has every key")
            elif (self.env_dir / KEYS).is_file():
                read_keys(self.config, self.env_dir)  # raises where it lacks a key itself
                yield PreflightCheck(
                    name, CheckState.SKIP, "the deployment puts the values of keys.env"
                )
            elif not status.exists and "AWS::SecretsManager::Secret" in self._made:
                hint = command_line(f"secrets push --env {self.config.environment}")
                hint += ", once the deployment has created it"
                yield PreflightCheck(
                    name,
                    CheckState.SKIP,
                    "the deployment makes it first, and then needs its value",
                    hint,
                )
            else:
                lacks = f"lacks {', '.join(bad)}" if status.version else "has no value"
                hint = command_line(f"secrets push --env {self.config.environment}")
                yield PreflightCheck(
                    name, CheckState.FAIL, lacks if status.exists else "does not exist", hint
                )

    # --- what runs
    # --------------------------------------------------------------------------------------------

    def deployments(self) -> Iterator[PreflightCheck]:
        """No service is being deployed at this moment."""
        wanted: dict[str, list[str]] = {}
        for each in self.literals.of(_SERVICE):
            cluster = self.literals.text(each.document, each.properties.get("Cluster"))
            name = self.literals.text(each.document, each.properties.get("ServiceName"))
            if cluster and name:
                wanted.setdefault(cluster, []).append(name)
        for cluster, names in wanted.items():
            yield self._deployments(cluster, names)

    def _deployments(self, cluster: str, names: Sequence[str]) -> PreflightCheck:
        try:
            found = self.aws.services(cluster, names)
        except AwsError as error:
            if error.code != "ClusterNotFoundException":
                raise
            found = []
        check = f"services of {cluster}"
        moving = [
            each.name
            for each in found
            if len(each.deployments) > 1
            or any(d.rollout == "IN_PROGRESS" for d in each.deployments)
        ]
        if moving:
            detail = f"{', '.join(moving)} {'is' if len(moving) == 1 else 'are'} being deployed"
            return PreflightCheck(
                check,
                CheckState.FAIL,
                detail,
                "wait until they are stable, or stop that deployment",
            )
        return PreflightCheck(
            check, CheckState.OK, f"{len(found)} of {len(names)} are there, none is being deployed"
        )

    def alarms(self) -> Iterator[PreflightCheck]:
        """No alarm that rolls a deployment back is in ALARM already: it would fail at once."""
        names: dict[str, None] = {}
        for each in self.literals.of(_SERVICE):
            alarms = (each.properties.get("DeploymentConfiguration") or {}).get("Alarms") or {}
            if str(alarms.get("Enable")).lower() == "true":
                names |= dict.fromkeys(self.literals.texts(each.document, alarms.get("AlarmNames")))
        if not names:
            return
        found = self.aws.alarms(list(names))
        ringing = [name for name in names if found.get(name) == "ALARM"]
        if ringing:
            detail = f"{', '.join(ringing)} in ALARM: a deployment would be rolled back at once"
            yield PreflightCheck(
                "rollback alarms", CheckState.FAIL, detail, "find out why, or let it recover first"
            )
        else:
            yield PreflightCheck(
                "rollback alarms",
                CheckState.OK,
                f"{len(found)} of {len(names)} are there, none in ALARM",
            )

    # --- quotas and roles
    # -------------------------------------------------------------------------------------

    def fargate(self) -> Iterator[PreflightCheck]:
        """The account's Fargate quota is enough for all services at their largest."""
        needed = self._vcpu
        if not needed:
            return
        held = self.aws.quota(*FARGATE_VCPU)
        if held is None:
            yield PreflightCheck(
                "Fargate quota",
                CheckState.SKIP,
                f"no such quota here; at most {needed:g} vCPU are needed",
            )
        elif held < needed:
            detail = f"{held:g} vCPU are allowed, at most {needed:g} are needed"
            code = f"--service-code {FARGATE_VCPU[0]} --quota-code {FARGATE_VCPU[1]}"
            hint = f"aws service-quotas request-service-quota-increase {code} --desired-value {needed:g}"
            yield PreflightCheck("Fargate quota", CheckState.FAIL, detail, hint)
        else:
            yield PreflightCheck(
                "Fargate quota", CheckState.OK, f"at most {needed:g} vCPU of {held:g}"
            )

    @cached_property
    def _vcpu(self) -> float:
        """vCPU of all services with as many tasks as scaling may want, and one of each more in a
        rollout."""
        largest = {
            each.document.name: each.properties.get("MaxCapacity") for each in self._targets()
        }
        definitions = {
            (e.document.name, e.logical_id): e for e in self.literals.of("AWS::ECS::TaskDefinition")
        }
        total = 0.0
        for each in self.literals.of(_SERVICE):
            reference = each.properties.get("TaskDefinition")
            name = reference.get("Ref") if isinstance(reference, Mapping) else None
            definition = definitions.get((each.document.name, str(name)))
            if definition is not None:
                tasks = (
                    _number(largest.get(each.document.name))
                    or _number(each.properties.get("DesiredCount"))
                    or 1
                )
                total += (tasks + 1) * _cpu(definition.properties.get("Cpu"))
        return total

    def _targets(self) -> Iterator[RenderedResource]:
        return self.literals.of("AWS::ApplicationAutoScaling::ScalableTarget")

    def concurrency(self) -> Iterator[PreflightCheck]:
        """What functions reserve leaves the account enough."""
        wanted: dict[str, int] = {}
        for each in self.literals.of("AWS::Lambda::Function"):
            name = self.literals.text(each.document, each.properties.get("FunctionName"))
            value = _number(each.properties.get("ReservedConcurrentExecutions"))
            if value:
                wanted[name or each.address] = int(value)
        if not wanted:
            return
        with ThreadPoolExecutor(PARALLEL) as pool:
            asking = pool.submit(self.aws.unreserved_concurrency)
            new = sum(wanted.values()) - sum(pool.map(self._reserved, wanted))
            free = asking.result()
        detail = f"{free} are unreserved, {max(new, 0)} more are to be reserved"
        if new > 0 and free - new < UNRESERVED:
            hint = f"Lambda keeps {UNRESERVED} unreserved: ask for a higher quota, or reserve none"
            yield PreflightCheck("Lambda concurrency", CheckState.FAIL, detail, hint)
        else:
            yield PreflightCheck("Lambda concurrency", CheckState.OK, detail)

    def _reserved(self, function: str) -> int:
        try:
            return self.aws.reserved_concurrency(function) or 0
        except AwsError as error:
            if error.code == "ResourceNotFoundException":
                return 0
            raise

    def linked_roles(self) -> Iterator[PreflightCheck]:
        """Service-linked roles are there, or are made at first use."""
        services = sorted(
            service_linked_roles((each.type, each.properties) for each in self.literals.resources)
        )
        wanted = {
            service: f"AWSServiceRoleFor{_ROLES[service]}"
            for service in services
            if service in _ROLES
        }
        if not wanted:
            return
        with ThreadPoolExecutor(PARALLEL) as pool:
            there = dict(zip(wanted, pool.map(self.aws.role_exists, wanted.values()), strict=True))
        missing = {service: role for service, role in wanted.items() if not there[service]}
        if missing:
            first = next(iter(missing))
            hint = f"to be sure: aws iam create-service-linked-role --aws-service-name {first}"
            detail = f"made at first use, with iam:CreateServiceLinkedRole: {', '.join(missing.values())}"
            yield PreflightCheck("service-linked roles", CheckState.SKIP, detail, hint)
        else:
            yield PreflightCheck("service-linked roles", CheckState.OK, ", ".join(wanted.values()))


class _Way(StrEnum):
    """What a subnet's default route has to be."""

    IN = "an internet gateway"
    OUT = "a way out"
    ANY = "any"
    NONE = "none"


class _Use(Struct, frozen=True):
    """A resource and the subnets that it is placed in; mount targets of one ``group`` share a file
    system."""

    address: str
    subnets: tuple[str, ...]
    way: _Way
    group: str


def _zones(uses: Iterable[_Use], found: Mapping[str, Subnet]) -> Iterator[PreflightCheck]:
    """Everything that takes several subnets is in at least two zones."""
    single = [
        use.address
        for use in uses
        if use.way is not _Way.NONE
        and len({found[each].zone for each in use.subnets if each in found}) == 1
    ]
    zones = sorted({each.zone for each in found.values()})
    if single:
        detail = f"{', '.join(single)}: all subnets in one zone"
        yield PreflightCheck(
            "zones", CheckState.FAIL, detail, "take subnets in at least two availability zones"
        )
    elif zones:
        yield PreflightCheck("zones", CheckState.OK, ", ".join(zones))


def _mount_targets(uses: Iterable[_Use], found: Mapping[str, Subnet]) -> Iterator[PreflightCheck]:
    """A file system takes one mount target a zone."""
    placed = [
        (use.group, found[each])
        for use in uses
        if use.way is _Way.NONE
        for each in use.subnets
        if each in found
    ]
    twice = [
        zone
        for (_, zone), count in Counter((group, each.zone) for group, each in placed).items()
        if count > 1
    ]
    if twice:
        detail = f"two mount targets of one file system in {', '.join(sorted(twice))}"
        yield PreflightCheck(
            "mount targets", CheckState.FAIL, detail, "give one private subnet a zone"
        )
    elif placed:
        yield PreflightCheck("mount targets", CheckState.OK, "one a zone")


def _routes(
    uses: Iterable[_Use], found: Mapping[str, Subnet], routes: Mapping[str, Mapping[str, str]]
) -> Iterator[PreflightCheck]:
    """Load balancers are reached, and tasks reach the registry."""
    wrong, closed = [], []
    for use in uses:
        for subnet in (found[each] for each in use.subnets if each in found):
            table = routes[subnet.vpc]
            target = table.get(subnet.id, table.get("", ""))
            if use.way is _Way.IN and not target.startswith("igw-"):
                wrong.append(
                    f"{use.address} needs an internet gateway, {subnet.id} has {target or 'no way out'}"
                )
            elif use.way is _Way.OUT and target.startswith("igw-"):
                wrong.append(
                    f"{use.address} has no public address, {subnet.id} leads to an internet gateway"
                )
            elif use.way is _Way.OUT and not target:
                closed.append(subnet.id)
    if wrong:
        yield PreflightCheck(
            "routes",
            CheckState.FAIL,
            "; ".join(wrong),
            "look at the route tables, or exchange the subnets",
        )
    elif closed:
        detail = f"no way out of {', '.join(sorted(set(closed)))}: tasks need VPC endpoints for ECR, S3, logs and secrets"
        yield PreflightCheck("routes", CheckState.SKIP, detail)
    elif found:
        yield PreflightCheck(
            "routes", CheckState.OK, "load balancers are reached, and tasks have a way out"
        )


def _addresses(found: Iterable[Subnet]) -> Iterator[PreflightCheck]:
    few = [f"{each.id} has {each.free}" for each in found if each.free < FREE_ADDRESSES]
    if few:
        hint = f"{FREE_ADDRESSES} free addresses a subnet are needed"
        yield PreflightCheck("free addresses", CheckState.FAIL, ", ".join(few), hint)
    elif free := [each.free for each in found]:
        yield PreflightCheck(
            "free addresses", CheckState.OK, f"at least {min(free)} in each subnet"
        )


def _since(time: datetime | None) -> str:
    return f" since {time:%Y-%m-%d %H:%M:%S} UTC" if time else ""


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
