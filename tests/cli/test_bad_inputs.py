"""Every bad input gets one message with its cause, place and next step; no traceback, no secret."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.cli.bad_inputs import CASES, SECRET, Case
from tests.support.projects import Project

Make = Callable[..., Project]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bad_input_is_reported_in_process(case: Case, project: Make) -> None:
    made = project(case.files)
    arguments = ("--env", case.environment, *case.arguments)
    result = made.invoke("render", *arguments, "--no-lint")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert SECRET not in result.output
    assert "Traceback" not in result.stderr
    assert not (made.folder / "build" / case.environment).exists()
    hold(case, made.problems(case.environment, *case.arguments[1::2]))
    check_text(case, result.stderr)


def hold(case: Case, problems: tuple[object, ...]) -> None:
    reported = [problem for problem in problems if problem.code == case.code]  # type: ignore[attr-defined]
    shown = "\n".join(map(str, problems))
    assert reported, shown
    matching = [problem for problem in reported if case.message in problem.message]  # type: ignore[attr-defined]
    assert matching, shown
    (problem,) = matching
    assert case.hint in problem.hint  # type: ignore[attr-defined]
    places = [str(at) for at in problem.where]  # type: ignore[attr-defined]
    if case.where:
        assert places, shown
        assert places[0] == case.where or (
            places[0].startswith(case.where) and ":" not in case.where
        ), places
    assert set(case.others) <= set(places), places
    assert SECRET not in shown


def check_text(case: Case, text: str) -> None:
    """The text names the place and the code, and the next step below them."""
    head = [line for line in text.splitlines() if f" {case.code} " in line]
    assert head, text
    assert any(
        line.startswith(case.where) and case.message.splitlines()[0][:60] in line for line in head
    ), text
    if case.hint:
        assert any(line.startswith("    -> ") for line in text.splitlines()), text


@pytest.mark.parametrize("case", CASES[:: len(CASES) // 12], ids=str)
def test_bad_input_is_reported_by_the_command(case: Case, project: Make) -> None:
    made = project(case.files)
    result = made.run("render", "--env", case.environment, *case.arguments)
    assert (result.returncode, result.stdout) == (1, "")
    check_text(case, result.stderr)
    assert "Traceback" not in result.stderr
    assert not (made.folder / "build" / case.environment).exists()


@pytest.mark.parametrize("verb", ["lint", "params", "graph"])
def test_other_verbs_report_the_same_problem(verb: str, project: Make) -> None:
    result = project({"params/dev.yaml": "a: [\n"}).invoke(verb, "--env", "dev")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "params/dev.yaml:2: error SW003" in result.stderr


def test_bad_input_keeps_the_old_build(project: Make) -> None:
    made = project()
    assert made.invoke("render", "--env", "dev", "--no-lint").exit_code == 0
    before = made.built()
    assert before
    made.write({"templates/main.yaml.j2": "Resources: {{ nope }}\n"})
    assert made.invoke("render", "--env", "dev", "--no-lint").exit_code == 1
    assert made.built() == before


def test_problems_of_several_templates_are_shown_together(project: Make) -> None:
    made = project(
        {
            "templates/main.yaml.j2": "A: {{ one }}\n",
            "templates/other.yaml.j2": "A: {{ two }}\n",
            "templates/third.yaml.j2": "A: [\n",
        }
    )
    assert [problem.code for problem in made.problems()] == ["SW102", "SW102", "SW103"]


def test_problems_of_all_environments_are_shown_together(project: Make) -> None:
    made = project({"params/dev.yaml": "a: [\n", "params/prod.yaml": "b: [\n"})
    result = made.invoke("render", "--all", "--format", "json")
    assert result.exit_code == 1
    assert sorted(
        problem["where"][0]["path"] for problem in json.loads(result.stdout)["problems"]
    ) == [
        "params/dev.yaml",
        "params/prod.yaml",
    ]


def test_params_file_of_five_megabytes_is_read(project: Make) -> None:
    rows = "".join(f"  key{n}: {'x' * 40}\n" for n in range(100_000))
    made = project(
        {
            "params/dev.yaml": f"big:\n{rows}",
            "templates/main.yaml.j2": "A: {{ title }}{{ big.values() | list | length }}\n",
        }
    )
    assert (made.folder / "params/dev.yaml").stat().st_size > 5_000_000
    assert "A: news100000" in made.document().text


@pytest.mark.parametrize("folder", ["", "nothing-here"])
def test_folder_without_a_project_is_refused(folder: str, project: Make) -> None:
    made = project()
    result = Project(made.folder / "templates" / folder).run(
        "render", "--env", "dev", cwd=made.folder
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert "SW001" in result.stderr
    assert "has no params/ folder" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["rendr"], "there is no verb 'rendr'"),
        (["render", "--nope"], "No such option"),
        (["render", "--format", "xml"], "is not one of"),
        (["explain"], "Missing argument 'WHAT'"),
        (["init"], "Missing argument 'ENVIRONMENT'"),
    ],
)
def test_wrong_command_line_is_refused(arguments: list[str], text: str, project: Make) -> None:
    result = project().invoke(arguments[0], *arguments[1:])
    assert (result.exit_code, result.stdout) == (1, "")
    assert text in result.stderr
