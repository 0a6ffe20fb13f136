"""What the user approves, by options of the command or at a prompt, and who has reviewed a build.

Without a terminal nothing is asked: a missing approval is an error that names its option.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from msgspec import Struct
from msgspec.structs import replace

from ..core import DeployError, OutputError, Rendering, command_line
from ..plan import Plan, RootAction
from .user import Prompt, Stopped, User

if TYPE_CHECKING:
    from ..plan import Approval, GuardrailFinding, Locate

LOCAL = "local"
"""The environment whose build a deployment writes itself, without a review."""


class Approvals(Struct, frozen=True):
    """What the user approves beforehand, or by typing when asked.

    ``yes`` approves whatever loses nothing. ``replace`` holds logical IDs or addresses that may be
    replaced; ``loss`` lets data be lost with what is replaced or removed; ``access`` lets access
    widen and protection weaken; ``named`` approves resources by name and kind. ``delete`` is the
    name of the stack or the environment that may be deleted; ``typed`` holds findings that were
    approved at the prompt.
    """

    yes: bool = False
    replace: frozenset[str] = frozenset()
    loss: bool = False
    access: bool = False
    delete: str | None = None
    typed: frozenset[GuardrailFinding] = frozenset()
    named: tuple[Approval, ...] = ()

    @property
    def replaceable(self) -> frozenset[str]:
        """Names of the resources that may be replaced or removed."""
        kinds = (None, "data", "removal", "replacement")
        return self.replace | {approval.name for approval in self.named if approval.kind in kinds}

    def find_option(self, finding: GuardrailFinding) -> str:
        """The option that approves a finding; empty where none does."""
        from ..plan import find_option

        return find_option(
            finding,
            replace=self.replace,
            data_loss=self.loss,
            broader_access=self.access,
            named=self.named,
        )

    def missing(self, findings: Sequence[GuardrailFinding]) -> list[GuardrailFinding]:
        """The findings that are neither approved nor waived by their template."""
        return [
            finding
            for finding in findings
            if finding not in self.typed and not finding.waiver and not self.find_option(finding)
        ]


def approve_plan(
    plan: Plan,
    approvals: Approvals,
    user: User,
    locate: Locate,
    *,
    stack: str | None = None,
    act: str = "",
) -> Approvals:
    """Have a plan approved; returns the approvals that hold then.

    Each dangerous change needs its option, or the name of its stack typed at the prompt; the rest
    needs ``yes``, or a yes at the prompt. ``stack`` is the name in CloudFormation of the only root
    that is asked about. ``act`` is what the question asks for, by default to deploy.

    Raises:
        Stopped: the user answers no.
        DeployError: SW883, not a terminal; SW820 and following, an approval is missing, or names
            nothing.
    """
    from ..plan import find_dangerous_changes, require_approval

    dangers = find_dangerous_changes(plan)
    if stack is None:
        _check_names(plan, dangers, approvals, user)
    findings = approvals.missing([finding for finding in dangers if stack in (None, finding.root)])
    if approvals.yes or not user.interactive:
        require_approval(findings, locate=locate)
        if not approvals.yes:
            raise DeployError.of("SW883", "not a terminal: add --yes after reading the plan")
        return approvals
    for name in dict.fromkeys(finding.root for finding in findings):
        for finding in findings:
            if finding.root == name:
                user.warn(finding.text)
        if user.ask(f"To approve this, type {name}") != name:
            _cancel(user, stack)
    act = act or (f"Update {stack}" if stack else f"Deploy {plan.environment}")
    if not user.confirm(f"{act} (account {plan.account}, {plan.region})?"):
        _cancel(user, stack)
    return replace(approvals, typed=approvals.typed | set(findings))


def count_noun(count: int, noun: str) -> str:
    """``1 resource``, ``9 resources``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _check_names(
    plan: Plan, findings: Sequence[GuardrailFinding], approvals: Approvals, user: User
) -> None:
    """Refuse approvals of what does not exist, and tell of those that nothing needs. A root that is
    planned later may still need one."""
    from ..plan import find_unneeded, require_known_names

    require_known_names(approvals.named, plan)
    if not any(root.kind is RootAction.LATER for root in plan.roots):
        for text in find_unneeded(approvals.named, findings):
            user.say(f"note: {text}")


def _cancel(user: User, stack: str | None) -> NoReturn:
    """Tell that nothing was changed; of a deployment under way only ``stack`` was not."""
    user.say(f"cancelled; {stack or 'nothing'} was {'not ' if stack else ''}changed")
    raise Stopped


def require_yes(question: str, approvals: Approvals, prompt: Prompt, option: str) -> None:
    """Ask a question, unless ``approvals.yes``; ``option`` is what gives the approval beforehand.

    Raises DeployError: SW827, not a terminal, or the answer is no.
    """
    if approvals.yes:
        return
    if not prompt.interactive:
        raise DeployError.of("SW827", f"not a terminal: add {option} after reading this")
    if not prompt.confirm(question):
        raise DeployError.of("SW827", "cancelled; nothing was changed")


def require_typed(
    name: str, action: str, approvals: Approvals, prompt: Prompt, option: str
) -> None:
    """Have the name of what is deleted typed, unless ``approvals.delete`` gives it; ``option`` is
    what gives it beforehand.

    Raises DeployError: SW827, not a terminal, or another name is given.
    """
    given = approvals.delete
    if given is None and prompt.interactive:
        given = prompt.ask(f"To {action}, type {name}")
    if given is None:
        raise DeployError.of("SW827", f"not a terminal: add {option} after reading this")
    if given != name:
        raise DeployError.of("SW827", f"{given!r} is not {name!r}; nothing was deleted")


def require_reviewed_build(rendering: Rendering) -> None:
    """Check that the committed build is what the inputs render to, so that what is deployed is what
    was reviewed. The build of the environment ``local`` is written instead.

    Raises OutputError: SW031, the build is stale.
    """
    from ..render import find_stale, stage_build, write_build

    environment = rendering.environment
    if not find_stale(rendering):
        return
    if environment == LOCAL:
        with stage_build(rendering) as folder:
            write_build(rendering, folder)
    else:
        hint = (
            f"{command_line(f'render --env {environment}')}, commit build/{environment},"
            " and have the change reviewed"
        )
        raise OutputError.of(
            "SW031", f"build/{environment} is not what the inputs render to", hint=hint
        )
