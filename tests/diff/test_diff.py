"""What deploying one build over another does, resource by resource, by meaning."""

import subprocess
import textwrap

import pytest

from stackwright.core.errors import InputError, TemplateError
from stackwright.diff import (
    diff_builds,
    read_build_folder,
    read_build_revision,
    rename_environment,
)
from stackwright.diff.model import Effect

APP = """
Parameters: {Image: {Type: String, Description: "Image from web:1.0"}}
Resources:
  Network:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: ./app/network.yaml}
  Web:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: ./app/web.yaml
      Parameters: {VpcId: !GetAtt Network.Outputs.VpcId, Image: !Ref Image}
Outputs:
  Vpc: {Value: !GetAtt Network.Outputs.VpcId}
"""
NETWORK = """
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Files: {Type: AWS::EFS::FileSystem, DeletionPolicy: Retain, Properties: {Encrypted: true}}
Outputs:
  VpcId: {Value: !Ref Vpc}
"""
WEB = """
Parameters: {VpcId: {Type: String}, Image: {Type: String}}
Resources:
  Group: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: d, VpcId: !Ref VpcId}}
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      ContainerDefinitions:
        - Name: web
          Image: !Ref Image
          Environment: [{Name: LEVEL, Value: info}, {Name: OLD, Value: x}]
        - {Name: side, Image: side:1}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {}
      Policies:
        - PolicyName: p
          PolicyDocument:
            Statement:
              - {Sid: Read, Effect: Allow, Action: "s3:GetObject", Resource: "*"}
              - {Sid: Write, Effect: Allow, Action: "s3:PutObject", Resource: "*"}
  Board:
    Type: AWS::CloudWatch::Dashboard
    Properties: {DashboardName: b, DashboardBody: !Sub '{"widgets": [{"x": 1, "y": "${Image}"}]}'}
"""
BUILD = {"app.yaml": APP, "app/network.yaml": NETWORK, "app/web.yaml": WEB}


def changed(*replacements):
    """BUILD with (file, old, new) replaced; each must be there."""
    files = dict(BUILD)
    for path, old, new in replacements:
        assert old in files[path]
        files[path] = files[path].replace(old, new)
    return diff_builds(BUILD, files)


def effects(difference):
    return {resource.address: str(resource.effect) for resource in difference.resources}


def properties(difference, address):
    (resource,) = [resource for resource in difference.resources if resource.address == address]
    return {changed.path: (changed.before, changed.after) for changed in resource.properties}


def test_equal_builds_have_no_difference():
    difference = diff_builds(BUILD, dict(BUILD))
    assert difference.empty
    assert (difference.resources, difference.outputs, difference.losses) == ((), (), ())


def test_first_build_adds_every_resource_but_nested_stacks():
    difference = diff_builds({}, BUILD)
    assert effects(difference) == {
        "app/network:Files": "add",
        "app/network:Vpc": "add",
        "app/web:Board": "add",
        "app/web:Group": "add",
        "app/web:Role": "add",
        "app/web:Task": "add",
    }
    assert [(output.name, output.before) for output in difference.outputs] == [("Vpc", None)]
    assert difference.count(Effect.ADD) == 6
    assert all(resource.certain for resource in difference.resources)


def test_removed_root_removes_everything_and_lists_retained_data():
    difference = diff_builds(BUILD, {})
    assert set(effects(difference).values()) == {"remove"}
    assert len(difference.resources) == 6
    assert [(loss.resource.address, loss.policy, loss.kept) for loss in difference.losses] == [
        ("app/network:Files", "Retain", True)
    ]


def test_removed_nested_stack_lists_lost_data():
    web = """
Resources:
  Web:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: ./app/web.yaml, Parameters: {VpcId: vpc-1, Image: "web:1"}}
"""
    difference = diff_builds(BUILD, {"app.yaml": web, "app/web.yaml": WEB})
    assert effects(difference)["app/network:Files"] == "remove"
    assert effects(difference)["app/network:Vpc"] == "remove"
    assert [(loss.resource.address, loss.kept) for loss in difference.losses] == [
        ("app/network:Files", True)
    ]


