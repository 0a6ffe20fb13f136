"""Rendering, Bundle and what is known outside of them -> what each root stack is asked to become.
Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from ..aws import Stack
from ..cfn import stack_status
from ..core import Bundle, Config, Document, InputError, Rendering, Source, SourceKind
from .model import DesiredStack

BUCKET_OUTPUT = "ArtifactBucketName"
"""Output of a root stack that names the bucket for artifacts and releases."""
INLINE_LIMIT = 51_200
"""Bytes of a template in a request.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""


class KnownValues(Struct, frozen=True):
    """What a deployment knows outside of the templates: outputs of root stacks by root and name,
    images by name as ``host/repository@sha256:…``, secret version ids by their key under
    ``secrets``."""

    outputs: Mapping[str, Mapping[str, str]] = {}
    images: Mapping[str, str] = {}
    secrets: Mapping[str, str] = {}
    parameters: Mapping[str, Collection[str]] = {}
    """Names of the Parameters that each live root stack has: a NoEcho one keeps its value where
    none is given."""


def stack_name(config: Config, root: str) -> str:
    """The name of a root stack in CloudFormation: ``<prefix>-<root>``."""
    return f"{config.prefix}-{root}"


def known_values(
    stacks: Mapping[str, Stack],
    images: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
) -> KnownValues:
    """What the root stacks that are there give; one that has to be made anew keeps no values."""
    kept = {
        root: each.parameters.keys()
        for root, each in stacks.items()
        if not stack_status(each.status).never_created
    }
    return KnownValues(
        {root: each.outputs for root, each in stacks.items()}, images or {}, secrets or {}, kept
    )


def require_own(config: Config, stack: Stack) -> None:
    """Let nobody update or destroy a root stack that another environment made, by its tag.

    Raises:
        InputError: SW889.
    """
    wanted = stack_tags(config)["environment"]
    other = stack.tags.get("environment", wanted)
    if other != wanted:
        leaf = config.leaves.get(("prefix",))
        message = f"{stack.name} is of the environment {other}, by its tag, not of {wanted}"
        hint = f"give each environment a prefix of its own; or, if {wanted} is {other}: tags: {{environment: {other}}}"
        raise InputError.of("SW889", message, *((leaf.location,) if leaf else ()), hint=hint)


def deploy_settings(config: Config) -> Mapping[str, Any]:
    """``deploy`` of the parameters: bucket, parameters (by root stack), protect, role_arn; all may
    be left out."""
    found = config.parameters.get("deploy")
    return found if isinstance(found, dict) else {}


def root_documents(rendering: Rendering) -> list[Document]:
    """The root stacks, in the order in which they are deployed."""
    return [document for document in rendering.documents if "/" not in document.name]


def given_bucket(config: Config) -> str | None:
    """The bucket that the parameters name (``deploy.bucket``), for projects without a stack that
    makes one."""
    return deploy_settings(config).get("bucket") or None


def find_bucket(config: Config, stacks: Iterable[Stack]) -> str | None:
    """The bucket of artifacts and releases, as the parameters or the root stacks name it; None as
    long as neither does."""
    return given_bucket(config) or next(
        filter(None, (each.outputs.get(BUCKET_OUTPUT) for each in stacks)), None
    )


def find_bucket_root(rendering: Rendering) -> str | None:
    """The root stack that makes the bucket, if one does."""
    return next(
        (
            each.name
            for each in root_documents(rendering)
            if BUCKET_OUTPUT in (each.body.get("Outputs") or {})
        ),
        None,
    )


def build_desired_stack(
    root: Document, rendering: Rendering, bundle: Bundle, known: KnownValues
) -> DesiredStack:
    """What one root is asked to become.

    A root goes into the request itself as long as there is no bucket, and always where it makes the
    bucket. Raises InputError for a Parameter that nothing gives a value.
    """
    config = rendering.config
    names = [
        name for name in bundle.templates if name == root.name or name.startswith(f"{root.name}/")
    ]
    sources = rendering.wiring[root.name].sources
    values = {name: _value(source, known) for name, source in sources.items()} | dict(
        _given(root, config, sources, known)
    )
    inline = bundle.folder is None or root.name == find_bucket_root(rendering)
    made = DesiredStack(
        root=root.name,
        stack=stack_name(config, root.name),
        templates={name: bundle.templates[name].text for name in names},
        urls={name: bundle.templates[name].address for name in names} if bundle.folder else {},
        parameters={name: value for name, value in sorted(values.items()) if value is not None},
        tags=stack_tags(config),
        inline=inline,
        missing=_missing(root, bundle, values),
        role=deploy_settings(config).get("role_arn") or None,
    )
    if inline and len(made.body.encode()) > INLINE_LIMIT:
        message = f"{root.path} is larger than the {INLINE_LIMIT:,} bytes of a request, and there is no bucket yet"
        raise InputError.of(
            "SW881", message, hint="deploy the bucket by a root stack of its own, before this one"
        )
    return made


def _value(source: Source, known: KnownValues) -> str | None:
    found: Mapping[SourceKind, Mapping[str, str]] = {
        SourceKind.OUTPUT: known.outputs.get(source.stack, {}),
        SourceKind.IMAGE: known.images,
        SourceKind.SECRET: known.secrets,
    }
    return found.get(source.kind, {}).get(source.name)


def _given(
    root: Document, config: Config, sources: Mapping[str, Source], known: KnownValues
) -> Iterator[tuple[str, str]]:
    """Values of ``deploy.parameters`` for the root's own Parameters; each must be needed, and each
    needed be there."""
    declared = root.body.get("Parameters") or {}
    entries = deploy_settings(config).get("parameters") or {}
    values = entries.get(root.name) or {}
    for name in values:
        if name not in declared or name in sources:
            why = (
                f"it comes from {sources[name].kind} {sources[name].name}"
                if name in sources
                else "there is none"
            )
            raise InputError.of(
                "SW882", f"deploy.parameters.{root.name}.{name} is not a Parameter to give: {why}"
            )
    for name, body in declared.items():
        if name in values:
            yield name, str(values[name])
            continue
        hidden = str(body.get("NoEcho")).lower() == "true"
        if hidden and name in known.parameters.get(root.name, ()):
            continue
        if name not in sources and "Default" not in body:
            hint = f"give it a Default, or write deploy: {{parameters: {{{root.name}: {{{name}: …}}}}}} in params/"
            if hidden:
                hint = f"give it once: --set deploy.parameters.{root.name}.{name}=…; later plans keep its value"
            line = root.lines[root.starts.get(("Parameters", name), 1) - 1]
            raise InputError.of(
                "SW882",
                f"nothing gives the Parameter {name} of {root.name} a value",
                *line.origin,
                hint=hint,
            )


def stack_tags(config: Config) -> dict[str, str]:
    """The tags of every root stack: environment, project, and those of the parameters."""
    extra = config.parameters.get("tags") or {}
    project = config.parameters.get("project")
    own = {"environment": config.environment, **({"project": str(project)} if project else {})}
    return own | {str(key): str(value) for key, value in extra.items()}


def _missing(root: Document, bundle: Bundle, values: Mapping[str, str | None]) -> tuple[str, ...]:
    """Parameters without a value yet; and the bucket, where nested templates have no address
    without it."""
    unknown = tuple(sorted(name for name, value in values.items() if value is None))
    refers = any("TemplateURL" in body.get("Properties", {}) for body in root.resources().values())
    refers = refers or any(name.startswith(f"{root.name}:") for name in bundle.functions)
    return (*unknown, BUCKET_OUTPUT) if refers and bundle.folder is None else unknown
