"""Changes that CloudFormation cannot carry out are predicted and refused before anything changes,
by the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest
from click.testing import Result

from stackwright.cfn import Pseudo
from stackwright.emulator import EmulatorSettings, LocalCloudFormation, Server
from tests.support.aws import ACCOUNT, REGION, create_bucket
from tests.support.projects import Project

pytestmark = pytest.mark.filterwarnings("ignore:Exception.QueueDoesNotExist")
"""moto warns where it answers SQS's own error code, NonExistentQueue."""

TABLE = """\
  {name}:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      TableName: {table}
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{{AttributeName: {key}, AttributeType: S}}]
      KeySchema: [{{AttributeName: {key}, KeyType: HASH}}]
"""
OTHER = """\
  Other:
    Type: AWS::SNS::Topic
    Properties: {DisplayName: {{ title }}}
"""


def table(name: str = "Jobs", table: str = "demo-jobs", key: str = "id") -> str:
    """A table with a name of its own."""
    return TABLE.format(name=name, table=table, key=key)


def template(*resources: str, before: str = "", after: str = "") -> str:
    """A template of these resources, with one that every test can change."""
    return f"{before}Resources:\n{OTHER}{''.join(resources)}{after}"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalCloudFormation]:
    with Server(EmulatorSettings(Pseudo(region=REGION, account_id=ACCOUNT))) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        create_bucket("demo-artifacts")
        yield running.engine


Demo = Callable[[Mapping[str, str]], Project]


@pytest.fixture
def demo(engine: LocalCloudFormation, project: Callable[..., Project]) -> Demo:
    """``demo({"app": text})``: the project whose roots, in this order, have these templates; a name
    such as ``app/data`` is a nested stack."""

    def make(templates: Mapping[str, str]) -> Project:
        roots = [name for name in templates if "/" not in name]
        stacks = [
            f"{{{root}: [{', '.join(inner)}]}}" if inner else root
            for root in roots
            for inner in [[n.split("/")[1] for n in templates if n.startswith(f"{root}/")]]
        ]
        params = f"project: demo\nprefix: demo\nregion: {REGION}\ntitle: one\n"
        params += f"deploy: {{bucket: demo-artifacts}}\nstacks: [{', '.join(stacks)}]\n"
        files = {f"templates/{name}.yaml.j2": text for name, text in templates.items()}
        return project({"params/defaults.yaml": params, "templates/main.yaml.j2": None, **files})

    return make


def run(project: Project, verb: str, *options: str) -> Result:
    """A verb for the environment dev, which is rendered before."""
    rendered = project.invoke("render", "--env", "dev", "--no-lint")
    assert rendered.exit_code == 0, rendered.output
    return project.invoke(verb, "--env", "dev", *options)


def deployed(project: Project) -> Project:
    """The project, deployed."""
    done = run(project, "deploy", "--yes")
    assert done.exit_code == 0, done.output
    return project


def change(project: Project, **templates: str) -> Project:
    """Write other templates, and change what all of them have."""
    text = (project.folder / "params/defaults.yaml").read_text()
    files = {f"templates/{name}.yaml.j2": text for name, text in templates.items()}
    return project.write(
        {**files, "params/defaults.yaml": text.replace("title: one", "title: two")}
    )


def events(engine: LocalCloudFormation) -> int:
    """How many events all stacks have had."""
    return sum(len(stack.events) for stack in engine.store.stacks.values())


def require_refused(project: Project, engine: LocalCloudFormation, *texts: str) -> Result:
    """Plan and deployment say these texts, offer no approval, and change nothing."""
    before = events(engine)
    for verb, options in (("plan", ()), ("deploy", ("--yes",))):
        result = run(project, verb, *options)
        shown = " ".join(result.output.split())
        assert result.exit_code == 1, shown
        for text in texts:
            assert text in shown, shown
        assert "--approve" not in shown
        assert events(engine) == before, shown
    return result


# --- renames


def test_renamed_logical_id_with_a_fixed_name_is_refused(
    demo: Demo, engine: LocalCloudFormation
) -> None:
    project = deployed(demo({"app": template(table("Jobs"))}))
    change(project, app=template(table("JobTable")))
    require_refused(
        project,
        engine,
        "app: Jobs and JobTable are the same table, `demo-jobs`: CloudFormation will fail with "
        "AlreadyExists",
        "keep the logical ID Jobs",
    )


