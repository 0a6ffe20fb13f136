"""An emulator in this process, also one on a clock of the test, and plans with change sets made
there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from stackwright.aws import Boto, ChangeSetRequest
from stackwright.cfn.intrinsics import Pseudo
from stackwright.deploy.operation.follow import Follower
from stackwright.diff.model import Diff, Effect, ResourceDiff
from stackwright.emulator import EmulatorSettings, LocalCloudFormation, Server
from stackwright.plan.model import (
    Certainty,
    DesiredStack,
    ListedChange,
    PlannedChange,
    RootAction,
    RootPlan,
)
from tests.support.aws import ACCOUNT, REGION
from tests.support.clock import Clock

URL = "https://templates.s3.amazonaws.com/"


@contextmanager
def emulator(**settings: Any) -> Iterator[Server]:
    """An emulator in the account and Region of the tests."""
    pseudo = Pseudo(region=REGION, account_id=ACCOUNT)
    with Server(EmulatorSettings(pseudo, **settings)) as server:
        yield server


class ClockedAccount:
    """An emulated account whose time is the test's clock, with plans made by hand.

    ``texts`` are the nested templates by URL; ``notices`` is what `follower` reported.
    """

    def __init__(self, clock: Clock, engine: LocalCloudFormation, texts: dict[str, str]) -> None:
        self.time, self.engine, self.texts = clock, engine, texts
        self.aws = Boto(REGION)
        self.notices: list[Any] = []
        self._serial = 0

    @property
    def follower(self) -> Follower:
        return Follower(self.notices.append, polling=self.time.polling)

    def put(self, texts: Mapping[str, Mapping[str, Any]]) -> None:
        """Templates by path (``app``, ``app/network``); parents name their children's URLs by
        `nested`."""
        self.texts.update({f"{URL}{path}": json.dumps(data) for path, data in texts.items()})

    def plan(
        self,
        texts: Mapping[str, Mapping[str, Any]],
        changes: Sequence[PlannedChange] = (),
        root: str = "app",
    ) -> RootPlan:
        """A plan with a change set that is ready to be executed."""
        self.put(texts)
        self.time.sleep(1)  # the operations of two plans never have the same time
        self._serial += 1
        name, body = f"news-{root}", json.dumps(texts[root])
        live = self.aws.stack(name)
        kind = (
            RootAction.UPDATE if live and live.status != "REVIEW_IN_PROGRESS" else RootAction.CREATE
        )
        request = ChangeSetRequest(
            name, f"c{self._serial}", kind.upper(), f"t{self._serial}", body=body
        )
        arn = self.aws.create_change_set(request)
        prepared = self.aws.change_set(arn, values=False)
        assert prepared is not None
        assert prepared.status == "CREATE_COMPLETE", prepared.reason
        held = {path: json.dumps(data) for path, data in texts.items()}
        target = DesiredStack(root, name, held, {path: f"{URL}{path}" for path in held}, {}, {})
        return RootPlan(target, kind, Diff(), tuple(changes), arn, prepared.stack_id)


@contextmanager
def clocked_account(
    monkeypatch: pytest.MonkeyPatch,
    *,
    mirror: bool = False,
    clock: Clock | None = None,
    **options: Any,
) -> Iterator[ClockedAccount]:
    """An account in which an operation on a resource takes two seconds, or what ``latency`` says.

    With ``mirror`` the services behind CloudFormation hold the resources too.
    """
    clock = clock or Clock()
    texts: dict[str, str] = {}
    options = {"latency": lambda *_: 2.0, **options}
    settings = EmulatorSettings(
        Pseudo(region=REGION), source=clock, fetch=texts.__getitem__, **options
    )
    with Server(settings, mirror=mirror) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield ClockedAccount(clock, server.engine, texts)


def nested(path: str, **more: Any) -> dict[str, Any]:
    """A nested stack."""
    return {
        "Type": "AWS::CloudFormation::Stack",
        "Properties": {"TemplateURL": f"{URL}{path}"},
        **more,
    }


def resources(**declared: Mapping[str, Any]) -> dict[str, Any]:
    """A template of these."""
    return {"Resources": declared}


def topic(name: str = "one", **more: Any) -> dict[str, Any]:
    """A topic whose name replaces it."""
    return {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": name}, **more}


def change(
    type_: str, logical_id: str, effect: Effect = Effect.CHANGE, stack: str = "app"
) -> PlannedChange:
    """A planned change of a resource."""
    return PlannedChange(
        ResourceDiff(stack, logical_id, type_, effect), ListedChange.BOTH, Certainty.CERTAIN
    )
