"""The deployer without a command line: AWS is an emulator in this process, the user answers by a
script, and time passes only when somebody sleeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stackwright.aws import Boto
from stackwright.core import DeployError, StackwrightError
from stackwright.deploy import (
    Approvals,
    Deployer,
    OperationRunner,
    Timing,
    User,
    destroy_environment,
)
from stackwright.emulator import Server
from stackwright.emulator.world.faults import Fault
from stackwright.plan import Environment, Plan, RootAction
from stackwright.releases.history import read_history
from tests.support.aws import ACCOUNT, REGION
from tests.support.clock import Clock
from tests.support.emulator import emulator
from tests.support.projects import Project
from tests.support.releasing import BUCKET, FILES
from tests.support.users import ScriptedUser

Make = Callable[..., Project]
YES = Approvals(yes=True)
DEFAULTS = f"project: news\n{FILES['params/defaults.yaml']}"


class Case:
    """A project, an empty account, and a clock."""

    def __init__(self, project: Project, server: Server, time: Clock) -> None:
        self.project, self.time, self.engine = project, time, server.engine
        self.variables = {"AWS_ENDPOINT_URL": server.url}
        self.aws = Boto(REGION)

    def environment(self) -> Environment:
        return Environment(
            self.project.load(), self.aws, self.project.render(), variables=self.variables
        )

    def deployer(self, user: User, approvals: Approvals | None = None) -> Deployer:
        timing = Timing(self.time, self.time.sleep)
        return Deployer(self.environment(), user, approvals, timing)

    def deploy(self, approvals: Approvals = YES) -> ScriptedUser:
        """A deployment that must succeed."""
        user = ScriptedUser()
        assert self.deployer(user, approvals).deploy(), user.lines
        return user

    def rename(self, title: str) -> None:
        """Another title for the topic, which replaces nothing."""
        self.project.write({"params/defaults.yaml": DEFAULTS.replace("first", title)})

    def status(self, root: str = "app") -> str | None:
        stack = self.aws.stack(f"news-dev-{root}")
        return stack.status if stack else None

    def output(self) -> str:
        stack = self.aws.stack("news-dev-app")
        assert stack is not None
        return stack.outputs["Title"]

    def results(self) -> list[str]:
        """Results of the releases, newest first."""
        releases = read_history("dev", BUCKET, ACCOUNT, self.aws).releases
        return [str(release.result) for release in releases]


@pytest.fixture
def case(project: Make, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    made = project(
        {
            **FILES,
            "params/defaults.yaml": DEFAULTS,
            "templates/main.yaml.j2": None,
        }
    )
    time = Clock()
    with emulator(source=time) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        yield Case(made, running, time)


def kinds(plan: Plan) -> list[RootAction]:
    return [root.kind for root in plan.roots]


def test_first_deployment_creates_every_root_and_records_a_release(case: Case) -> None:
    user = case.deploy()
    (plan, *_) = user.plans
    assert kinds(plan) == [RootAction.CREATE, RootAction.LATER]
    assert [outcome.status for outcome in user.outcomes] == ["CREATE_COMPLETE", "CREATE_COMPLETE"]
    assert user.lines[-1] == "dev is deployed: release 1"
    assert case.results() == ["deployed"]


def test_deployment_without_changes_reads_only_and_records_nothing(case: Case) -> None:
    case.deploy()
    user = case.deploy()
    assert user.lines == ["no changes: 2 root stacks", "nothing to do"]
    assert (user.plans, user.outcomes, case.results()) == ([], [], ["deployed"])


def test_stages_happen_in_order(case: Case) -> None:
    case.deploy()
    case.rename("second")
    user = case.deploy()
    assert kinds(user.plans[0]) == [RootAction.NOTHING, RootAction.UPDATE]
    assert [line.split(":")[0].split(" for ")[0] for line in user.lines] == [
        "uploaded 2 of 3 artifacts",
        "creating change set",
        "news-dev-app",
        "dev is deployed",
    ]
    assert (case.output(), case.results()) == ("second", ["deployed", "deployed"])


def test_without_terminal_a_change_needs_the_option_yes(case: Case) -> None:
    user = ScriptedUser()
    with pytest.raises(DeployError, match="not a terminal: add --yes after reading the plan"):
        case.deployer(user).deploy()
    assert len(user.plans) == 1
    assert (case.status("base"), case.status()) == (None, None)


def test_no_at_the_prompt_changes_nothing(case: Case) -> None:
    user = ScriptedUser.answering(False)
    assert not case.deployer(user).deploy()
    assert user.questions == [f"Deploy dev (account {ACCOUNT}, {REGION})?"]
    assert user.lines[-1] == "cancelled; nothing was changed"
    assert (case.status("base"), case.status()) == (None, None)


def test_failed_root_ends_the_deployment_and_is_recorded(case: Case) -> None:
    case.deploy()
    case.rename("second")
    case.engine.fault(Fault("no room", operation="update", logical_id="Topic"))
    user = ScriptedUser()
    assert not case.deployer(user, YES).deploy()
    (outcome,) = user.outcomes
    assert outcome.cause is not None
    assert (outcome.status, outcome.cause.reason) == ("UPDATE_ROLLBACK_COMPLETE", "no room")
    assert (case.output(), case.results()) == ("first", ["rolled back", "deployed"])


def test_plan_leaves_nothing_behind(case: Case) -> None:
    case.deploy()
    case.rename("second")
    result = case.deployer(ScriptedUser()).plan()
    assert (result.ready, kinds(result.plan)) == (True, [RootAction.NOTHING, RootAction.UPDATE])
    stack = case.aws.stack("news-dev-app")
    assert stack is not None
    assert case.aws.change_sets(stack.id) == []


def test_saved_plan_is_deployed_and_refused_once_it_is_stale(case: Case, tmp_path: Path) -> None:
    case.deploy()
    case.rename("second")
    saved = tmp_path / "plan.json"
    case.deployer(ScriptedUser()).plan(saved, keep=True)
    user = ScriptedUser()
    assert case.deployer(user, YES).deploy(saved)
    assert case.output() == "second"
    with pytest.raises(StackwrightError, match="the plan is stale"):
        case.deployer(ScriptedUser(), YES).deploy(saved)


def test_rollback_restores_the_release_before_the_live_one(case: Case) -> None:
    case.deploy()
    case.rename("second")
    case.deploy()
    user = ScriptedUser()
    assert case.deployer(user, YES).rollback()
    assert user.lines[0].startswith("release 1 of ")
    assert (case.output(), len(case.results())) == ("first", 3)


def test_destroy_needs_the_name_of_the_environment(case: Case) -> None:
    case.deploy()
    wrong = OperationRunner(
        case.environment(), ScriptedUser.answering("prod"), Timing(case.time, case.time.sleep)
    )
    with pytest.raises(DeployError, match="'prod' is not 'dev'; nothing was deleted"):
        destroy_environment(wrong, Approvals())
    user = ScriptedUser.answering("dev")
    right = OperationRunner(case.environment(), user, Timing(case.time, case.time.sleep))
    destroy_environment(right, Approvals())
    assert [name for name, _ in user.deletions] == ["news-dev-app", "news-dev-base"]
    assert case.status() is None


# --- honest ends


def fail_second_release(case: Case) -> ScriptedUser:
    """Two releases, of which the second is rolled back."""
    case.deploy()
    case.rename("second")
    case.engine.fault(Fault("boom", operation="update", logical_id="Topic"))
    user = ScriptedUser()
    assert not case.deployer(user, YES).deploy()
    return user


def test_failed_deployment_ends_with_the_live_release_and_the_next_commands(case: Case) -> None:
    lines = fail_second_release(case).lines
    end = lines.index("release 2 is recorded as rolled back")
    assert lines[end + 1].startswith("what runs now: release 1 of ")
    assert lines[end + 2] == "next:"
    assert "events --env dev --failed" in lines[end + 3]
    assert "deploy --env dev" in lines[end + 4]


def test_failed_first_deployment_tells_what_is_stuck(case: Case) -> None:
    case.engine.fault(Fault("boom", operation="create", logical_id="Topic"))
    user = ScriptedUser()
    assert not case.deployer(user, YES).deploy()
    text = "\n".join(user.lines)
    assert "  news-dev-base: as release 1 of " in text
    assert "  news-dev-app: ROLLBACK_COMPLETE; its first creation failed" in text
    assert "repair --env dev" in text


def test_failed_release_is_restored_only_with_its_option(case: Case) -> None:
    fail_second_release(case)
    with pytest.raises(DeployError, match=r"release 2 was not deployed, it was rolled back \(app"):
        case.deployer(ScriptedUser(), YES).rollback(2)
    user = ScriptedUser()
    assert case.deployer(user, YES).rollback(2, allow_failed=True)
    assert user.lines[0].startswith("note: release 2 was not deployed, it was rolled back")
    assert case.output() == "second"


def test_question_of_a_rollback_names_the_release(case: Case) -> None:
    case.deploy()
    case.rename("second")
    case.deploy()
    user = ScriptedUser.answering(False)
    assert not case.deployer(user).rollback()
    assert user.questions[0].startswith("Roll dev back to release 1 (")


def test_plan_after_a_rollback_names_what_it_brings_back(case: Case) -> None:
    case.deploy()
    case.rename("second")
    case.deploy()
    assert not case.deployer(ScriptedUser()).plan().plan.notes
    assert case.deployer(ScriptedUser(), YES).rollback()
    expected = "the last operation was a rollback to release 1; this plan "
    (note,) = case.deployer(ScriptedUser()).plan().plan.notes
    assert note == f"{expected}brings back release 2's app/topics:Topic"
    case.rename("third")
    (note,) = case.deployer(ScriptedUser()).plan().plan.notes
    assert note == f"{expected}changes what it restored: app/topics:Topic"
    case.deploy()
    case.rename("fourth")
    assert not case.deployer(ScriptedUser()).plan().plan.notes
