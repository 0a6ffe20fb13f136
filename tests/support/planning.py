"""Templates as a deployment has them, an emulated account to plan in, and CloudFormation in memory."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from stackwright.aws import (
    Boto,
    ChangeSet,
    ChangeSetRequest,
    Stack,
    StackEvent,
    StackResource,
    Stacks,
    Validation,
)
from stackwright.cfn.intrinsics import Pseudo
from stackwright.core.errors import AwsError
from stackwright.emulator import EmulatorSettings, LocalCloudFormation, Server
from stackwright.plan import live_stack, plan
from stackwright.plan.live_stack import LiveStack
from stackwright.plan.model import DesiredStack, Plan, RootPlan
from tests.support.aws import ACCOUNT, REGION, client

BUCKET = "templates"
STACK = "news-dev-app"
ARN = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/0f1e"
BEGAN = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)

APP = """
Parameters:
  Level: {Type: String, Default: info}
  Password: {Type: String, NoEcho: true, Default: none}
Resources:
  Network:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: app/network}
  Web:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: app/web
      Parameters: {GroupId: !GetAtt Network.Outputs.GroupId, Level: !Ref Level, Password: !Ref Password}
Outputs:
  GroupId: {Value: !GetAtt Network.Outputs.GroupId}
"""
NETWORK = """
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties: {GroupDescription: web, VpcId: !Ref Vpc}
  Files:
    Type: AWS::EFS::FileSystem
    DeletionPolicy: Retain
    UpdateReplacePolicy: Delete
    Properties: {Encrypted: true}
Outputs:
  GroupId: {Value: !GetAtt Group.GroupId}
"""
WEB = """
Parameters: {GroupId: {Type: String}, Level: {Type: String}, Password: {Type: String, NoEcho: true}}
Resources:
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: web
      ContainerDefinitions:
        - Name: web
          Image: web@sha256:1111
          Memory: 128
          Environment: [{Name: LEVEL, Value: !Ref Level}]
  Rule:
    Type: AWS::EC2::SecurityGroupIngress
    Properties: {GroupId: !Ref GroupId, IpProtocol: tcp, FromPort: 80, ToPort: 80, CidrIp: 10.0.0.0/16}
  Login:
    Type: AWS::SecretsManager::Secret
    Properties:
      Name: login
      SecretString: !Sub '{"user": "{{resolve:secretsmanager:other:SecretString:user}}", "password": "${Password}"}'
