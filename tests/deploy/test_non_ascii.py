"""Characters beyond ASCII: CloudFormation deploys them, and answers question marks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stackwright.aws import Boto
from stackwright.deploy import Approvals, Deployer, read_environment
from stackwright.plan import Environment
from tests.support.aws import REGION
from tests.support.emulator import emulator
from tests.support.projects import Project
from tests.support.releasing import FILES
from tests.support.users import ScriptedUser

Make = Callable[..., Project]
YES = Approvals(yes=True)
APP = """\
# {{ title }}
Description: {{ title }}
Parameters:
  Label:
    Type: String
Resources:
  Name:
    Type: AWS::SSM::Parameter
    Properties:
      Type: String
      Value: "{{ title }}"
      Description: !Ref Label
Outputs:
  Title:
    Value: {{ title }}
"""
JSON_APP = """\
{
  "Description": {{ title }},
  "Parameters": {"Label": {"Type": "String"}},
  "Resources": {
    "Name": {
      "Type": "AWS::SSM::Parameter",
      "Properties": {"Type": "String", "Value": {{ title }}, "Description": {"Ref": "Label"}}
    }
  },
  "Outputs": {"Title": {"Value": {{ title }}}}
}
"""
TEXT = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=30).filter(
    lambda text: "{{" not in text and text.strip()
)


class Case:
    """A project with a text as parameter, tag and value of a Parameter, in an empty account."""

    def __init__(self, project: Project, url: str) -> None:
        self._project, self._variables = project, {"AWS_ENDPOINT_URL": url}

    def environment(self, text: str) -> Environment:
        title = json.dumps(text, ensure_ascii=False)
        parameters = FILES["params/defaults.yaml"].replace("{app: [topics]}", "app")
        parameters = parameters.replace("title: first", f"title: {title}")
        parameters += (
            f"deploy: {{parameters: {{app: {{Label: {title}}}}}}}\ntags: {{team: {title}}}\n"
        )
        self._project.write({"params/defaults.yaml": f"project: news\n{parameters}"})
        rendering = self._project.render()
        return Environment(self._project.load(), Boto(REGION), rendering, variables=self._variables)

    def deploy(self, text: str) -> ScriptedUser:
        user = ScriptedUser()
        assert Deployer(self.environment(text), user, YES).deploy(), user.lines
        return user


@pytest.fixture(params=["yaml", "json"])
def case(
    request: pytest.FixtureRequest, project: Make, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Case]:
    made = project({**FILES, "templates/main.yaml.j2": None, "templates/app/topics.yaml.j2": None})
    name, text = {"yaml": ("app.yaml.j2", APP), "json": ("app.json.j2", JSON_APP)}[request.param]
    Path(made.folder / "templates/app.yaml.j2").unlink()
    made.write({f"templates/{name}": text})
    with emulator() as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        yield Case(made, running.url)


@settings(max_examples=5)
@given(TEXT)
@example("Zürich 🚀")
@example("a — b")
def test_any_text_is_deployed_and_then_live(case: Case, text: str) -> None:
    case.deploy(text)
    environment = case.environment(text)
    overview = read_environment(environment)
    assert overview.releases is not None
    assert overview.releases.problems == ()
    assert overview.releases.live == overview.releases.last
    result = Deployer(environment, ScriptedUser()).plan()
    assert result.plan.empty


def test_change_of_one_non_ascii_character_is_seen(case: Case) -> None:
    case.deploy("Zürich")
    assert not Deployer(case.environment("Zörich"), ScriptedUser()).plan().plan.empty
