"""The documentation is held to the code: every verb, parameter and code, and the generated
pages."""

from __future__ import annotations

import ast
import json
import re
import shlex
from pathlib import Path

import click
import pytest

from docs import architecture
from stackwright.cli import main, project
from stackwright.cli.examples import NOTES
from stackwright.config import schema
from stackwright.core import ParameterData, compose_yaml
from stackwright.core.codes import CODES
from stackwright.core.errors import InputError
from stackwright.core.model import dotted
from stackwright.lint.rules import RULES, catalogue
from stackwright.plan.plan_file import read_plan
from tests.support.projects import commands

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def verbs(group: click.Group, before: str = "") -> list[str]:
    names = []
    for name, command in commands(group).items():
        names += (
            verbs(command, f"{before}{name} ")
            if isinstance(command, click.Group)
            else [f"{before}{name}"]
        )
    return names


@pytest.mark.parametrize("verb", verbs(main.main))
def test_every_verb_has_help_and_an_example(verb):
    command = main.main
    for part in verb.split():
        assert isinstance(command, click.Group)
        command = commands(command)[part]
    assert command.help
    assert all(
        option.help
        for option in command.params
        if isinstance(option, click.Option) and option.name != "style"
    )
    assert verb in NOTES, f"add {verb} to stackwright/cli/examples.py"
    assert f"\n## {verb}\n" in read("docs/verbs.md")


def test_every_example_is_a_command_line_of_its_verb():
    assert set(NOTES) == set(verbs(main.main))
    for verb, notes in NOTES.items():
        arguments = shlex.split(notes.example.split(" > ")[0].split(" >> ")[0])
        arguments = shlex.split(arguments[1][2:-1])[1:] if arguments[0] == "eval" else arguments
        command, rest = main.main, arguments
        while isinstance(command, click.Group):
            command, rest = commands(command)[rest[0]], rest[1:]
        assert " ".join(arguments[: len(arguments) - len(rest)]) == verb
        command.make_context(verb, rest, resilient_parsing=False)


def test_readme_is_short():
    assert len(README.split()) <= 1200


def test_architecture_page_matches_the_imports():
    assert architecture.render_block() in read("docs/architecture.md"), (
        "run python -m docs.architecture"
    )


def test_every_target_of_the_readme_is_in_the_makefile():
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    text = README + read("CONTRIBUTING.md") + read("docs/autoscaling.md")
    named = set(re.findall(r"(?:`|\$ )make\s([a-z][a-z-]*)", text))
    assert named - targets == set()


def test_every_make_target_has_help():
    text = read("Makefile")
    phony = re.search(r"\.PHONY:((?:.*\\\n)*.*)", text)
    assert phony
    names = set(phony.group(1).replace("\\", " ").split())
    assert names == set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))


def properties() -> list[str]:
    parsed = schema.parse_schema(read("params/schema.json"), "params/schema.json")
    return [
        dotted(path)
        for path, node in schema.schema_properties(parsed)
        if not node.get("properties")
    ]


def test_every_parameter_is_in_the_reference():
    page = read("docs/parameters.md")
    assert [name for name in properties() if f"`{name}`" not in page] == []
    assert len(properties()) > 60


def test_every_parameter_has_a_title_and_a_unit():
    parsed = schema.parse_schema(read("params/schema.json"), "params/schema.json")
    untitled = [
        dotted(path) for path, node in schema.schema_properties(parsed) if not node.get("title")
    ]
    assert untitled == []


def test_defaults_of_the_schema_and_of_the_file_agree():
    parsed = schema.parse_schema(read("params/schema.json"), "params/schema.json")
    data = ParameterData(
        compose_yaml(read("params/defaults.yaml"), "params/defaults.yaml"), "params/defaults.yaml"
    ).data
    for path, node in schema.schema_properties(parsed):
        place = data
        for part in path:
            place = place.get(part) if isinstance(place, dict) else None
        if "default" in node and place is not None:
            assert node["default"] == place, dotted(path)


def test_every_code_is_in_the_reference_and_in_use():
    page = read("docs/rules.md")
    used = {
        code
        for path in (ROOT / "stackwright").rglob("*.py")
        for code in re.findall(r'"(SW\d{3})"', path.read_text())
    }
    known = set(catalogue())
    assert {code for code in known if f"| {code} |" not in page} == set()
    assert used - known == set(), "raised, but not in the catalogue"
    codes = ROOT / "stackwright/core/codes"
    others = "".join(
        path.read_text() for path in (ROOT / "stackwright").rglob("*.py") if path.parent != codes
    )
    assert {code.id for code in CODES if f'"{code.id}"' not in others} == set()


@pytest.mark.parametrize("code", catalogue().values(), ids=lambda code: code.id)
def test_every_code_has_a_title_and_an_action(code):
    assert code.title
    assert not code.title.endswith(".")
    assert code.action.endswith(".")
    assert code.action.count(". ") == 0, "one sentence"
    assert not code.reason or code.reason.endswith(".")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_has_a_reason_and_a_source(rule):
    assert rule.reason.endswith(".")
    assert rule.source.startswith("https://")


def test_generated_pages_are_fresh():
    assert {name: text for name, text in project._pages(ROOT).items() if read(name) != text} == {}


def test_links_between_pages_resolve():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        prose = re.sub(r"`[^`\n]*`", "", page.read_text(encoding="utf-8"))
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", prose):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_workflows_call_existing_commands():
    for path in (ROOT / ".github/workflows").glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
        for line in re.findall(r"run: make (.*)", text):
            assert {word for word in line.split() if "=" not in word} <= targets
        assert set(re.findall(r"render\.py ([a-z]+)", text)) <= set(commands(main.main))


def test_schema_names_its_dialect():
    assert (
        json.loads(read("params/schema.json"))["$schema"]
        == "https://json-schema.org/draft/2020-12/schema"
    )


def test_no_message_names_a_target_of_this_makefile():
    """A project that ``init`` made has none; where the engine is installed there is one, which
    ``doctor`` names."""
    targets = "|".join(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    for path in sorted((ROOT / "stackwright").rglob("*.py")):
        strings = [
            n.value
            for n in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(n, ast.Constant)
        ]
        naming = [
            text
            for text in strings
            if isinstance(text, str) and re.search(rf"\bmake ({targets})(?![\w-])", text)
        ]
        assert [
            text for text in naming if path.name != "doctor.py" or "make install" not in text
        ] == [], path


def test_docs_name_the_code_of_a_damaged_plan_file():
    text = json.dumps(
        {"format": "stackwright-plan", "version": 3, "plan": {}, "sha256": "of another text"}
    )
    with pytest.raises(InputError) as caught:
        read_plan(text)
    (problem,) = caught.value.problems
    assert problem.message == "the plan file was changed or damaged: its checksum does not match"
    assert f"if the file is damaged ({problem.code})" in " ".join(read("docs/deploying.md").split())
