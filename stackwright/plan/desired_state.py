"""Build the desired stack of each root from the rendering, the bundle and the known values. No AWS
calls."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from ..aws import Stack
from ..cfn import stack_status
from ..config import SET
from ..core import (
    Bundle,
    Config,
    Document,
    InputError,
    Level,
    Problem,
    Rendering,
    Source,
    SourceKind,
    dotted,
)
from .model import DesiredStack

BUCKET_OUTPUT = "ArtifactBucketName"
"""The Output of a root stack that names the bucket of artifacts and releases."""
NO_BUCKET = (
    f"no root stack has the Output {BUCKET_OUTPUT}, and no deploy.bucket is set (docs/artifacts.md)"
)
"""Why there is no bucket."""
INLINE_LIMIT = 51_200
"""The largest template in a request, in bytes.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""


class KnownValues(Struct, frozen=True):
    """Values that a deployment has from outside of the templates.

    ``outputs`` of root stacks by root and name; ``images`` by name as ``host/repository@sha256:…``;
    ``secrets`` version IDs by their key under ``secrets``.
    """

    outputs: Mapping[str, Mapping[str, str]] = {}
    images: Mapping[str, str] = {}
    secrets: Mapping[str, str] = {}
    parameters: Mapping[str, Collection[str]] = {}
    """Names of the Parameters of each live root stack: a NoEcho one keeps its value where none is
    given."""
    answers: Mapping[str, Mapping[str, str]] = {}
    """Values of NoEcho Parameters that the user typed, by root stack and name."""


def stack_name(config: Config, root: str) -> str:
    """Return the name of a root stack in CloudFormation: ``<prefix>-<root>``."""
    return f"{config.prefix}-{root}"


def known_values(
    stacks: Mapping[str, Stack],
    images: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
) -> KnownValues:
    """Return the values of existing root stacks; one that was never created keeps no parameters."""
    kept = {
        root: stack.parameters.keys()
        for root, stack in stacks.items()
        if not stack_status(stack.status).never_created
    }
    outputs = {root: stack.outputs for root, stack in stacks.items()}
    return KnownValues(outputs, images or {}, secrets or {}, kept)


def require_own(config: Config, stack: Stack) -> None:
    """Refuse a root stack whose tag says that it belongs to another environment.

    Raises:
        InputError: SW889.
    """
    wanted = stack_tags(config)["environment"]
    other = stack.tags.get("environment", wanted)
    if other != wanted:
        leaf = config.leaves.get(("prefix",))
        message = f"{stack.name} belongs to the environment {other}, by its tag, not to {wanted}"
        hint = (
            "give each environment a prefix of its own; "
            f"or, if {wanted} is {other}: tags: {{environment: {other}}}"
        )
        raise InputError.of("SW889", message, *((leaf.location,) if leaf else ()), hint=hint)


def deploy_settings(config: Config) -> Mapping[str, Any]:
    """Return ``deploy`` of the parameters: bucket, parameters (by root stack), protect, role_arn,
    all optional."""
    settings = config.parameters.get("deploy")
    return settings if isinstance(settings, dict) else {}


def root_documents(rendering: Rendering) -> list[Document]:
    """Return the root stacks, in the order in which they are deployed."""
    return [document for document in rendering.documents if "/" not in document.name]


def given_bucket(config: Config) -> str | None:
    """Return the bucket that the parameters name (``deploy.bucket``); None where a stack makes
    it."""
    return deploy_settings(config).get("bucket") or None


def find_bucket(config: Config, stacks: Iterable[Stack]) -> str | None:
    """Return the bucket of artifacts and releases, from the parameters or an Output of a root
    stack; None as long as neither names it."""
    outputs = (stack.outputs.get(BUCKET_OUTPUT) for stack in stacks)
    return given_bucket(config) or next(filter(None, outputs), None)