"""
FILES = {"app": APP, "app/network": NETWORK, "app/web": WEB}


def changed(
    *replacements: tuple[str, str, str], files: Mapping[str, str] = FILES
) -> dict[str, str]:
    """The files with (name, old, new) replaced; each must be there."""
    texts = dict(files)
    for name, old, new in replacements:
        assert old in texts[name], (name, old)
        texts[name] = texts[name].replace(old, new)
    return texts


def target(
    files: Mapping[str, str] = FILES, parameters: Mapping[str, str] | None = None, **options: Any
) -> DesiredStack:
    """Nested templates are named by their content, as `package` names them."""
    texts: dict[str, str] = {}
    urls: dict[str, str] = {}
    for name in sorted(files, reverse=True):  # nested ones first
        text = files[name]
        for inner, url in urls.items():
            text = text.replace(f"TemplateURL: {inner}", f"TemplateURL: {url}")
        digest = hashlib.sha256(text.encode()).hexdigest()
        texts[name] = text
        urls[name] = f"https://{BUCKET}.s3.{REGION}.amazonaws.com/{digest}.template.yaml"
    root = min(files, key=len)
    return DesiredStack(
        root, STACK, texts, urls, parameters or {}, options.pop("tags", {}), **options
    )


class CountingBoto(Boto):
    """`Boto` that counts its calls and refuses the one chosen by `deny`; ``refused`` names it."""

    def __init__(self, region: str) -> None:
        super().__init__(region)
        self.calls: Counter[str] = Counter()
        self.counting = threading.Lock()
        self.deny(0)

    def deny(self, number: int) -> None:
        """Refuse the call with this number, counted from now on; 0: none."""
        self.calls.clear()
        self.denied, self.refused = number, ""

    def _call(
        self, service: str, operation: str, *, hidden: Sequence[str] = (), **arguments: Any
    ) -> Any:
        with self.counting:
            self.calls[operation] += 1
            refused = self.calls.total() == self.denied
        if refused:
            self.refused = operation
            raise AwsError.of("SW403", f"not allowed: {service}:{operation}")
        return super()._call(service, operation, hidden=hidden, **arguments)


@dataclass
class PlanningAccount:
    """An emulated account with a bucket of templates, whose calls are counted, to preview plans in."""

    server: Server
    engine: LocalCloudFormation
    aws: CountingBoto = field(default_factory=lambda: CountingBoto(REGION))

    def live(self) -> LiveStack | None:
        return live_stack.read_stack(STACK, self.aws, "app")

    def upload(self, wanted: DesiredStack) -> None:
        for name, url in wanted.urls.items():
            key = url.rpartition("/")[2]
            client("s3").put_object(Bucket=BUCKET, Key=key, Body=wanted.templates[name].encode())

    def preview(self, wanted: DesiredStack, **options: Any) -> RootPlan:
        self.upload(wanted)
        return plan.preview_root(
            wanted, self.live(), self.aws, run="run", description="by tester", **options
        )

    def execute(self, made: RootPlan) -> str:
        """Execute the change set of a plan; returns the status of the stack."""
        self.aws.execute_change_set(str(made.change_set), "token")
        stack = self.aws.stack(STACK)
        assert stack is not None
        return stack.status

    def deploy(
        self, files: Mapping[str, str] = FILES, parameters: Mapping[str, str] | None = None
    ) -> None:
        status = self.execute(self.preview(target(files, parameters)))
        failed = [
            (e.logical_id, e.reason) for e in self.aws.events(STACK) if e.status.endswith("_FAILED")
        ]
        assert status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), failed


@contextmanager
def planning_account(**settings: Any) -> Iterator[PlanningAccount]:
    """An emulator in the account and Region of the tests, and its `PlanningAccount`."""
    place = Pseudo(region=REGION, account_id=ACCOUNT)
    with Server(EmulatorSettings(place, **settings)) as running:
        yield PlanningAccount(running, running.engine)


def whole(*roots: RootPlan, **options: Any) -> Plan:
    """A plan of these roots."""
    caller = f"arn:aws:iam::{ACCOUNT}:user/tester"
    return Plan("dev", ACCOUNT, REGION, caller, "0123abc", BEGAN, tuple(roots), **options)


def stack(status: str = "CREATE_COMPLETE", **options: Any) -> Stack:
    """A stack as DescribeStacks gives it."""
    return Stack(ARN, STACK, status, created=BEGAN, **options)


@dataclass
class FakeStacks(Stacks):
    """CloudFormation in memory: it answers with ``answers`` (change sets by id, in order), and keeps
    the requests.

    ``replies`` are the change sets that CreateChangeSet makes, one a call; a list is what
    DescribeChangeSet gives one after the other, the last again and again.
    """

    existing: Stack | None = None
    body: str = ""
    listed: list[StackResource] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    answers: dict[str, list[ChangeSet | None]] = field(default_factory=dict)
    others: list[tuple[str, str]] = field(default_factory=list)
    newest: StackEvent | None = None
    invalid: list[Validation] | None = field(default_factory=list)
    requests: list[ChangeSetRequest] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    full: dict[str, ChangeSet] = field(default_factory=dict)

    def stack(self, stack: str) -> Stack | None:
        return self.existing

    def template(self, stack: str) -> str:
        return self.body

    def resources(self, stack: str) -> list[StackResource]:
        return self.listed

    def last_event(self, stack: str) -> StackEvent | None:
        return self.newest

    def create_change_set(self, request: ChangeSetRequest) -> str:
        self.requests.append(request)
        if request.kind == "CREATE" and self.existing is None:
            self.existing = stack("REVIEW_IN_PROGRESS")
        return self.replies.pop(0)

    def change_set(self, change_set: str, *, values: bool) -> ChangeSet | None:
        if values and change_set in self.full:
            return self.full[change_set]
        answers = self.answers.get(change_set, [None])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def change_sets(self, stack: str) -> list[tuple[str, str]]:
        return self.others

    def delete_change_set(self, change_set: str) -> None:
        self.gone.append(change_set)
        self.answers[change_set] = [None]

    def delete_stack(self, stack: str, token: str, retain: Sequence[str] = ()) -> None:
        self.gone.append(stack)
        self.existing = None

    def validations(self, change_set: str) -> list[Validation] | None:
        return self.invalid


def change_set(
    name: str, status: str = "CREATE_COMPLETE", reason: str = "", *changes: Any, **options: Any
) -> ChangeSet:
    """A change set as DescribeChangeSet gives it; its ARN is that of `arn`."""
    made = ChangeSet(arn(name), name, ARN, STACK, status, "AVAILABLE", reason, tuple(changes), {})
    return replace(made, **options)


def arn(name: str) -> str:
    """The ARN of a change set."""
    return f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:changeSet/{name}/0000"