def test_consequences_cross_stacks():
    difference = changed(("app/network.yaml", "10.0.0.0/16", "10.1.0.0/16"))
    assert effects(difference) == {"app/network:Vpc": "replace", "app/web:Group": "replace"}
    group = difference.resources[1]
    assert group.properties[0].path == "VpcId"
    assert group.properties[0].causes == ("Network.Outputs.VpcId",)
    assert (group.properties[0].replaces, group.properties[0].after_apply, group.certain) == (
        "yes",
        True,
        True,
    )
    assert [(output.name, output.before, output.after) for output in difference.outputs] == []


def test_consequences_cross_roots():
    bucket = "Resources: {B: {Type: AWS::S3::Bucket, Properties: {BucketName: %s}}}\nOutputs: {Store: {Value: !Ref B}}"
    user = (
        "Parameters: {Store: {Type: String, Default: none}}\nResources: {P: {Type: AWS::SNS::Topic,"
    )
    user += " Properties: {TopicName: !Ref Store}}}"
    before, after = ({"zebra.yaml": bucket % name, "app.yaml": user} for name in ("a", "b"))
    difference = diff_builds(before, after)
    assert effects(difference) == {"zebra:B": "replace", "app:P": "replace"}
    assert [resource.stack for resource in difference.resources] == ["zebra", "app"]
    assert difference.losses[0].policy == "Delete"
    assert not difference.losses[0].kept


def test_containers_are_compared_by_name_and_environment_by_variable():
    difference = changed(
        (
            "app/web.yaml",
            "{Name: LEVEL, Value: info}, {Name: OLD, Value: x}",
            "{Name: NEW, Value: y}, {Name: LEVEL, Value: debug}",
        ),
        ("app/web.yaml", "- {Name: side, Image: side:1}", "- {Name: more, Image: more:1}"),
    )
    assert properties(difference, "app/web:Task") == {
        'ContainerDefinitions["web"].Environment["LEVEL"].Value': ("info", "debug"),
        'ContainerDefinitions["web"].Environment["OLD"].Value': ("x", None),
        'ContainerDefinitions["web"].Environment["NEW"].Value': (None, "y"),
        'ContainerDefinitions["side"]': ({"Name": "side", "Image": "side:1"}, None),
        'ContainerDefinitions["more"]': (None, {"Name": "more", "Image": "more:1"}),
    }
    (task,) = difference.resources
    assert task.effect is Effect.REPLACE
    assert {changed.replaces for changed in task.properties} == {"yes"}
    assert [(changed.exists_before, changed.exists_after) for changed in task.properties][1:3] == [
        (True, False),
        (False, True),
    ]


def test_policies_are_compared_by_statement():
    difference = changed(("app/web.yaml", '"s3:PutObject"', '["s3:PutObject", "s3:DeleteObject"]'))
    path = 'Policies["p"].PolicyDocument.Statement["Write"].Action'
    assert properties(difference, "app/web:Role") == {
        path: ("s3:PutObject", ["s3:PutObject", "s3:DeleteObject"])
    }


def test_lists_without_names_are_compared_by_content():
    vpc = "{CidrBlock: 10.0.0.0/16}"
    one = vpc.replace("}", ", Tags: [{Key: a, Value: 1}, {Key: b, Value: 2}]}")
    two = vpc.replace("}", ", Tags: [{Key: b, Value: 2}, {Key: a, Value: 1}]}")
    before = BUILD | {"app/network.yaml": NETWORK.replace(vpc, one)}
    after = BUILD | {"app/network.yaml": NETWORK.replace(vpc, two)}
    assert list(properties(diff_builds(before, after), "app/network:Vpc")) == ["Tags[order]"]
    rule = "{GroupDescription: d, SecurityGroupEgress: [%s]}"
    egress = ["{CidrIp: 1.0.0.0/8, IpProtocol: '-1'}", "{CidrIp: 2.0.0.0/8, IpProtocol: '-1'}"]
    before, after = (
        BUILD
        | {
            "app/web.yaml": WEB.replace(
                "{GroupDescription: d, VpcId: !Ref VpcId}", rule % ", ".join(items)
            )
        }
        for items in ([egress[0], egress[1]], [egress[1], egress[0].replace("1.0", "3.0")])
    )
    assert properties(diff_builds(before, after), "app/web:Group") == {
        "SecurityGroupEgress[1].CidrIp": ("1.0.0.0/8", "3.0.0.0/8")
    }
    swapped = BUILD | {
        "app/web.yaml": WEB.replace(
            "{GroupDescription: d, VpcId: !Ref VpcId}", rule % ", ".join(reversed(egress))
        )
    }
    assert list(properties(diff_builds(before, swapped), "app/web:Group")) == [
        "SecurityGroupEgress[order]"
    ]