def find_bucket_root(rendering: Rendering) -> str | None:
    """Return the name of the root stack that makes the bucket; None where none does."""
    return next(
        (
            root.name
            for root in root_documents(rendering)
            if BUCKET_OUTPUT in (root.body.get("Outputs") or {})
        ),
        None,
    )


def build_desired_stack(
    root: Document, rendering: Rendering, bundle: Bundle, known: KnownValues
) -> DesiredStack:
    """Return the desired stack of one root.

    The template of a root goes into the request itself as long as there is no bucket, and always
    where the root makes the bucket.

    Raises:
        InputError: SW881 the template is too large for a request; SW882 a Parameter has no value,
            or ``deploy.parameters`` gives one that the root does not need.
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
    desired = DesiredStack(
        root=root.name,
        stack=stack_name(config, root.name),
        templates={name: bundle.templates[name].text for name in names},
        urls={name: bundle.templates[name].address for name in names} if bundle.folder else {},
        parameters={name: value for name, value in sorted(values.items()) if value is not None},
        tags=stack_tags(config),
        inline=inline,
        missing=_missing(root, rendering, bundle, values),
        role=deploy_settings(config).get("role_arn") or None,
    )
    if inline and len(desired.body.encode()) > INLINE_LIMIT:
        message = (
            f"{root.path} exceeds the {INLINE_LIMIT:,} bytes of a request, "
            "and there is no bucket yet"
        )
        raise InputError.of(
            "SW881", message, hint="deploy the bucket by a root stack of its own, before this one"
        )
    return desired


def _value(source: Source, known: KnownValues) -> str | None:
    values: Mapping[SourceKind, Mapping[str, str]] = {
        SourceKind.OUTPUT: known.outputs.get(source.stack, {}),
        SourceKind.IMAGE: known.images,
        SourceKind.SECRET: known.secrets,
    }
    return values.get(source.kind, {}).get(source.name)


def _given(
    root: Document, config: Config, sources: Mapping[str, Source], known: KnownValues
) -> Iterator[tuple[str, str]]:
    """Yield the values of ``deploy.parameters`` for the root's own Parameters.

    Every one of them must be a Parameter without another source, and every Parameter without a
    source or default must have one.
    """
    declared = root.body.get("Parameters") or {}
    values = {**_given_values(root, config), **known.answers.get(root.name, {})}
    for name in values:
        if name not in declared or name in sources:
            why = (
                f"it comes from {sources[name].kind} {sources[name].name}"
                if name in sources
                else f"{root.name} has no such Parameter"
            )
            raise InputError.of(
                "SW882", f"deploy.parameters.{root.name}.{name} cannot be given: {why}"
            )
    for name, body in declared.items():
        if name in values:
            yield name, str(values[name])
        elif name not in sources and "Default" not in body and not _keeps_value(root, name, known):
            raise _missing_value(root, name)


def _given_values(root: Document, config: Config) -> Mapping[str, Any]:
    """Return ``deploy.parameters`` of a root. Raises InputError, without the value."""
    values: Any = deploy_settings(config)
    path = "deploy"
    for key in ("parameters", root.name):
        values, path = values.get(key) or {}, f"{path}.{key}"
        if not isinstance(values, dict):
            hint = "write deploy: {parameters: {<root>: {<Parameter>: …}}}"
            raise InputError.of("SW882", f"{path} is no map of values by name", hint=hint)
    result: Mapping[str, Any] = values
    return result


def _keeps_value(root: Document, name: str, known: KnownValues) -> bool:
    """Return whether a Parameter is NoEcho and the live stack has a value for it."""
    return _is_hidden(root, name) and name in known.parameters.get(root.name, ())


def _is_hidden(root: Document, name: str) -> bool:
    body = (root.body.get("Parameters") or {}).get(name) or {}
    return str(body.get("NoEcho")).lower() == "true"


def _missing_value(root: Document, name: str) -> InputError:
    path = f"deploy.parameters.{root.name}.{name}"
    place = f"deploy: {{parameters: {{{root.name}: {{{name}: …}}}}}}"
    hint = f"give it a Default, or write {place} in params/"
    if _is_hidden(root, name):
        hint = f"give it once: --set-file {path}=PATH, or --set-env {path}=NAME"
        hint += "; later plans keep its value"
    line = root.lines[root.starts.get(("Parameters", name), 1) - 1]
    message = f"nothing gives the Parameter {name} of {root.name} a value"
    return InputError.of("SW882", message, *line.origin, hint=hint)


def find_hidden_parameters_without_value(
    root: Document, rendering: Rendering, known: KnownValues
) -> list[str]:
    """Return the names of a root's NoEcho Parameters that nothing gives a value."""
    given = _given_values(root, rendering.config)
    sources = rendering.wiring[root.name].sources
    return [
        name
        for name, body in (root.body.get("Parameters") or {}).items()
        if _is_hidden(root, name)
        and not (name in given or name in sources or "Default" in body)
        and not _keeps_value(root, name, known)
    ]


