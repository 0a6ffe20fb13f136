"""Change sets executed and followed on the emulator, whose time moves only while the follower sleeps."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from stackwright.apply import apply, attach, follow
from stackwright.emulator.faults import RequestFault
from stackwright.emulator.resources import Fault
from stackwright.errors import AwsError, DeployError
from stackwright.model import Location
from stackwright.progress import Notice, Step
from tests.deploy.operating import emulated, nested, resources, topic


@pytest.fixture
def account(monkeypatch):
    with emulated(monkeypatch) as made:
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
    return apply(plan, account.aws, token=f"token-{account.time.now:.0f}", following=account.following, **rest)


def steps(account):
    return [each for each in account.told if isinstance(each, Step)]


def test_everything_that_happens_is_told_once_and_in_order(account):
    outcome = deploy(account, tree())
    assert (outcome.root, outcome.stack, outcome.status, outcome.ok) == ("app", "news-app", "CREATE_COMPLETE", True)
    assert outcome.cause is None
    assert len({each.id for each in outcome.events}) == len(outcome.events) == len(steps(account))
    told = [(each.address, each.status) for each in steps(account) if not each.nested]
    assert [address for address, status in told if status == "CREATE_COMPLETE"] == [
        "app:A", "app/url-secrets:B", "app/url-secrets/deep:C", "app/url-secrets/deep", "app/url-secrets", "app",
    ]  # fmt: skip
    assert all(one.time <= two.time for one, two in pairwise(steps(account)))
    assert (outcome.ended - outcome.began).total_seconds() == pytest.approx(6, abs=2)


def test_nothing_is_told_later_than_a_second_after_it_happened(account):
    late = []

    def watch(told):
        if told.status != "REVIEW_IN_PROGRESS":  # of nested stacks, as old as the change set
            late.append(account.time.now - told.time.timestamp())

    plan = account.plan(tree())
    apply(plan, account.aws, token="t", following=replace(account.following, on_progress=watch))
    assert max(late) <= 1.01


def test_an_update_tells_only_of_itself(account):
    deploy(account, tree())
    account.told.clear()
    outcome = deploy(account, tree(c="new"))
    assert (outcome.status, outcome.ok) == ("UPDATE_COMPLETE", True)
    assert {each.address for each in steps(account) if not each.nested and not each.of_stack} == {
        "app/url-secrets/deep:C"
    }
    assert {each.status for each in steps(account) if each.of_stack and each.stack == "app"} == {
        "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE",
    }  # fmt: skip


def test_the_first_cause_is_named_and_the_rollback_followed(account):
    deploy(account, tree())
    account.engine.fault(Fault("no room for it", operation="update", logical_id="C"))
    plan = account.plan(tree(a="new", b="new", c="new"))

    def locate(stack, name):
        return Location(f"templates/{stack}.yaml.j2", 3) if name == "C" else None

    outcome = apply(plan, account.aws, token="t", following=replace(account.following, locate=locate))
    assert (outcome.status, outcome.ok) == ("UPDATE_ROLLBACK_COMPLETE", False)
    cause = outcome.cause
    assert (cause.address, cause.type, cause.status) == ("app/url-secrets/deep:C", "AWS::SNS::Topic", "UPDATE_FAILED")
    assert "no room for it" in cause.reason
    assert str(cause.where) == "templates/app/url-secrets/deep.yaml.j2:3"
    again = deploy(account, tree(a="new", b="new", c="new"))
    assert again.ok


def test_a_first_deployment_that_fails(account):
    account.engine.fault(Fault("no room for it", operation="create", logical_id="C"))
    outcome = deploy(account, tree())
    assert (outcome.status, outcome.ok, outcome.cause.address) == ("ROLLBACK_COMPLETE", False, "app/url-secrets/deep:C")


def test_what_fails_in_the_rollback_is_told_besides(account):
    deploy(account, tree())
    account.engine.fault(Fault("no room for it", operation="update", logical_id="C"))
    account.engine.fault(Fault("not back either", operation="update", logical_id="A", nth=2))
    outcome = deploy(account, tree(a="new", b="new", c="new"))
    assert outcome.status == "UPDATE_ROLLBACK_FAILED"
    assert outcome.cause.address == "app/url-secrets/deep:C"
    assert outcome.cause.details == ("then, while it was undone, app:A: not back either",)


def test_a_change_set_is_executed_once_although_the_answer_is_lost(account):
    plan = account.plan(tree())
    account.engine.fault(RequestFault("drop", service="cloudformation", action="ExecuteChangeSet", times=1, after=True))
    outcome = apply(plan, account.aws, token="t", following=account.following)
    assert outcome.ok
    assert [each.status for each in steps(account) if each.of_stack and each.stack == "app"] == [
        "CREATE_IN_PROGRESS", "CREATE_COMPLETE",
    ]  # fmt: skip


def test_a_change_set_that_is_gone_is_said_to_be(account):
    plan = account.plan(tree())
    account.aws.delete_change_set(plan.change_set)
    with pytest.raises(DeployError, match="cannot be executed any more") as refused:
        apply(plan, account.aws, token="t", following=account.following)
    assert refused.value.problems[0].code == "SW825"
    with pytest.raises(ValueError, match="has no change set"):
        apply(replace(plan, change_set=None), account.aws, token="t")


@pytest.mark.parametrize("action", ["DescribeStackEvents", "DescribeStacks", None])
def test_throttling_is_absorbed(account, action, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    plan = account.plan(tree())
    account.engine.fault(RequestFault("throttle", service="cloudformation", action=action, every=3))
    outcome = apply(plan, account.aws, token="t", following=account.following)
    assert outcome.ok
    finals = [each.address for each in steps(account) if each.status == "CREATE_COMPLETE" and not each.nested]
    assert len(finals) == len(set(finals)) == 6


def test_credentials_that_expire_leave_word_how_to_go_on(account):
    plan = account.plan(tree())
    expired = RequestFault("expired", service="cloudformation", action="DescribeStackEvents", every=4)
    account.engine.fault(expired)
    how = replace(account.following, watch="python render.py watch --env prod")
    with pytest.raises(AwsError, match="goes on in CloudFormation") as lost:
        apply(plan, account.aws, token="t", following=how)
    problem = lost.value.problems[0]
    assert problem.code == "SW824"
    assert problem.hint.endswith("then attach again: python render.py watch --env prod")
    account.engine.clear_faults()
    account.told.clear()
    outcome = attach(account.aws.stack("news-app"), account.aws, "app", account.following)
    assert outcome.ok
    assert {each.address for each in steps(account)} >= {"app:A", "app/url-secrets/deep:C"}


def test_patience_ends(account, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    plan = account.plan(tree())
    account.aws.execute_change_set(plan.change_set, "t")
    account.engine.fault(RequestFault("error", service="cloudformation"))
    began = account.time.now
    with pytest.raises(AwsError, match="cannot be followed any longer"):
        follow(plan.stack_id, account.aws, "app", following=account.following)
    assert account.time.now - began == pytest.approx(900, abs=5)
    assert len([each for each in account.told if isinstance(each, Notice)]) == 1


def test_a_stack_that_is_deleted_meanwhile(account):
    deploy(account, tree())
    plan = account.plan(tree(a="new"))
    account.aws.delete_stack("news-app", "d")
    account.time.sleep(60)
    with pytest.raises(DeployError, match="cannot be executed"):
        apply(plan, account.aws, token="t", following=account.following)


def test_attach_tells_of_the_operation_under_way_from_its_beginning(account):
    deploy(account, tree())
    plan = account.plan(tree(a="new", c="new"))
    account.aws.execute_change_set(plan.change_set, "elsewhere")
    account.time.sleep(1)
    account.told.clear()
    outcome = attach(account.aws.stack("news-app"), account.aws, "app", account.following)
    assert (outcome.status, outcome.ok) == ("UPDATE_COMPLETE", True)
    assert steps(account)[0].status == "UPDATE_IN_PROGRESS"
    assert {each.address for each in steps(account) if not each.nested and not each.of_stack} == {
        "app:A", "app/url-secrets/deep:C",
    }  # fmt: skip


def test_attach_has_nothing_to_tell_of_a_stack_under_review(account):
    account.plan(tree())
    with pytest.raises(DeployError, match="nothing has happened"):
        attach(account.aws.stack("news-app"), account.aws, "app", account.following)


def test_a_deletion_is_followed_to_its_end(account):
    deploy(account, tree())
    stack = account.aws.stack("news-app")
    since = account.aws.last_event(stack.id)
    account.aws.delete_stack(stack.id, "d")
    outcome = follow(stack.id, account.aws, "app", since=since.id, following=account.following)
    assert (outcome.status, outcome.ok) == ("DELETE_COMPLETE", True)
