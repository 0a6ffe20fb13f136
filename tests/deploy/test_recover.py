"""Plan, preflight and recovery agree on every status of a stack."""

from __future__ import annotations

import pytest
from botocore.loaders import Loader

from stackwright.aws import Stack
from stackwright.cfn import Recovery
from stackwright.core import AwsError
from stackwright.deploy.recover import find_recovery
from stackwright.plan.freshness import require_updatable
from tests.support.planning import FakeStacks, stack

NAMES = Loader().load_service_model("cloudformation", "service-2")["shapes"]["StackStatus"]["enum"]


def is_refused(live: Stack) -> bool:
    try:
        require_updatable(live, FakeStacks())
    except AwsError:
        return True
    return False


@pytest.mark.parametrize("status", NAMES)
def test_every_refused_stack_has_a_recovery(status: str) -> None:
    live = stack(status)
    recovery = find_recovery("app", live, FakeStacks(existing=live)).recovery
    assert (recovery not in (Recovery.NOTHING, Recovery.DISCARD)) == is_refused(live)
