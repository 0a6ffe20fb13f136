"""Find exports that go or change while other stacks import them.

CloudFormation refuses both while an import exists. Source:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from msgspec import Struct

from ...cfn import (
    MISSING,
    Schemas,
    Unknown,
    ValidationError,
    export_names,
    import_names,
    plain_data,
    template_to_text,
)
from ..live_stack import LiveStack
from ..model import Blocker, BlockerKind
from ..prediction import PredictedPlan
from .names import RootChange

ListImporters = Callable[[str], list[str]]
"""Returns the names of the stacks that import an export."""


ListExports = Callable[[], list[str]]
"""Returns the names of all exports."""


class _Export(Struct, frozen=True):
    """An export that goes (``after`` is None) or changes."""

    name: str
    stack: str
    output: str
    before: str
    after: str | None


def find_export_blockers(
    changes: Sequence[RootChange], importers: ListImporters, schemas: Schemas
) -> Iterator[Blocker]:
    """Yield a blocker for each export that goes or changes while it is imported. Raises
    AwsError."""
    for root, change in enumerate(changes):
        for export in _list_changed(change, schemas):
            stacks = [
                stack
                for stack in importers(export.name)
                if (earlier := _root_of(stack, changes[:root])) is None
                or _imports(changes[earlier], export.name, schemas)
            ]
            if stacks:
                yield _describe(change, export, stacks, changes, schemas)


def find_import_blockers(
    changes: Sequence[RootChange], exports: ListExports, schemas: Schemas
) -> Iterator[Blocker]:
    """Yield a blocker for each import of an export that neither exists nor is made by an earlier
    root. Raises AwsError."""
    imports = [_read_imports(change, schemas) for change in changes]
    existing = set(exports()) if any(imports) else set()
    for root, change in enumerate(changes):
        known = existing.union(
            *(_read_exports(earlier, schemas) for earlier in changes[: root + 1])
        )
        for name in sorted(imports[root] - known):
            yield _describe_import(change, name, known)


def find_awaited_exports(
    changes: Sequence[RootChange], exports: ListExports, schemas: Schemas
) -> dict[str, dict[str, str]]:
    """Return the exports that a root imports and an earlier root makes only in this deployment:
    name of the importing root -> name of the export -> name of the exporting root.

    CloudFormation creates no change set with an import of an export that does not exist. Raises
    AwsError.
    """
    imports = [_read_imports(change, schemas) for change in changes]
    existing = set(exports()) if any(imports) else set()
    awaited: dict[str, dict[str, str]] = {}
    for root, change in enumerate(changes):
        for earlier in changes[:root]:
            coming = (imports[root] & _read_exports(earlier, schemas)) - existing
            if coming:
                names = dict.fromkeys(sorted(coming), earlier.desired.root)
                awaited.setdefault(change.desired.root, {}).update(names)
    return awaited


def _read_imports(change: RootChange, schemas: Schemas) -> set[str]:
    """Return the exports that the templates of a root import, where the root changes."""
    after = change.prediction.after
    if after is None or not any(
        "ImportValue" in text for text in change.desired.templates.values()
    ):
        return set()
    try:
        return import_names(after, schemas)
    except ValidationError:
        return set()


def _read_exports(change: RootChange, schemas: Schemas) -> set[str]:
    """Return the exports that a root makes in this deployment."""
    after = change.prediction.after
    try:
        return set(export_names(after, schemas)) if after is not None else set()
    except ValidationError:
        return set()


def _describe_import(change: RootChange, name: str, known: Iterable[str]) -> Blocker:
    close = get_close_matches(name, sorted(known), 1)
    hint = f"did you mean {close[0]}?" if close else "deploy the stack that exports it first"
    return Blocker(
        BlockerKind.IMPORT,
        change.desired.root,
        (change.desired.root,),
        f"{change.desired.root} imports the export {name}, which no stack has",
        hint,
    )


def _list_changed(change: RootChange, schemas: Schemas) -> Iterator[_Export]:
    if change.live is None or change.prediction.before is None or change.prediction.after is None:
        return
    try:
        before = export_names(change.prediction.before, schemas)
        after = export_names(change.prediction.after, schemas) if before else {}
    except ValidationError:  # CloudFormation refuses the template, and says why
        return
    for name, (path, output) in before.items():
        value = _live_outputs(change.live, path).get(output)
        if value is None:
            continue
        stack = _stack_path(change, path)
        if name not in after:
            yield _Export(name, stack, output, value, None)
        elif moved := _new_value(change, *after[name], value):
            yield _Export(name, stack, output, value, moved)


def _live_outputs(live: LiveStack, path: Sequence[str]) -> Mapping[str, str]:
    stack: LiveStack | None = live
    for logical_id in path:
        stack = stack.nested.get(logical_id) if stack else None
    return stack.stack.outputs if stack else {}


def _stack_path(change: RootChange, path: Sequence[str]) -> str:
    stack = change.desired.root
    for logical_id in path:
        stack = change.prediction.name(stack, logical_id)
    return stack


def _new_value(change: RootChange, path: Sequence[str], output: str, before: str) -> str | None:
    """Return the value that an export gets; None where it stays, or may stay."""
    value = plain_data(_changed_outputs(change.prediction, change.desired.root, path).get(output))
    if value is None or value is MISSING:
        return None
    if isinstance(value, Unknown):
        return value.text if value.certain else None
    text = template_to_text(value)
    return text if text != before else None


def _changed_outputs(
    prediction: PredictedPlan, root: str, path: Sequence[str]
) -> Mapping[str, Any]:
    """Return the new values of the Outputs of a stack that change."""
    if not path:
        return prediction.outputs
    stack = root
    for logical_id in path[:-1]:
        stack = prediction.name(stack, logical_id)
    nested = prediction.changes.get((stack, path[-1]))
    if nested is None or nested.nested is None:
        return {}
    return {name: after for name, (_, after) in nested.nested.outputs.items()}


def _root_of(stack: str, changes: Sequence[RootChange]) -> int | None:
    """Return the place of the root to which a live stack belongs, by its name in
    CloudFormation."""
    for root, change in enumerate(changes):
        if change.live and any(live.stack.name == stack for live in change.live.walk()):
            return root
    return None


def _imports(change: RootChange, export: str, schemas: Schemas) -> bool:
    """Return whether a root imports an export after its deployment, as far as that is known."""
    after = change.prediction.after
    try:
        return after is None or export in import_names(after, schemas)
    except ValidationError:
        return True


def _describe(
    change: RootChange,
    export: _Export,
    stacks: Sequence[str],
    changes: Sequence[RootChange],
    schemas: Schemas,
) -> Blocker:
    owner = f"{export.stack} ({change.live.stack.name})" if change.live else export.stack
    imports = f"which {', '.join(stacks)} import{'s' * (len(stacks) == 1)}"
    places = dict.fromkeys(
        place for stack in stacks if (place := _root_of(stack, changes)) is not None
    )
    roots = ", ".join(changes[place].desired.root for place in places)
    leaving = ", ".join(
        changes[place].desired.root
        for place in places
        if not _imports(changes[place], export.name, schemas)
    )
    if export.after is None:
        action = f"drops the export {export.name}, {imports}"
    else:
        action = f"changes the export {export.name}, {imports}, "
        action += f"from {export.before} to {export.after}"
    return Blocker(
        BlockerKind.EXPORT,
        change.desired.root,
        (f"{export.stack}:{export.output}",),
        f"{owner} {action}: CloudFormation refuses that while it is in use",
        _hint(change.desired.root, export, roots or ", ".join(stacks), leaving),
    )


def _hint(root: str, export: _Export, importers: str, leaving: str) -> str:
    """Return what to do about an export in use; ``leaving`` are the roots that stop importing it in
    this deployment, which is too late."""
    keep = f"keep the Output {export.output} for one release"
    if export.after is not None:
        return (
            f"export the new value under another name and {keep}, until that name is imported by "
            f"{importers}"
        )
    if leaving:
        return (
            f"deploy {importers} first, {keep}: {leaving} stops importing it in this deployment, "
            f"but is deployed after {root}"
        )
    return f"deploy {importers} first, {keep}: remove it once nothing imports it"
