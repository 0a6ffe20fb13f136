"""Patterns of the names that the templates give, by the kind of their ARN."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from ...cfn import STACK_TYPE, ResourceType
from ...core import Rendering
from ...plan import BUCKET_OUTPUT, given_bucket
from .kinds import kind_of
from .resources import TemplateResources

_SUFFIXES = {
    "secretsmanager:secret": "-??????",
    "iam:role": "",
    "cloudwatch:alarm": "",
    "cloudwatch:dashboard": "",
}
"""Kind -> the rest of an ARN after a name that is known to the letter; for most kinds an ID, a
revision or a path may follow."""
_NAMED_BY_STACK = frozenset(
    (
        "AWS::CloudWatch::Alarm",
        "AWS::ECS::Cluster",
        "AWS::IAM::Role",
        "AWS::Lambda::Function",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::SNS::Topic",
    )
)
"""Types that CloudFormation names ``<stack>-<logical ID>-…`` where the template does not."""
_GIVEN = (
    ("secrets", "name", "secretsmanager:secret"),
    ("images", "repository", "ecr:repository"),
)
"""Section and key of the parameters, and the kind of the resource that they name."""


class KnownNames:
    """Names of an environment's resources as patterns: ``<prefix>-web`` is ``<prefix>-*``, so that
    a new resource of such a name needs no new policy.

    ``tagged`` are the kinds that CloudFormation tags with the stack. ``own`` adds the names that
    only Stackwright's own calls need: the artifact bucket and service-linked roles.
    """

    def __init__(self, resources: TemplateResources, *, own: bool) -> None:
        self._prefix = resources.prefix
        self._patterns: dict[str, set[str]] = defaultdict(set)
        self.tagged: set[str] = set()
        for name, properties in resources.pairs:
            type_ = resources.types[name]
            if type_ is not None and not type_.custom and name != STACK_TYPE:
                self._add_resource(type_, properties)
        self._patterns["cloudformation:stack"] = {
            f"{self._prefix}-{root}{end}" for root in resources.roots for end in ("/*", "-*")
        }
        self._add_parameters(resources.config.parameters)
        if own:
            bucket = artifact_bucket_name(resources.rendering)
            self._patterns["iam:role"] = {"aws-service-role/*"}
            if bucket is not None:
                self._patterns["s3:bucket"] = {bucket, f"{bucket}/*"}

    def of(self, kind: str) -> set[str]:
        """The patterns of a kind (``ecs:cluster``); ``*`` where no name is known."""
        return self._patterns.get(kind) or {"*"}

    def known(self, kind: str) -> bool:
        """Whether all names of a kind are known."""
        return "*" not in self._patterns.get(kind, {"*"})

    def _add_resource(self, type_: ResourceType, properties: Mapping[str, Any]) -> None:
        kind = kind_of(type_)
        if type_.system_tags:
            self.tagged.add(kind)
        if type_.name == "AWS::ApplicationAutoScaling::ScalingPolicy":
            self._patterns["cloudwatch:alarm"].add("TargetTracking-*")
        is_secret = type_.name == "AWS::SecretsManager::Secret"
        if type_.primary_identifier == (("Id",),) and not is_secret:
            return
        key = _name_property(type_)
        if key is None:
            return
        name = _text(properties.get(key))
        if name is None and type_.name not in _NAMED_BY_STACK:
            self._patterns[kind].add("*")
        else:
            self._patterns[kind].add(self._pattern(kind, name or f"{self._prefix}-"))

    def _add_parameters(self, parameters: Mapping[str, Any]) -> None:
        """The secrets and repositories that the parameters name, wherever they are created."""
        for section, key, kind in _GIVEN:
            given = parameters.get(section)
            for entry in given.values() if isinstance(given, Mapping) else ():
                if isinstance(entry, Mapping) and entry.get(key):
                    self._patterns[kind].add(self._pattern(kind, str(entry[key])))

    def _pattern(self, kind: str, name: str) -> str:
        """``/ecs/<prefix>/web`` as ``/ecs/<prefix>/*``; a name without the prefix as it is."""
        if kind == "ssm:parameter":  # parameter/a/b is the ARN of /a/b
            name = name.removeprefix("/")
        start = re.match(rf"(.*?\b{re.escape(self._prefix)}[-/_.])", name)
        return f"{start.group(1)}*" if start else f"{name}{_SUFFIXES.get(kind, '*')}"


def artifact_bucket_name(rendering: Rendering) -> str | None:
    """The bucket of templates and zips: the parameter ``deploy.bucket``, or the bucket in the
    Output ArtifactBucketName; None where neither names one."""
    given = given_bucket(rendering.config)
    if given:
        return given
    for document in rendering.documents:
        outputs = document.body.get("Outputs") or {}
        value = (outputs.get(BUCKET_OUTPUT) or {}).get("Value")
        if isinstance(value, Mapping) and value.get("Ref") in document.resources():
            properties = document.resources()[value["Ref"]].get("Properties") or {}
            return _text(properties.get("BucketName"))
    return None


def _name_property(type_: ResourceType) -> str | None:
    """The property that names a resource of the type; None where there is none."""
    last = type_.name.rpartition("::")[2]
    settable = type_.definition["properties"].keys() - {path[0] for path in type_.read_only}
    return next((key for key in (f"{last}Name", "Name", "Family") if key in settable), None)


def _text(value: Any) -> str | None:
    """A name as it is written; None where only CloudFormation knows it."""
    if isinstance(value, Mapping) and isinstance(value.get("Fn::Sub"), str):
        value = value["Fn::Sub"]
        return value if not re.search(r"\$\{(?!AWS::)", value) else None
    return value if isinstance(value, str) else None