QUEUE = """\
  {name}:
    Type: AWS::SQS::Queue
    DeletionPolicy: Delete
    UpdateReplacePolicy: Delete
    Properties: {{QueueName: {queue}}}
"""
ROLE = """\
  {name}:
    Type: AWS::IAM::Role
    Properties:
      RoleName: demo-role
      Path: {path}
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: {{Service: lambda.amazonaws.com}}
            Action: sts:AssumeRole
"""
NESTED = "  {{ nested_stacks() }}\n"
STAGE = "Parameters: {Stage: {Type: String, Default: test}}\n"


def test_renamed_queue_whose_name_results_from_a_parameter_is_refused(
    demo: Demo, engine: LocalCloudFormation
) -> None:
    before = QUEUE.format(name="Work", queue="!Sub 'demo-${Stage}'")
    after = QUEUE.format(name="Tasks", queue="demo-test")
    project = deployed(demo({"app": template(before, before=STAGE)}))
    change(project, app=template(after, before=STAGE))
    require_refused(
        project,
        engine,
        "app: Work and Tasks are the same queue, `demo-test`: CloudFormation will fail",
        "adopt it as app:Tasks with imports: and the verb import",
    )


def test_renamed_nested_stack_with_fixed_names_is_refused(
    demo: Demo, engine: LocalCloudFormation
) -> None:
    inner = template(table(), QUEUE.format(name="Work", queue="demo-work"))
    project = deployed(demo({"app": template(NESTED), "app/data": inner}))
    params = project.folder / "params/defaults.yaml"
    params.write_text(params.read_text().replace("[data]", "[store]"))
    (project.folder / "templates/app/data.yaml.j2").unlink()
    project.write({"templates/app/store.yaml.j2": inner})
    require_refused(
        project,
        engine,
        "app/data and app/store have the same 2 resources (table `demo-jobs`; queue `demo-work`)",
        "keep the name of the stack app/data",
    )


def test_resource_that_moves_between_nested_stacks_is_refused(
    demo: Demo, engine: LocalCloudFormation
) -> None:
    project = deployed(
        demo({"app": template(NESTED), "app/one": template(table()), "app/two": template()})
    )
    change(project, **{"app/one": template(), "app/two": template(table())})
    require_refused(
        project,
        engine,
        "app/one:Jobs and app/two:Jobs are the same table, `demo-jobs`",
        "leave it in app/one",
        "remove app/one:Jobs and deploy, then add app/two:Jobs with --import-existing",
    )


@pytest.mark.parametrize(("source", "target"), [("net", "app"), ("app", "net")])
def test_retained_resource_that_moves_between_roots_is_refused(
    demo: Demo, engine: LocalCloudFormation, source: str, target: str
) -> None:
    texts = {"net": template(), "app": template(), source: template(table())}
    project = deployed(demo(texts))
    change(project, **{source: template(), target: template(table())})
    require_refused(
        project, engine, f"{source}:Jobs and {target}:Jobs are the same table, `demo-jobs`"
    )


def test_resource_that_an_earlier_root_deletes_may_be_created_by_a_later_one(demo: Demo) -> None:
    queue = QUEUE.format(name="Work", queue="demo-work")
    project = deployed(demo({"net": template(queue), "app": template()}))
    change(project, net=template(), app=template(queue))
    options = ("--yes", "--allow-replace", "Work", "--allow-data-loss")
    done = run(project, "deploy", *options)
    assert done.exit_code == 0, done.output


def test_name_that_a_live_resource_keeps_is_refused_for_another(
    demo: Demo, engine: LocalCloudFormation
) -> None:
    project = deployed(demo({"net": template(table("Jobs")), "app": template()}))
    change(project, app=template(table("Twin")))
    require_refused(project, engine, "net:Jobs and app:Twin are the same table, `demo-jobs`")


def test_other_logical_id_and_other_name_are_deployed(demo: Demo) -> None:
    project = deployed(demo({"app": template(table("Jobs"))}))
    change(project, app=template(table("JobTable", "demo-jobs-2")))
    done = run(project, "deploy", "--yes", "--allow-replace", "Jobs", "--allow-data-loss")
    assert done.exit_code == 0, done.output


# --- custom names


def test_replacement_that_keeps_a_custom_name_is_refused(
    demo: Demo, engine: LocalCloudFormation
) -> None:
    project = deployed(demo({"app": template(ROLE.format(name="Role", path="/"))}))
    change(project, app=template(ROLE.format(name="Role", path="/demo/")))
    require_refused(
        project,
        engine,
        "app:Role cannot be replaced (Path changes) while its RoleName stays `demo-role`",
        "give it another RoleName in this change, too",
    )


