"""Detects and reverts drift: resources of root and nested stacks that differ from their templates.

CloudFormation does not detect drift in nested stacks from their parent, so a detection runs for
each stack. Only properties that a template states can drift, and not all types can be read. Source:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-drift.html
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from msgspec.structs import replace

from ..aws import Drift, Polling, Stacks
from ..cfn import declared_keys
from ..core import HIDDEN, AwsError, DeployError, S3Folder, is_secret_name, mask, value_keys
from ..health import DriftedStack
from ..plan import DesiredStack, Environment, LiveStack, RootPlan, preview_root, walk_stacks
from .approvals import Approvals, count_noun
from .execution import apply_approved
from .planner import Planner
from .runner import OperationRunner
from .supplies import Supplies
from .user import Stopped

PARALLEL = 4
"""Detections at the same time: each makes the account call the APIs of all its resources."""
DEADLINE = 1800.0
"""Seconds for one stack: a detection reads every resource, and large stacks take minutes."""
INLINE_LIMIT = 51_200
_DRIFTED = ("MODIFIED", "DELETED")


def detect_drift(
    lives: Iterable[LiveStack],
    aws: Stacks,
    *,
    on_progress: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> list[DriftedStack]:
    """Detect drift in root stacks and the stacks nested in them; returns one value a stack, in
    their order.

    ``on_progress`` gets the name of each stack when its detection ends. Values of NoEcho parameters
    and secrets are hidden. Raises AwsError.
    """

    def detect(live: LiveStack) -> DriftedStack:
        polling = Polling(longest=2, deadline=DEADLINE, clock=clock, sleep=sleep)
        drifted = _detect(live, aws, polling)
        on_progress(live.name)
        return drifted

    stacks = walk_stacks(lives)
    with ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(detect, stacks))


def _detect(live: LiveStack, aws: Stacks, polling: Polling) -> DriftedStack:
    detection = aws.detect_drift(live.stack.id)
    state, reason = "", ""
    for _ in polling:
        state, reason = aws.drift_detection(detection)
        if state != "DETECTION_IN_PROGRESS":
            break
    else:
        raise AwsError.of(
            "SW844",
            f"the drift detection of {live.stack.name} does not end",
            hint="run it again later",
        )
    drifts = aws.drifts(live.stack.id)
    secrets = _HiddenValues(live)
    drifted = tuple(secrets.hide(drift) for drift in drifts if drift.status in _DRIFTED)
    compared = sum(drift.status != "NOT_CHECKED" for drift in drifts)
    failed = (reason or "it failed") if state == "DETECTION_FAILED" else ""
    return DriftedStack(live.name, drifted, compared, len(live.resources) - compared, failed)


class _HiddenValues:
    """The properties of a template that hold NoEcho parameters or secrets."""

    def __init__(self, live: LiveStack) -> None:
        self._template = declared_keys(live.template)
        parameters = self._template.parameters.items()
        names = [name for name, parameter in parameters if parameter.no_echo]
        marks = [mark for name in names for mark in (f'{{"Ref": "{name}"}}', f"${{{name}}}")]
        self._marks = (*marks, "{{resolve:secretsmanager", "{{resolve:ssm-secure")

    def hide(self, drift: Drift) -> Drift:
        """The drift without secret values."""
        resource = self._template.resources.get(drift.logical_id)
        properties = resource.properties if resource else {}
        shown = []
        for path, expected, actual, kind in drift.differences:
            if self._inside(properties, path) or _is_named_secret(properties, path):
                shown.append((path, HIDDEN, HIDDEN, kind))
            else:
                shown.append((path, mask(expected), mask(actual), kind))
        return replace(drift, differences=tuple(shown))

    def _inside(self, properties: Any, path: str) -> bool:
        """Whether the template holds a secret at a JSON pointer, which may point into the result
        of an intrinsic function."""
        place = properties
        for part in path.strip("/").split("/"):
            step = _step(place, part)
            if step is None and not _function(place):
                return False  # the template does not state it
            if step is None:
                break
            place = step
        text = json.dumps(place, default=str)
        return any(mark in text for mark in self._marks)


def _is_named_secret(properties: Any, path: str) -> bool:
    """Whether a name at a JSON pointer, or beside its end, is that of a secret."""
    *parents, last = path.strip("/").split("/")
    place = properties
    for part in parents:
        place = _step(place, part)
    beside = value_keys(place) if isinstance(place, Mapping) else ()
    return last in beside or any(map(is_secret_name, (*parents, last)))


def _function(place: Any) -> bool:
    names = list(place) if isinstance(place, Mapping) else []
    return len(names) == 1 and (names[0] == "Ref" or str(names[0]).startswith("Fn::"))


def _step(place: Any, part: str) -> Any:
    if isinstance(place, Mapping):
        return place.get(part)
    if isinstance(place, list) and part.isdecimal() and int(part) < len(place):
        return place[int(part)]
    return None


def build_reverted_stack(live: LiveStack, url: str | None) -> DesiredStack:
    """The desired state of a root stack that reverts nothing but drift: its live template,
    parameters and tags.

    ``url`` is the address of the template, needed where it is larger than a request takes. Raises
    AwsError: SW844, it is needed and None.
    """
    inline = len(live.template.encode()) <= INLINE_LIMIT
    if not inline and url is None:
        message = (
            f"the template of {live.stack.name} is larger than {INLINE_LIMIT:,} "
            "bytes, and no release stored it"
        )
        raise AwsError.of("SW844", message, hint="deploy once, then revert the drift")
    return DesiredStack(
        root=live.name,
        stack=live.stack.name,
        templates={stack.name: stack.template for stack in live.walk()},
        urls={live.name: url} if url else {},
        parameters=_parameters(live),
        tags=live.stack.tags,
        inline=inline,
    )


def _parameters(live: LiveStack) -> dict[str, str]:
    """The live values without NoEcho ones, which cannot be read: the plan keeps them."""
    declared = declared_keys(live.template).parameters
    secret = {name for name, parameter in declared.items() if parameter.no_echo}
    return {name: value for name, value in live.stack.parameters.items() if name not in secret}


# --- with the user


def revert_drift(runner: OperationRunner, lives: Sequence[LiveStack], approvals: Approvals) -> bool:
    """Make the resources of root stacks what their templates say, by change sets in DeploymentMode
    REVERT_DRIFT, which are shown and approved first. Whether all went well.

    Raises DeployError: SW844, CloudFormation would change nothing.
    """
    environment, user = runner.environment, runner.user
    planner = Planner(environment, Supplies.of(environment, user.say), user.say)
    roots: list[RootPlan] = []
    try:
        with planner.discarding(roots):
            for live in lives:
                roots.append(
                    preview_root(
                        build_reverted_stack(live, _stored_template(environment, live)),
                        live,
                        environment.aws,
                        run=planner.run,
                        description=planner.description(),
                        revert_drift=True,
                    )
                )
            if not any(root.changes_anything for root in roots):
                hint = "change the properties back by hand, or deploy a change that touches them"
                raise DeployError.of(
                    "SW844",
                    "CloudFormation cannot revert the drift: its change set is empty",
                    hint=hint,
                )
            count = sum(len(root.diff.resources) for root in roots)
            act = f"Revert drift of {count_noun(count, 'resource')}"
            apply_approved(planner, runner, roots, approvals, act)
    except Stopped:
        return False
    return True


def _stored_template(environment: Environment, live: LiveStack) -> str | None:
    """The address of the live root template, where a deployment put it into the bucket."""
    bucket = environment.find_bucket(environment.read_roots().values())
    if bucket is None:
        return None
    digest = hashlib.sha256(live.template.encode()).hexdigest()
    folder = S3Folder(bucket, environment.config.region)
    account = environment.caller.account
    for name in (f"{digest}.template.yaml", f"{digest}.template.json"):
        if environment.aws.object_checksum(bucket, folder.key(name), account) is not None:
            return folder.url(name)
    return None
