"""Change sets executed and followed on the emulator, whose time moves only while the follower
sleeps."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from msgspec.structs import replace

from stackwright.core.errors import AwsError, DeployError
from stackwright.core.model import Location
from stackwright.deploy.destroy import delete_stack
from stackwright.deploy.operation.apply import apply_plan, resume_paused
from stackwright.deploy.operation.follow import attach_to_operation, follow_operation
from stackwright.deploy.operation.pause import is_any_paused
from stackwright.deploy.operation.progress import Notice, ProgressStep
from stackwright.diff.model import Effect
from stackwright.emulator import Fault, RequestFault
from stackwright.plan.model import Certainty, Outcome
from tests.support.aws import ACCOUNT
from tests.support.emulator import change, clocked_account, nested, resources, topic


@pytest.fixture
def account(monkeypatch):
    """An account in which an operation on a resource takes two seconds of the test's clock."""
    with clocked_account(monkeypatch) as made:
        yield made


def tree(**display):
    """A root with two nested stacks, one in the other."""
    shown = {"a": "a", "b": "b", "c": "c", **display}
    return {
        "app": resources(A=topic(shown["a"]), UrlSecrets=nested("app/url-secrets", DependsOn="A")),
        "app/url-secrets": resources(B=topic(shown["b"]), Deep=nested("app/url-secrets/deep")),
        "app/url-secrets/deep": resources(C=topic(shown["c"])),
    }


def deploy(account, texts, **rest):
    plan = account.plan(texts)
    return apply_plan(
        plan,
        account.aws,
        token=f"token-{account.time.now:.0f}",
        follower=account.follower,
        **rest,
    )


def steps(account):
    return [notice for notice in account.notices if isinstance(notice, ProgressStep)]


def test_every_event_is_reported_once_and_in_order(account):
    outcome = deploy(account, tree())
    assert (outcome.root, outcome.stack, outcome.status, outcome.ok) == (
        "app",
        "news-app",
        "CREATE_COMPLETE",
        True,
    )
    assert outcome.cause is None
    assert len({event.id for event in outcome.events}) == len(outcome.events) == len(steps(account))
    reported = [(step.address, step.status) for step in steps(account) if not step.nested]
    assert [address for address, status in reported if status == "CREATE_COMPLETE"] == [
        "app:A", "app/url-secrets:B", "app/url-secrets/deep:C", "app/url-secrets/deep", "app/url-secrets", "app",
    ]  # fmt: skip
    assert all(one.time <= two.time for one, two in pairwise(steps(account)))
    assert (outcome.ended - outcome.began).total_seconds() == pytest.approx(6, abs=2)


def test_progress_is_reported_within_a_second(account):
    late = []

    def watch(update):
        time = update.ended if isinstance(update, Outcome) else update.time
        if update.status != "REVIEW_IN_PROGRESS":  # of nested stacks, as old as the change set
            late.append(account.time.now - time.timestamp())

    plan = account.plan(tree())
    apply_plan(plan, account.aws, token="t", follower=replace(account.follower, on_progress=watch))
    assert max(late) <= 1.01


def test_quick_steps_are_reported_quickly(monkeypatch):
    with clocked_account(monkeypatch, latency=lambda *_: 0.2) as account:
        chain = {f"T{n}": topic(DependsOn=f"T{n - 1}") for n in range(1, 9)}
        late = []

        def watch(update):
            time = update.ended if isinstance(update, Outcome) else update.time
            late.append(account.time.now - time.timestamp())

        how = replace(account.follower, on_progress=watch)
        assert apply_plan(
            account.plan({"app": resources(T0=topic(), **chain)}),
            account.aws,
            token="t",
            follower=how,
        ).ok
        assert max(late) < 0.3


def test_update_reports_only_its_own_events(account):
    deploy(account, tree())
    account.notices.clear()
    outcome = deploy(account, tree(c="new"))
    assert (outcome.status, outcome.ok) == ("UPDATE_COMPLETE", True)
    assert {step.address for step in steps(account) if not step.nested and not step.of_stack} == {
        "app/url-secrets/deep:C"
    }
    assert {step.status for step in steps(account) if step.of_stack and step.stack == "app"} == {
        "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE",
    }  # fmt: skip