def test_other_key_of_a_table_that_keeps_its_name_is_refused(
    demo: Demo, engine: LocalCloudFormation
) -> None:
    project = deployed(demo({"app": template(table())}))
    change(project, app=template(table(key="day")))
    require_refused(
        project, engine, "app:Jobs cannot be replaced", "while its TableName stays `demo-jobs`"
    )


def test_replacement_with_another_name_is_deployed(demo: Demo) -> None:
    project = deployed(demo({"app": template(table())}))
    change(project, app=template(table(table="demo-jobs-2", key="day")))
    done = run(project, "deploy", "--yes", "--allow-replace", "Jobs", "--allow-data-loss")
    assert done.exit_code == 0, done.output


# --- exports

EXPORTS = """\
Outputs:
  {output}:
    Value: {value}
    Export: {{Name: {name}}}
"""
IMPORTER = """\
  Reader:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Value: !ImportValue demo-label}
"""


def exporting(value: str = "blue", name: str = "demo-label") -> str:
    """A template that exports a value."""
    return template(after=EXPORTS.format(output="Label", value=value, name=name))


def test_dropped_export_in_use_is_refused(demo: Demo, engine: LocalCloudFormation) -> None:
    project = deployed(demo({"net": exporting(), "app": template(IMPORTER)}))
    change(project, net=template())
    require_refused(
        project,
        engine,
        "net (demo-net) drops the export demo-label, which demo-app imports",
        "deploy app first, keep the Output Label for one release",
    )


def test_export_that_a_later_root_stops_importing_is_kept_for_one_release(
    demo: Demo, engine: LocalCloudFormation
) -> None:
    project = deployed(demo({"net": exporting(), "app": template(IMPORTER)}))
    change(project, net=template(), app=template())
    require_refused(
        project,
        engine,
        "drops the export demo-label, which demo-app imports",
        "app stops importing it in this deployment, but is deployed after net",
    )


def test_changed_export_in_use_is_refused(demo: Demo, engine: LocalCloudFormation) -> None:
    project = deployed(demo({"net": exporting(), "app": template(IMPORTER)}))
    change(project, net=exporting("red"))
    require_refused(
        project,
        engine,
        "net (demo-net) changes the export demo-label, which demo-app imports, from blue to red",
    )


def test_export_that_nobody_imports_may_go(demo: Demo) -> None:
    project = deployed(demo({"net": exporting(), "app": template()}))
    change(project, net=template())
    done = run(project, "deploy", "--yes")
    assert done.exit_code == 0, done.output


def test_import_of_an_export_that_does_not_exist_is_refused(
    demo: Demo, engine: LocalCloudFormation
) -> None:
    project = deployed(demo({"net": exporting(name="demo-labels"), "app": template()}))
    change(project, app=template(IMPORTER))
    require_refused(
        project,
        engine,
        "app imports the export demo-label, which no stack has",
        "did you mean demo-labels?",
    )


def test_root_waits_for_an_export_of_an_earlier_root(demo: Demo) -> None:
    project = demo({"net": exporting(), "app": template(IMPORTER)})
    planned = run(project, "plan")
    assert planned.exit_code == 0, planned.output
    assert "creating change set for demo-app" not in planned.output
    done = run(project, "deploy", "--yes")
    assert done.exit_code == 0, done.output


# --- early validation

SETTING = """\
Parameters: {Kind: {Type: String}}
Resources:
  Setting:
    Type: AWS::SSM::Parameter
    Properties:
      Value: {{ title }}
      Type: !Ref Kind
"""


def test_finding_of_early_validation_is_shown_at_its_template_line(
    demo: Demo, engine: LocalCloudFormation
) -> None:
    project = demo({"app": SETTING})
    params = project.folder / "params/defaults.yaml"
    given = "deploy: {bucket: demo-artifacts, parameters: {app: {Kind: Wrong}}}"
    params.write_text(params.read_text().replace("deploy: {bucket: demo-artifacts}", given))
    refused = run(project, "deploy", "--yes")
    shown = " ".join(refused.output.split())
    assert refused.exit_code == 1, shown
    assert "AWS::EarlyValidation::PropertyValidation" in shown
    assert "templates/app.yaml.j2:7: error SW803 Setting (AWS::SSM::Parameter)" in shown