def find_exposed_parameters(rendering: Rendering) -> Iterator[Problem]:
    """Yield a warning for each NoEcho Parameter whose value is an argument of --set."""
    for root in root_documents(rendering):
        for path, leaf in rendering.config.leaves.items():
            is_own = path[:3] == ("deploy", "parameters", root.name) and len(path) == 4
            if (
                is_own
                and leaf.location.path.startswith(f"{SET} ")
                and _is_hidden(root, str(path[3]))
            ):
                key = dotted(path)
                message = f"--set shows the value of the NoEcho Parameter {key} in the shell's "
                message += "history and in the process list"
                hint = f"use --set-file {key}=PATH or --set-env {key}=NAME"
                hint += ", or none: plan and deploy ask for it on a terminal"
                yield Problem("SW026", message, (leaf.location,), hint, Level.WARNING)


def stack_tags(config: Config) -> dict[str, str]:
    """Return the tags of every root stack: environment, project, and the ``tags`` of the
    parameters."""
    extra = config.parameters.get("tags") or {}
    project = config.parameters.get("project")
    own = {"environment": config.environment, **({"project": str(project)} if project else {})}
    return own | {str(key): str(value) for key, value in extra.items()}


def _missing(
    root: Document, rendering: Rendering, bundle: Bundle, values: Mapping[str, str | None]
) -> tuple[str, ...]:
    """Return the names of Parameters without a value yet, and of the bucket's Output where nested
    templates or functions have no address without it.

    Raises InputError: SW886, no earlier root stack will have that Output.
    """
    unknown = tuple(sorted(name for name, value in values.items() if value is None))
    uploaded = _find_uploaded(root, bundle)
    if uploaded is None or bundle.folder is not None:
        return unknown
    roots = [document.name for document in root_documents(rendering)]
    if find_bucket_root(rendering) not in roots[: roots.index(root.name)]:
        line = root.lines[root.starts.get(("Resources", uploaded), 1) - 1]
        message = f"{uploaded} of {root.name} needs a bucket for its template or code: {NO_BUCKET}"
        hint = (
            f"give an earlier root stack Outputs: {{{BUCKET_OUTPUT}: {{Value: !Ref Bucket}}}}, or "
            "write deploy: {bucket: NAME} in params/"
        )
        raise InputError.of("SW886", message, *line.origin, hint=hint)
    return (*unknown, BUCKET_OUTPUT)


def _find_uploaded(root: Document, bundle: Bundle) -> str | None:
    """Return the logical ID of the first resource of a root whose template or code is uploaded."""
    for name, body in root.resources().items():
        url = (body.get("Properties") or {}).get("TemplateURL")
        nested = url is not None and "://" not in str(url)
        if nested or f"{root.name}:{name}" in bundle.functions:
            return name
    return None