def test_failure_names_its_cause_and_the_rollback_is_followed(account):
    deploy(account, tree())
    account.engine.fault(Fault("no room for it", operation="update", logical_id="C"))
    plan = account.plan(tree(a="new", b="new", c="new"))

    def locate(stack, name):
        return Location(f"templates/{stack}.yaml.j2", 3) if name == "C" else None

    outcome = apply_plan(
        plan, account.aws, token="t", follower=replace(account.follower, locate=locate)
    )
    assert (outcome.status, outcome.ok) == ("UPDATE_ROLLBACK_COMPLETE", False)
    cause = outcome.cause
    assert (cause.address, cause.type, cause.status) == (
        "app/url-secrets/deep:C",
        "AWS::SNS::Topic",
        "UPDATE_FAILED",
    )
    assert "no room for it" in cause.reason
    assert str(cause.where) == "templates/app/url-secrets/deep.yaml.j2:3"
    again = deploy(account, tree(a="new", b="new", c="new"))
    assert again.ok


def test_failed_first_deployment_is_reported(account):
    account.engine.fault(Fault("no room for it", operation="create", logical_id="C"))
    outcome = deploy(account, tree())
    assert (outcome.status, outcome.ok, outcome.cause.address) == (
        "ROLLBACK_COMPLETE",
        False,
        "app/url-secrets/deep:C",
    )


def test_failures_of_the_rollback_are_reported_too(account):
    deploy(account, tree())
    account.engine.fault(Fault("no room for it", operation="update", logical_id="C"))
    account.engine.fault(Fault("not back either", operation="update", logical_id="A", nth=2))
    outcome = deploy(account, tree(a="new", b="new", c="new"))
    assert outcome.status == "UPDATE_ROLLBACK_FAILED"
    assert outcome.cause.address == "app/url-secrets/deep:C"
    assert outcome.cause.details == ("then, in the rollback, app:A: not back either",)


def test_lost_answer_executes_the_change_set_once(account):
    plan = account.plan(tree())
    account.engine.fault(
        RequestFault(
            "drop", service="cloudformation", action="ExecuteChangeSet", times=1, after=True
        )
    )
    outcome = apply_plan(plan, account.aws, token="t", follower=account.follower)
    assert outcome.ok
    assert [step.status for step in steps(account) if step.of_stack and step.stack == "app"] == [
        "CREATE_IN_PROGRESS", "CREATE_COMPLETE",
    ]  # fmt: skip


def test_change_set_executed_before_is_followed(account):
    class Twice:
        """AWS refuses the second of two calls, of which the first one's answer was lost."""

        def __getattr__(self, name):
            return getattr(account.aws, name)

        def execute_change_set(self, change_set, token, **rest):
            account.aws.execute_change_set(change_set, token, **rest)
            refused = AwsError.of("SW408", "it is in its current status of EXECUTE_IN_PROGRESS")
            refused.code = "InvalidChangeSetStatus"
            raise refused

    assert apply_plan(account.plan(tree()), Twice(), token="t", follower=account.follower).ok