def test_json_in_text_is_compared_by_content():
    difference = changed(("app/web.yaml", '"x": 1', '"x": 2'))
    assert properties(difference, "app/web:Board") == {"DashboardBody.widgets[0].x": (1, 2)}


def test_change_of_a_nested_parameter_names_its_declaration():
    difference = changed(("app.yaml", "web:1.0", "web:1.1"))
    task = next(resource for resource in difference.resources if resource.logical_id == "Task")
    assert (task.effect, task.may_replace, task.certain) == (Effect.CHANGE, True, False)
    assert task.properties[0].path == 'ContainerDefinitions["web"].Image'
    assert task.properties[0].replaces == "maybe"
    assert task.properties[0].causes == ("parameter Image (web:1.0 → web:1.1)",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Description:", "MinLength: 1, Description:"),
        ("web:1.0", "web:1.0."),
        ("Image from", "The image, from"),
    ],
)
def test_image_is_as_before_where_only_its_declaration_is_worded_anew(old, new):
    assert changed(("app.yaml", old, new)).empty


def test_words_of_other_parameters_change_nothing():
    text = "Parameters: {Size: {Type: String, Description: %s}}\nResources:\n" + (
        "  Topic: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Ref Size}}\n"
    )
    assert diff_builds({"a.yaml": text % "A size"}, {"a.yaml": text % "'A size: small.'"}).empty


def test_changed_policies_and_metadata_are_listed():
    difference = changed(
        ("app/network.yaml", "DeletionPolicy: Retain", "DeletionPolicy: Delete, Metadata: {a: b}")
    )
    assert properties(difference, "app/network:Files") == {
        "DeletionPolicy": ("Retain", "Delete"),
        "Metadata": (None, {"a": "b"}),
    }
    assert difference.losses == ()


def test_data_losses_depend_on_the_policy():
    difference = changed(("app/network.yaml", "Encrypted: true", "Encrypted: false"))
    (loss,) = difference.losses
    assert (loss.resource.effect, loss.policy, loss.kept) == (Effect.REPLACE, "Delete", False)
    kept = NETWORK.replace(
        "DeletionPolicy: Retain", "DeletionPolicy: Retain, UpdateReplacePolicy: Snapshot"
    )
    before = BUILD | {"app/network.yaml": kept}
    after = BUILD | {"app/network.yaml": kept.replace("true", "false")}
    assert [(loss.policy, loss.kept) for loss in diff_builds(before, after).losses] == [
        ("Snapshot", True)
    ]


def test_environments_are_compared_without_their_prefix():
    staging = {path: text.replace("Key: a", "Key: staging") for path, text in BUILD.items()}
    staging["app/network.yaml"] = NETWORK.replace(
        "Encrypted: true", "Encrypted: true, FileSystemTags: [{Key: e, Value: x-staging}]"
    )
    prod = {path: text.replace("x-staging", "x-prod") for path, text in staging.items()}
    assert not diff_builds(staging, prod).empty
    assert diff_builds(rename_environment(staging, "staging", "prod"), prod).empty
    assert rename_environment({"a": "restaging staging"}, "staging", "prod") == {
        "a": "restaging prod"
    }


def test_broken_template_is_shown_with_its_line():
    with pytest.raises(TemplateError) as caught:
        diff_builds(BUILD, BUILD | {"app/web.yaml": "Resources:\n  A: {}\n"})
    (problem,) = caught.value.problems
    assert "Every Resources object must contain a Type member" in problem.message
    assert (problem.where[0].path, problem.where[0].line) == ("app/web.yaml", 2)
    with pytest.raises(TemplateError, match="Unresolved resource dependencies"):
        diff_builds(
            {},
            {"a.yaml": "Resources: {A: {Type: AWS::SNS::Topic, Properties: {TopicName: !Ref X}}}"},
        )


