"""An example and the exit status of each verb, for ``--help`` and docs/verbs.md."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class VerbNotes(Struct, frozen=True):
    """What the help of a verb says beside its options.

    ``example`` is the verb with its arguments, without the program's name; ``exit_status`` adds to
    the common meaning (0 success, 1 a problem, 130 interrupted) and is empty if nothing is added.
    """

    example: str
    exit_status: str = ""


NOTES: Mapping[str, VerbNotes] = {
    "render": VerbNotes("render -e prod --check", "1 if --check finds a stale build"),
    "lint": VerbNotes("lint -e prod --format sarif", "1 if a finding is an error"),
    "diff": VerbNotes(
        "diff -e prod --against origin/main", "2 if there are changes (--detailed-exitcode)"
    ),
    "plan": VerbNotes(
        "plan -e prod --out plan.json --keep", "2 if there are changes (--detailed-exitcode)"
    ),
    "deploy": VerbNotes(
        "deploy -e prod", "1 if a stack did not reach its goal, a rollback included"
    ),
    "rollback": VerbNotes("rollback -e prod 12", "1 if a stack did not reach its goal"),
    "status": VerbNotes("status -e prod"),
    "verify": VerbNotes("verify -e prod --deadline 300", "1 if a check fails at the deadline"),
    "history": VerbNotes("history -e prod"),
    "events": VerbNotes("events -e prod --failed"),
    "outputs": VerbNotes("outputs -e prod --format env"),
    "drift": VerbNotes("drift -e prod", "2 if a resource was changed by hand"),
    "repair": VerbNotes("repair -e prod", "1 if a stack is still stuck"),
    "import": VerbNotes("import -e prod"),
    "prune": VerbNotes("prune -e prod --keep 20"),
    "destroy": VerbNotes("destroy -e dev --yes-destroy dev", "1 if a stack is not deleted"),
    "watch": VerbNotes("watch -e prod", "1 if the operation fails"),
    "rehearse": VerbNotes(
        "rehearse -e prod --against origin/main",
        "1 if the update or its rollback would fail, or an unapproved resource is replaced",
    ),
    "preflight": VerbNotes("preflight -e prod", "1 if a check fails"),
    "package": VerbNotes("package -e prod --out dist/prod"),
    "secrets status": VerbNotes("secrets status -e prod", "1 if a deployment would lack a key"),
    "secrets diff": VerbNotes("secrets diff -e prod"),
    "secrets push": VerbNotes("secrets push -e prod"),
    "images status": VerbNotes(
        "images status -e prod", "1 if an image is missing or for another platform"
    ),
    "images build": VerbNotes("images build -e prod gateway"),
    "images push": VerbNotes("images push -e prod gateway agent"),
    "images mirror": VerbNotes("images mirror -e prod redis"),
    "params": VerbNotes("params -e prod --origin"),
    "explain": VerbNotes("explain -e prod gateway.cpu"),
    "graph": VerbNotes("graph -e prod --format svg > stacks.svg"),
    "permissions": VerbNotes("permissions -e prod --repository OWNER/NAME > roles.yaml"),
    "taskcat": VerbNotes("taskcat -e prod --out dist/taskcat/prod"),
    "new": VerbNotes("new shop --example nested"),
    "init": VerbNotes("init qa"),
    "doctor": VerbNotes("doctor", "1 if something that is needed is missing"),
    "docs": VerbNotes("docs --write"),
    "completion": VerbNotes("completion bash >> ~/.bashrc"),
    "emulator start": VerbNotes('eval "$(stackwright emulator start -e prod)"'),
    "emulator stop": VerbNotes("emulator stop"),
    "emulator status": VerbNotes("emulator status --format json", "1 if it does not run"),
    "emulator reset": VerbNotes("emulator reset"),
    "emulator latency": VerbNotes("emulator latency 0.1"),
    "emulator fault resource": VerbNotes(
        'emulator fault resource --type AWS::ECS::Service --reason "no capacity"'
    ),
    "emulator fault request": VerbNotes("emulator fault request --kind throttle --every 3"),
    "emulator fault unhealthy": VerbNotes("emulator fault unhealthy --service gateway"),
    "emulator fault kill": VerbNotes("emulator fault kill --logical-id Service"),
    "emulator fault clear": VerbNotes("emulator fault clear"),
}


def describe_notes(path: str) -> str | None:
    """Return the last paragraph of a verb's help, None for a group of verbs."""
    notes = NOTES.get(path)
    if notes is None:
        return None
    begin = "" if notes.example.startswith("eval") else "stackwright "
    ending = f"\n\nExit status: {notes.exit_status}." if notes.exit_status else ""
    return f"Example: {begin}{notes.example}{ending}"
