"""Plans of typical changes to the production system of the project, made on the emulator."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec.structs import replace

from stackwright.artifacts.package import package_rendering
from stackwright.artifacts.upload import upload_bundle
from stackwright.cfn.template import parse_template
from stackwright.config.load import load_config
from stackwright.core.model import Rendering, S3Folder
from stackwright.plan import desired_state, live_stack, plan
from stackwright.plan.guardrails import find_dangerous_changes
from stackwright.plan.model import Certainty, ListedChange, RootAction, RootPlan
from stackwright.render.render import render_templates
from stackwright.render.wire import wire_root
from stackwright.report.plan import format_plan
from tests.support.aws import ACCOUNT, REGION, client, create_bucket
from tests.support.planning import PlanningAccount, planning_account, whole
from tests.support.projects import REPOSITORY

IMAGES = ("gateway", "agent", "redis", "rabbitmq", "chroma")
BUCKET = "artifacts"


@dataclass
class Production:
    """build/prod, deployed; `change` plans another rendering of it and discards the change set."""

    aws: PlanningAccount
    certificate: str
    folder: Path
    known: desired_state.KnownValues = field(
        default_factory=lambda: desired_state.KnownValues(
            images={name: f"host/euglena-prod/{name}@sha256:{'1' * 64}" for name in IMAGES},
            secrets={"app": "v1"},
        )
    )

    def rendering(self, *overrides: str, env: Path | None = None) -> Rendering:
        settings = (f"edge.certificate_arn={self.certificate}", *overrides)
        return render_templates(load_config(REPOSITORY, "prod", settings, env), wire_root)

    def plan(self, rendering: Rendering, root: str) -> RootPlan:
        bundle = package_rendering(rendering, S3Folder(BUCKET, REGION))
        upload_bundle(bundle, ACCOUNT, self.aws.aws)
        names = [root.name for root in desired_state.root_documents(rendering)]
        lives = {
            name: live_stack.read_stack(
                desired_state.stack_name(rendering.config, name), self.aws.aws, name
            )
            for name in names
        }
        outputs = {name: live.stack.outputs for name, live in lives.items() if live}
        document = next(
            item for item in desired_state.root_documents(rendering) if item.name == root
        )
        wanted = desired_state.build_desired_stack(
            document, rendering, bundle, replace(self.known, outputs=outputs)
        )
        return plan.preview_root(
            wanted, lives[root], self.aws.aws, run="run", description="by tester"
        )

    def deploy(self) -> None:
        rendering = self.rendering()
        for root in desired_state.root_documents(rendering):
            planned = self.plan(rendering, root.name)
            self.aws.aws.execute_change_set(str(planned.change_set), f"token-{root.name}")
            stack = self.aws.aws.stack(planned.desired.stack)
            assert stack is not None
            assert stack.status == "CREATE_COMPLETE", [
                (e.logical_id, e.reason)
                for e in self.aws.aws.events(planned.desired.stack)
                if e.status == "CREATE_FAILED"
            ]

    def change(self, rendering: Rendering) -> RootPlan:
        planned = self.plan(rendering, "app")
        plan.discard_change_sets(planned, self.aws.aws)
        assert self.aws.aws.change_sets(planned.desired.stack) == []
        return planned


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    with pytest.MonkeyPatch.context() as patch, planning_account(pulls=False) as account:
        patch.setenv("AWS_ENDPOINT_URL", account.server.url)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        create_bucket(BUCKET)
        certificate = client("acm").request_certificate(DomainName="euglena.example")[
            "CertificateArn"
        ]
        made = Production(account, certificate, tmp_path_factory.mktemp("production"))
        made.deploy()
        yield made


@pytest.fixture(autouse=True)
def _endpoint(production: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", production.aws.server.url)


def edited(path: str, old: str, new: str) -> Callable[[Rendering], Rendering]:
    """The rendering with a template changed by hand."""

    def edit(rendering: Rendering) -> Rendering:
        documents = []
        for document in rendering.documents:
            if document.path == path:
                assert old in document.text
                text = document.text.replace(old, new, 1)
                document = replace(document, text=text, body=parse_template(text).data)
            documents.append(document)
        return replace(rendering, documents=tuple(documents))

    return edit


def real_effects(planned: RootPlan) -> dict[str, str]:
    """The effects of a plan by address, without spurious ones."""
    real = [change for change in planned.changes if change.certainty is not Certainty.SPURIOUS]
    return {change.diff.address: str(change.effect) for change in real}


def test_equal_inputs_change_nothing(production: Production) -> None:
    assert production.change(production.rendering()).kind is RootAction.NOTHING


def test_new_image_changes_its_service_only(production: Production) -> None:
    known = production.known
    production.known = replace(
        known, images={**known.images, "gateway": f"host/euglena-prod/gateway@sha256:{'2' * 64}"}
    )
    planned = production.change(production.rendering())
    production.known = known
    assert real_effects(planned) == {
        "app/gateway:Service": "change",
        "app/gateway:TaskDefinition": "replace",
    }
    assert (len(planned.changes), planned.notes, planned.diff.losses) == (2, (), ())
    text = format_plan(whole(planned))
    before, after = (f'"host/euglena-prod/gateway@sha256:{digit * 64}"' for digit in "12")
    assert f'ContainerDefinitions["gateway"].Image: {before} → {after}' in text


def test_new_secret_version_changes_its_consumers(production: Production) -> None:
    known = production.known
    production.known = replace(known, secrets={"app": "v2"})
    planned = production.change(production.rendering())
    production.known = known
    assert real_effects(planned) == {
        "app/gateway:Service": "change",
        "app/gateway:TaskDefinition": "replace",
        "app/agent:Service": "change",
        "app/agent:TaskDefinition": "replace",
    }


def test_new_variable_is_shown_with_its_value(production: Production) -> None:
    folder = production.folder / "env"
    shutil.copytree(REPOSITORY / "env/prod", folder, ignore=shutil.ignore_patterns("keys.env"))
    with (folder / ".env").open("a", encoding="utf-8") as file:
        file.write("\nNEW_FLAG=on\n")
    planned = production.change(production.rendering(env=folder))
    assert real_effects(planned)["app/gateway:TaskDefinition"] == "replace"
    task = next(
        change for change in planned.changes if change.diff.address == "app/gateway:TaskDefinition"
    )
    (leaf,) = task.diff.properties
    assert (leaf.path, leaf.after) == (
        'ContainerDefinitions["gateway"].Environment["NEW_FLAG"].Value',
        "on",
    )


def test_new_namespace_replaces_its_contents(production: Production) -> None:
    planned = production.change(production.rendering("discovery.namespace=other.euglena.local"))
    replaced = {address for address, effect in real_effects(planned).items() if effect == "replace"}
    assert {
        "app/base:Namespace",
        "app/state:RedisName",
        "app/gateway:Name",
        "app/agent:Name",
    } <= replaced
    assert real_effects(planned)["app/gateway:Service"] == "change"
    assert [finding.address for finding in find_dangerous_changes(whole(planned))] == [
        "app/base:Namespace"
    ]  # what stands in it follows
    spurious = {
        change.diff.address for change in planned.changes if change.certainty is Certainty.SPURIOUS
    }
    assert "app/state:RedisTaskDefinition" in spurious
    assert planned.diff.losses == ()
    text = format_plan(whole(planned), "markdown")
    assert "(`--approve Namespace:replacement`)" in text
    assert "not replaced, although CloudFormation lists it" in text


def test_removed_file_system_shows_the_fate_of_its_data(production: Production) -> None:
    sidecar = ("state.topology=sidecar", "state.accept_split_state=true", "gateway.memory=4096")
    planned = production.change(production.rendering(*sidecar))
    (loss,) = planned.diff.losses
    assert (loss.resource.address, loss.policy, loss.kept) == (
        "app/storage:FileSystem",
        "Retain",
        True,
    )
    assert loss.physical_id.startswith("fs-")
    assert real_effects(planned)["app/state:RedisService"] == "remove"
    for style in ("text", "markdown"):
        text = format_plan(whole(planned), style)
        assert (
            f"app/storage:FileSystem (AWS::EFS::FileSystem {loss.physical_id}) is removed: the old one is kept"
            in text
        )
        assert text.index("Loss of data") < text.index("app/security")


def test_opened_security_group_is_shown_first(production: Production) -> None:
    rule = "        - {Description: Anybody, IpProtocol: tcp, FromPort: 6379, ToPort: 6379, CidrIp: 0.0.0.0/0}\n"
    first = "      SecurityGroupIngress:\n        - Description: Tasks of gateway\n"
    wider = first.replace("        - D", f"{rule}        - D")
    planned = production.change(edited("app/security.yaml", first, wider)(production.rendering()))
    assert len(real_effects(planned)) == 1
    assert {
        change.listed for change in planned.changes if change.certainty is not Certainty.SPURIOUS
    } == {ListedChange.BOTH}
    first_line = format_plan(whole(planned)).splitlines()[0]
    assert "Needs approval:" in first_line
    assert "opens tcp/6379 to 0.0.0.0/0 (--approve " in first_line


@pytest.mark.parametrize("style", ["text", "markdown"])
def test_every_change_is_explained(production: Production, style: str) -> None:
    planned = production.change(production.rendering("gateway.cpu=2048", "gateway.memory=4096"))
    assert planned.notes == ()
    assert "only listed by CloudFormation" not in format_plan(whole(planned), style)