def test_roots_in_a_circle_are_ordered_by_name():
    one = "Parameters: {B: {Type: String}}\nResources: {T: {Type: AWS::SNS::Topic}}\nOutputs: {A: {Value: a}}"
    two = "Parameters: {A: {Type: String}}\nResources: {T: {Type: AWS::SNS::Topic}}\nOutputs: {B: {Value: b}}"
    assert effects(diff_builds({}, {"one.yaml": one, "two.yaml": two})) == {
        "one:T": "add",
        "two:T": "add",
    }


def test_nested_stacks_without_a_known_template_are_skipped():
    files = {"app.yaml": APP.replace("./app/", "https://bucket/")}
    assert diff_builds(files, files).empty


def test_folder_reads_every_template(tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app.yaml").write_text("a", encoding="utf-8")
    (tmp_path / "app" / "web.yaml").write_text("b", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("c", encoding="utf-8")
    assert read_build_folder(tmp_path) == {"app.yaml": "a", "app/web.yaml": "b"}
    assert read_build_folder(tmp_path / "nothing") == {}
    (tmp_path / "bad.yaml").write_bytes(b"\xff")
    with pytest.raises(InputError, match="cannot be read"):
        read_build_folder(tmp_path)


@pytest.fixture
def repository(tmp_path):
    project = tmp_path / "project"
    (project / "build" / "prod" / "app").mkdir(parents=True)

    def git(*arguments):
        identity = ["-c", "user.name=n", "-c", "user.email=e@example.com"]
        subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True
        )

    git("init", "-q")
    for path, text in (("app.yaml", "a"), ("app/web.yaml", "b"), ("note.md", "c")):
        (project / "build" / "prod" / path).write_text(text, encoding="utf-8")
    git("add", ".")
    git("commit", "-q", "-m", "m")
    git("tag", "one")
    return project


def test_revision_reads_a_commit_even_below_the_repository(repository):
    (repository / "build" / "prod" / "app.yaml").write_text("later", encoding="utf-8")
    assert read_build_revision(repository, "one", "build/prod") == {
        "app.yaml": "a",
        "app/web.yaml": "b",
    }
    assert read_build_revision(repository, "HEAD", "build/dev") == {}


@pytest.mark.parametrize("ref", ["nowhere", "", "--help"])
def test_unknown_revision_is_refused(repository, ref):
    with pytest.raises(InputError, match="revision"):
        read_build_revision(repository, ref, "build/prod")


def test_folder_without_git_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read: fatal: not a git repository"):
        read_build_revision(tmp_path, "HEAD", "build/prod")


def test_missing_git_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="git is not installed"):
        read_build_revision(tmp_path, "HEAD", "build/prod")


def test_resources_have_template_lines():
    difference = changed(("app/network.yaml", "10.0.0.0/16", "10.1.0.0/16"))
    assert difference.resources[0].line == 1 + textwrap.dedent(NETWORK).split("Vpc:")[0].count("\n")


def test_folder_without_templates_is_no_build(tmp_path):
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "app.yaml").write_text("a")
    assert read_build_folder(tmp_path) == {}


def test_attribute_that_is_the_reference_is_no_change():
    text = """
Resources:
  Group: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: d}}
  Topic: {Type: AWS::SNS::Topic}
  Rule:
    Type: AWS::EC2::SecurityGroupIngress
    Properties: {GroupId: %s, IpProtocol: tcp, SourceSecurityGroupId: %s}
  Mail:
    Type: AWS::SNS::Subscription
    Properties: {TopicArn: %s, Protocol: email, Endpoint: a@example.com}
"""
    before = text % ("!Ref Group", "!Ref Group", "!Ref Topic")
    after = text % ("!GetAtt Group.GroupId", "!GetAtt Group.GroupId", "!GetAtt Topic.TopicArn")
    assert diff_builds({"app.yaml": before}, {"app.yaml": after}).resources == ()