def test_unreachable_endpoint_starts_nothing(account, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    plan = account.plan(tree())
    account.engine.fault(RequestFault("drop", service="cloudformation", action="ExecuteChangeSet"))
    began = account.time.now
    with pytest.raises(AwsError, match="no answer to cloudformation:ExecuteChangeSet"):
        apply_plan(plan, account.aws, token="t", follower=account.follower)
    assert account.time.now - began == pytest.approx(120, abs=2)
    account.engine.clear_faults()
    assert apply_plan(plan, account.aws, token="t", follower=account.follower).ok


def test_deleted_change_set_is_reported(account):
    plan = account.plan(tree())
    account.aws.delete_change_set(plan.change_set)
    with pytest.raises(DeployError, match="cannot be executed any more") as refused:
        apply_plan(plan, account.aws, token="t", follower=account.follower)
    assert refused.value.problems[0].code == "SW825"
    with pytest.raises(ValueError, match="has no change set"):
        apply_plan(replace(plan, change_set=None), account.aws, token="t")


@pytest.mark.parametrize("action", ["DescribeStackEvents", "DescribeStacks", None])
def test_throttled_calls_are_retried(account, action, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    plan = account.plan(tree())
    account.engine.fault(RequestFault("throttle", service="cloudformation", action=action, every=3))
    outcome = apply_plan(plan, account.aws, token="t", follower=account.follower)
    assert outcome.ok
    finals = [
        step.address
        for step in steps(account)
        if step.status == "CREATE_COMPLETE" and not step.nested
    ]
    assert len(finals) == len(set(finals)) == 6


def test_expired_credentials_name_the_command_to_continue(account):
    plan = account.plan(tree())
    expired = RequestFault(
        "expired", service="cloudformation", action="DescribeStackEvents", every=4
    )
    account.engine.fault(expired)
    how = replace(account.follower, watch="python render.py watch --env prod")
    with pytest.raises(AwsError, match="the operation continues in CloudFormation") as lost:
        apply_plan(plan, account.aws, token="t", follower=how)
    problem = lost.value.problems[0]
    assert problem.code == "SW824"
    assert problem.hint.endswith("then attach again: python render.py watch --env prod")
    account.engine.clear_faults()
    account.notices.clear()
    outcome = attach_to_operation(
        account.aws.stack("news-app"), account.aws, "app", account.follower
    )
    assert outcome.ok
    assert {step.address for step in steps(account)} >= {"app:A", "app/url-secrets/deep:C"}


def test_waiting_ends_at_the_timeout(account, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    plan = account.plan(tree())
    account.aws.execute_change_set(plan.change_set, "t")
    account.engine.fault(RequestFault("error", service="cloudformation"))
    began = account.time.now
    with pytest.raises(AwsError, match="lost contact with"):
        follow_operation(plan.stack_id, account.aws, "app", follower=account.follower)
    assert account.time.now - began == pytest.approx(900, abs=5)
    assert len([notice for notice in account.notices if isinstance(notice, Notice)]) == 1


def test_stack_deleted_meanwhile_is_reported(account):
    deploy(account, tree())
    plan = account.plan(tree(a="new"))
    account.aws.delete_stack("news-app", "d")
    account.time.sleep(60)
    with pytest.raises(DeployError, match="cannot be executed"):
        apply_plan(plan, account.aws, token="t", follower=account.follower)


def test_attach_reports_the_running_operation_from_its_start(account):
    deploy(account, tree())
    plan = account.plan(tree(a="new", c="new"))
    account.aws.execute_change_set(plan.change_set, "elsewhere")
    account.time.sleep(1)
    account.notices.clear()
    outcome = attach_to_operation(
        account.aws.stack("news-app"), account.aws, "app", account.follower
    )
    assert (outcome.status, outcome.ok) == ("UPDATE_COMPLETE", True)
    assert steps(account)[0].status == "UPDATE_IN_PROGRESS"
    assert {step.address for step in steps(account) if not step.nested and not step.of_stack} == {
        "app:A", "app/url-secrets/deep:C",
    }  # fmt: skip


def test_attach_reports_nothing_for_a_stack_in_review(account):
    account.plan(tree())
    with pytest.raises(DeployError, match="has had no operation yet"):
        attach_to_operation(account.aws.stack("news-app"), account.aws, "app", account.follower)


def test_deletion_is_followed_to_its_end(account):
    deploy(account, tree())
    stack = account.aws.stack("news-app")
    since = account.aws.last_event(stack.id)
    account.aws.delete_stack(stack.id, "d")
    outcome = follow_operation(
        stack.id, account.aws, "app", since=since.id, follower=account.follower
    )
    assert (outcome.status, outcome.ok) == ("DELETE_COMPLETE", True)


# --- guards


def bucketed(name="news-one", **more):
    bucket = {
        "Type": "AWS::S3::Bucket",
        "Properties": {"BucketName": name},
        "DeletionPolicy": "Retain",
    }
    return {
        "app": resources(A=topic(), Storage=nested("app/storage")),
        "app/storage": resources(Bucket=bucket, T=topic(), **more),
    }


def denied(account, stack):
    statements = json.loads(account.aws.stack_policy(stack) or '{"Statement": []}')["Statement"]
    return [
        name
        for statement in statements
        if statement["Effect"] == "Deny"
        for name in statement["Resource"]
    ]


def nested_id(account, logical_id="Storage"):
    return next(
        resource.physical_id
        for resource in account.aws.resources("news-app")
        if resource.logical_id == logical_id
    )


def test_protected_stack_keeps_itself_and_its_data(account):
    assert deploy(account, bucketed(), protect=True).ok
    assert account.aws.stack("news-app").protected
    assert denied(account, "news-app") == ["LogicalResourceId/Storage"]
    assert denied(account, nested_id(account)) == ["LogicalResourceId/Bucket"]
    refused = deploy(account, bucketed("news-two"))
    assert (refused.status, refused.cause.address) == (
        "UPDATE_ROLLBACK_COMPLETE",
        "app/storage:Bucket",
    )
    assert "denied by stack policy" in refused.cause.reason


def test_planned_changes_pass_the_stack_policy_which_is_restored(account):
    assert deploy(account, bucketed(), protect=True).ok
    replaced = change("AWS::S3::Bucket", "Bucket", Effect.REPLACE, "app/storage")
    plan = account.plan(bucketed("news-two"), [replaced])
    assert apply_plan(plan, account.aws, token="t", follower=account.follower, protect=True).ok
    assert denied(account, nested_id(account)) == ["LogicalResourceId/Bucket"]


def test_spurious_changes_do_not_pass_the_stack_policy(account):
    assert deploy(account, bucketed(), protect=True).ok
    spurious = replace(
        change("AWS::S3::Bucket", "Bucket", Effect.REPLACE, "app/storage"),
        certainty=Certainty.SPURIOUS,
    )
    plan = account.plan(bucketed("news-two"), [spurious])
    refused = apply_plan(plan, account.aws, token="t", follower=account.follower, protect=True)
    assert (refused.status, refused.cause.address) == (
        "UPDATE_ROLLBACK_COMPLETE",
        "app/storage:Bucket",
    )


@pytest.mark.parametrize("names", [(), ("Bucket",)], ids=["by the plan", "by name too"])
def test_stack_policy_opens_for_one_of_several_equal_names(account, names):
    """Two nested stacks have a bucket of the same logical ID: the plan replaces one, the other is a
    spurious."""

    def twice(one, two):
        app = resources(A=topic(), Storage=nested("app/storage"), Other=nested("app/other"))
        return {**bucketed(one), "app": app, "app/other": bucketed(two)["app/storage"]}

    assert deploy(account, twice("news-one", "news-two"), protect=True).ok
    ids = {name: nested_id(account, name) for name in ("Storage", "Other")}
    real = replace(
        change("AWS::S3::Bucket", "Bucket", Effect.REPLACE, "app/storage"), physical_id="news-one"
    )
    spurious = replace(
        real,
        diff=replace(real.diff, stack="app/other"),
        certainty=Certainty.SPURIOUS,
        physical_id="news-two",
    )
    plan = account.plan(twice("news-three", "news-four"), [real, spurious])
    refused = apply_plan(
        plan, account.aws, token="t", follower=account.follower, protect=True, allowed=names
    )
    assert (refused.status, refused.cause.address) == (
        "UPDATE_ROLLBACK_COMPLETE",
        "app/other:Bucket",
    )
    assert [denied(account, id_) for id_ in ids.values()] == [["LogicalResourceId/Bucket"]] * 2


def test_failed_first_creation_is_not_protected(account):
    account.engine.fault(Fault("no room", operation="create", logical_id="T"))
    assert not deploy(account, bucketed(), protect=True).ok
    assert not account.aws.stack("news-app").protected


def test_failed_protection_after_success_is_reported(account):
    plan = account.plan(bucketed())
    account.engine.fault(RequestFault("expired", service="cloudformation", action="SetStackPolicy"))
    assert apply_plan(plan, account.aws, token="t", follower=account.follower, protect=True).ok
    assert next(notice.text for notice in account.notices if isinstance(notice, Notice)).startswith(
        "cannot set the stack policy and"
    )


def test_outcome_is_reported_before_protection(account):
    seen = []
    how = replace(
        account.follower,
        on_progress=lambda update: isinstance(update, Outcome) and seen.append(guards()),
    )

    def guards():
        return account.aws.stack("news-app").protected, denied(account, "news-app")

    assert apply_plan(
        account.plan(bucketed()), account.aws, token="t", follower=how, protect=True
    ).ok
    assert seen == [(False, [])]
    assert guards() == (True, ["LogicalResourceId/Storage"])


# --- holds


class Functions:
    """An account whose functions have a reserved concurrency, kept here; what it is set to is kept
    too."""

    def __init__(self, aws, reserved):
        self.aws, self.reserved, self.history = aws, dict(reserved), []

    def __getattr__(self, name):
        return getattr(self.aws, name)

    def reserved_concurrency(self, function):
        return self.reserved[function]

    def reserve_concurrency(self, function, value):
        self.history.append(value)
        self.reserved[function] = value

    def services(self, cluster, names):
        return []


def scaled(title="a", reserved=None):
    role, code = f"arn:aws:iam::{ACCOUNT}:role/r", {"ZipFile": "x = 1"}
    properties = {
        "FunctionName": "scaler",
        "Role": role,
        "Code": code,
        "Handler": "i.h",
        "Runtime": "python3.13",
    }
    if reserved is not None:
        properties["ReservedConcurrentExecutions"] = reserved
    function = {"Type": "AWS::Lambda::Function", "Properties": properties, "Metadata": HOLD}
    parameter = {"Reserved": {"Type": "Number", "Default": 3}}
    return {
        "app": resources(A=topic(title), AutoScaler=nested("app/auto-scaler")),
        "app/auto-scaler": {"Parameters": parameter, **resources(Function=function)},
    }


HOLD = {"stackwright": {"hold": "deploy"}}
SERVICE = change("AWS::ECS::Service", "Service", stack="app/web")


@pytest.mark.parametrize(
    ("declared", "before", "after"),
    [
        (None, None, [0, None]),
        (1, 1, [0, 1]),
        (1, 5, [0, 5]),
        ({"Ref": "Reserved"}, 0, [0, 3]),
        (0, 0, [0]),
    ],
    ids=["none", "as declared", "changed by hand", "paused by a killed deployment", "disabled"],
)
def test_functions_are_paused_while_services_change(account, declared, before, after):
    assert deploy(account, scaled(reserved=declared)).ok
    functions = Functions(account.aws, {"scaler": before})
    plan = account.plan(scaled("b", declared), [SERVICE])
    assert apply_plan(plan, functions, token="t", follower=account.follower).ok
    assert functions.history == after


def test_functions_keep_running_without_service_changes(account):
    assert deploy(account, scaled()).ok
    functions = Functions(account.aws, {"scaler": None})
    for changes, hold in (([], True), ([SERVICE], False)):
        plan = account.plan(scaled(f"b{hold}"), changes)
        assert apply_plan(
            plan, functions, token=f"t{hold}", follower=account.follower, pause=hold
        ).ok
    assert functions.history == []


def test_functions_are_resumed_after_every_outcome(account):
    assert deploy(account, scaled()).ok
    functions = Functions(account.aws, {"scaler": 2})
    account.engine.fault(Fault("no room", operation="update", logical_id="A"))
    plan = account.plan(scaled("b"), [SERVICE])
    assert not apply_plan(plan, functions, token="1", follower=account.follower).ok
    assert functions.history == [0, 2]

    def interrupted(_told):
        raise KeyboardInterrupt

    plan = account.plan(scaled("c"), [SERVICE])
    how = replace(
        account.follower,
        on_progress=lambda update: isinstance(update, ProgressStep) and interrupted(update),
    )
    with pytest.raises(KeyboardInterrupt):
        apply_plan(plan, functions, token="2", follower=how)
    assert functions.history == [0, 2, 0, 2]


def two(title="a"):
    texts = scaled(title)
    inner = texts["app/auto-scaler"]["Resources"]
    properties = {**inner["Function"]["Properties"], "FunctionName": "second"}
    inner["Second"] = {**inner["Function"], "Properties": properties}
    return texts


def test_interrupt_while_pausing_resumes_functions(account):
    assert deploy(account, two()).ok

    class Interrupted(Functions):
        def reserved_concurrency(self, function):
            if function == "second":
                raise KeyboardInterrupt
            return super().reserved_concurrency(function)

    functions = Interrupted(account.aws, {"scaler": 2, "second": 2})
    with pytest.raises(KeyboardInterrupt):
        apply_plan(
            account.plan(two("b"), [SERVICE]), functions, token="t", follower=account.follower
        )
    assert functions.history == [0, 2]


def test_function_that_cannot_be_resumed_does_not_block_the_others(account):
    assert deploy(account, two()).ok

    class Refusing(Functions):
        def reserve_concurrency(self, function, value):
            if function == "scaler" and value is None:
                raise AwsError.of("SW403", "not allowed: lambda:DeleteFunctionConcurrency")
            super().reserve_concurrency(function, value)

    functions = Refusing(account.aws, {"scaler": None, "second": 1})
    assert apply_plan(
        account.plan(two("b"), [SERVICE]), functions, token="t", follower=account.follower
    ).ok
    assert functions.reserved == {"scaler": 0, "second": 1}
    assert any(
        "may still be paused" in notice.text
        for notice in account.notices
        if isinstance(notice, Notice)
    )


def test_next_deployment_resumes_functions_of_a_killed_one(account):
    texts = scaled(reserved={"Ref": "Reserved"})
    assert deploy(account, texts).ok
    templates = {path: json.dumps(data) for path, data in texts.items()}
    functions = Functions(account.aws, {"scaler": 0})
    plan = account.plan(scaled("b", {"Ref": "Reserved"}))
    account.aws.execute_change_set(plan.change_set, "somebody else's, who may hold it")
    resume_paused("news-app", templates, functions)
    assert functions.history == []
    account.time.sleep(60)
    resume_paused("news-app", templates, functions, account.notices.append)
    assert functions.history == [3]
    assert account.notices[-1] == Notice("resumed scaler")
    resume_paused("news-app", templates, functions)
    assert functions.history == [3]
    resume_paused("news-app", {"app": templates["app"]}, functions)
    resume_paused("news-other", templates, functions)
    assert functions.history == [3]


def test_paused_function_is_found_by_name_or_stack(account):
    assert deploy(account, scaled()).ok
    texts = {path: json.dumps(body) for path, body in scaled().items()}
    unnamed = {path: text.replace('"scaler"', '{"Ref": "Name"}') for path, text in texts.items()}
    assert unnamed != texts
    for templates in (texts, unnamed):
        for reserved, held in ((3, False), (0, True), (None, False)):
            functions = Functions(account.aws, {"scaler": reserved})
            assert is_any_paused("news-app", templates, functions) is held


def test_outcome_is_reported_before_functions_resume(account):
    assert deploy(account, scaled()).ok
    functions, seen = Functions(account.aws, {"scaler": 3}), []
    how = replace(
        account.follower,
        on_progress=lambda update: (
            isinstance(update, Outcome) and seen.append(functions.history[:])
        ),
    )
    assert apply_plan(account.plan(scaled("b"), [SERVICE]), functions, token="t", follower=how).ok
    assert (seen, functions.history) == ([[0]], [0, 3])


def test_function_that_cannot_be_paused_does_not_stop_a_deployment(account):
    assert deploy(account, scaled()).ok
    functions = Functions(account.aws, {})
    refusal = AwsError.of("SW403", "not allowed: lambda:GetFunctionConcurrency")

    def refuse(_function):
        raise refusal

    functions.reserved_concurrency = refuse
    plan = account.plan(scaled("b"), [SERVICE])
    assert apply_plan(plan, functions, token="t", follower=account.follower).ok
    assert [notice.text for notice in account.notices if isinstance(notice, Notice)] == [
        "not every function can be paused: not allowed: lambda:GetFunctionConcurrency"
    ]


def test_cancelled_update_has_no_other_cause(account):
    deploy(account, tree())
    plan = account.plan(tree(a="new", c="new"))
    account.aws.execute_change_set(plan.change_set, "t")
    account.time.sleep(1)
    account.aws.cancel_update("news-app", "c")
    outcome = attach_to_operation(
        account.aws.stack("news-app"), account.aws, "app", account.follower
    )
    assert (outcome.status, outcome.ok) == ("UPDATE_ROLLBACK_COMPLETE", False)
    assert (outcome.cause.address, outcome.cause.reason) == ("app", "User Initiated")


def test_running_deletion_is_followed_to_its_end(account):
    deploy(account, tree())
    account.aws.delete_stack("news-app", "somebody's")
    account.time.sleep(1)
    outcome = delete_stack(
        account.aws.stack("news-app"), account.aws, "app", token="t", follower=account.follower
    )
    assert (outcome.status, outcome.ok) == ("DELETE_COMPLETE", True)
