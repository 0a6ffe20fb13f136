"""Findings of cfn-lint at their source, waivers, the cache, the time limit, and the formats."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stackwright.core.errors import StackwrightError
from stackwright.core.model import Level, Location, Problem, Rendering, Report, Waiver
from stackwright.lint.check import Linter, check_rendering_folders
from stackwright.render.build_folder import stage_build
from stackwright.report.problems import format_problems, sort_problems, summarize_problems
from tests.support.projects import Project, places, small

pytestmark = pytest.mark.usefixtures("cache")

Make = Callable[..., Project]

BAD = """\
Resources:
  # a comment
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      DisplayName: {{ title }}
      FifoTopic: {{ fifo }}
      Colour: {{ title }}
"""


def report(rendering: Rendering, **options: int) -> Report:
    with stage_build(rendering) as folder, Linter() as linter:
        return check_rendering_folders([(rendering, folder)], linter, **options)[0]


def problem_of(made: Report, code: str) -> Problem:
    (problem,) = [problem for problem in made.problems if problem.code == code]
    return problem


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Report:
    made = small(
        tmp_path_factory.mktemp("bad"),
        {
            "templates/main.yaml.j2": BAD,
            "params/dev.yaml": "\nfifo: maybe\n",
            "params/defaults.yaml": "title: t\n",
        },
    )
    return report(made.render(), jobs=1)


def test_finding_of_cfn_lint_names_the_template_line(bad: Report) -> None:
    problem = problem_of(bad, "E3002")
    assert "Colour" in problem.message
    assert places(problem) == ["templates/main.yaml.j2:8", "params/defaults.yaml:1"]
    assert str(problem.output) == "build/dev/main.yaml:9"
    assert problem.level is Level.ERROR


def test_finding_of_cfn_lint_names_the_parameter(bad: Report) -> None:
    problem = problem_of(bad, "E3012")
    assert places(problem) == ["templates/main.yaml.j2:7", "params/dev.yaml:2"]
    assert "maybe" in problem.message


NESTED = {
    "params/defaults.yaml": "stacks: [app: [one]]\nsecond: x\n",
    "params/dev.yaml": "region: eu-west-3\n",
    "templates/main.yaml.j2": None,
    "templates/app.yaml.j2": (
        "Parameters:\n  Extra: {Type: String}\nResources:\n  {{ nested_stacks() }}\n"
        "Outputs:\n  Nope: {Value: !GetAtt One.Outputs.Missing}\n"
        "  Used: {Value: !Ref Extra}\n  Other: {Value: !GetAtt One.Outputs.Other}\n"
    ),
    "templates/app/one.yaml.j2": (
        "Resources:\n  T:\n    Type: AWS::SNS::Topic\n    Properties: {DisplayName: {{ second }}}\n"
        "Outputs: {Other: {Value: !Ref T}}\n"
    ),
}


def test_roots_and_nested_templates_are_linted_together(project: Make) -> None:
    problem = problem_of(report(project(NESTED).render(), jobs=1), "E6101")
    assert "Missing" in problem.message
    assert places(problem)[0] == "templates/app.yaml.j2:6"


def test_region_of_the_environment_is_linted(project: Make) -> None:
    text = (
        "Resources:\n  A:\n    Type: AWS::QLDB::Ledger\n"
        "    Properties: {PermissionsMode: STANDARD, Name: {{ title }}}\n"
    )
    made = project({"templates/main.yaml.j2": text, "params/dev.yaml": "region: mx-central-1\n"})
    assert any(problem.code == "E3006" for problem in report(made.render(), jobs=1).problems)


def test_local_paths_are_not_reported(project: Make) -> None:
    files = {
        **NESTED,
        "templates/app.yaml.j2": str(NESTED["templates/app.yaml.j2"]).replace("Missing", "Other"),
    }
    assert report(project(files).render(), jobs=1).problems == ()


def test_configuration_of_cfn_lint_is_used(project: Make) -> None:
    made = project({"templates/main.yaml.j2": BAD, "params/dev.yaml": "fifo: true\n"})
    assert any(problem.code == "E3002" for problem in report(made.render(), jobs=1).problems)
    made.write({".cfnlintrc": "ignore_checks: [E3002]\n"})
    assert not any(problem.code == "E3002" for problem in report(made.render(), jobs=1).problems)


# --- waivers ---

WAIVED = """\
Resources:
  Logs:
    Type: AWS::Logs::LogGroup
    DeletionPolicy: Delete
    UpdateReplacePolicy: Delete
    Metadata:
      stackwright:
        waive:
          - {id: SW351, reason: "{{ title }} are kept for ever"}
    Properties:
      LogGroupName: x
"""


def test_waiver_covers_its_rule_on_its_resource(project: Make) -> None:
    made = report(project({"templates/main.yaml.j2": WAIVED}).render(), jobs=1)
    assert made.problems == ()
    assert made.waivers == (
        Waiver(
            "SW351", "main:Logs", "news are kept for ever", Location("templates/main.yaml.j2", 9)
        ),
    )


def test_waiver_covers_nothing_else(project: Make) -> None:
    text = WAIVED + "  Other:\n    Type: AWS::Logs::LogGroup\n    DeletionPolicy: Delete\n"
    made = report(project({"templates/main.yaml.j2": text}).render(), jobs=1)
    assert [
        (problem.code, problem.where[0].line)
        for problem in made.problems
        if problem.code.startswith("SW")
    ] == [
        ("SW350", 12),
        ("SW351", 12),
    ]


def test_unneeded_waiver_is_reported(project: Make) -> None:
    text = WAIVED + "      RetentionInDays: 5\n"
    (problem,) = report(project({"templates/main.yaml.j2": text}).render(), jobs=1).problems
    assert (problem.code, problem.level) == ("SW381", Level.WARNING)
    assert problem.message == "main:Logs does not need the waiver of SW351"
    assert places(problem) == ["templates/main.yaml.j2:9"]


@pytest.mark.parametrize(
    "entry",
    [
        "{id: SW351}",
        "{reason: because}",
        "{id: SW351, reason: ' '}",
        "text",
        "{id: '', reason: x}",
        "[]",
        "5",
    ],
)
def test_waiver_without_code_or_reason_is_reported(entry: str, project: Make) -> None:
    text = WAIVED.replace(
        '{id: SW351, reason: "{{ title }} are kept for ever"}', f"{entry} # {{{{ title }}}}"
    )
    made = report(project({"templates/main.yaml.j2": text}).render(), jobs=1)
    problem = problem_of(made, "SW380")
    assert places(problem)[0] == "templates/main.yaml.j2:9"
    assert problem.hint.startswith("write {id: SW…, reason: …} or ")
    assert problem_of(made, "SW351")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{kind: access, reason: a, until: 2020-01-01}", "the waiver expired on 2020-01-01"),
        ("{kind: access, reason: a, until: 2999-01-01}", "until 2999-01-01 is more than a year"),
        ("{kind: acess, reason: a, until: 2020-01-01}", "did you mean access?"),
        ("{kind: data, reason: a, until: 2020-01-01}", "data cannot be waived"),
        ("{kind: access, until: 2020-01-01}", "a waiver needs a reason"),
    ],
)
def test_guardrail_waiver_that_does_not_count_is_an_error(
    entry: str, message: str, project: Make
) -> None:
    waived = '{id: SW351, reason: "{{ title }} are kept for ever"}'
    text = WAIVED.replace(f"- {waived}", f"- {waived}\n          - {entry}")
    made = report(project({"templates/main.yaml.j2": text}).render(), jobs=1)
    problem = problem_of(made, "SW382")
    assert (problem.level, places(problem)[0]) == (Level.ERROR, "templates/main.yaml.j2:10")
    assert message in problem.message


def test_guardrail_waiver_in_force_is_no_finding(project: Make) -> None:
    until = datetime.now(UTC).date() + timedelta(days=90)
    entry = f"{{kind: access, reason: partners, until: {until}}}"
    waived = '{id: SW351, reason: "{{ title }} are kept for ever"}'
    text = WAIVED.replace(f"- {waived}", f"- {waived}\n          - {entry}")
    assert report(project({"templates/main.yaml.j2": text}).render(), jobs=1).problems == ()


def test_single_waiver_needs_no_list(project: Make) -> None:
    text = WAIVED.replace("          - {id", "          {id")
    assert report(project({"templates/main.yaml.j2": text}).render(), jobs=1).problems == ()


# --- what is kept ---


def test_unchanged_render_imports_no_linter(project: Make, tmp_path: Path) -> None:
    """Packages of the same names that cannot be imported stand before the real ones."""
    broken = {
        f"{name}/__init__.py": "raise SystemExit('imported')"
        for name in ("cfnlint", "boto3", "jsonschema")
    }
    path = Project(tmp_path / "broken").write(broken).folder.as_posix()
    made = project({"params/schema.json": '{"properties": {"title": {"type": "string"}}}'})
    assert made.run("render", "--env", "dev", PYTHONPATH=path).returncode != 0
    assert made.run("render", "--env", "dev").returncode == 0
    again = made.run("render", "--env", "dev", PYTHONPATH=path)
    assert (again.returncode, again.stderr) == (
        0,
        "build/dev: 1 templates, no problems, unchanged\n",
    )


TWO = {
    "params/dev.yaml": "one: a\ntwo: b\n",
    "templates/main.yaml.j2": "Resources:\n  {{ nested_stacks() }}\n# {{ title }}\n",
    "templates/main/one.yaml.j2": "Resources:\n  T: {Type: AWS::SNS::Topic, Properties: {DisplayName: {{ one }}}}\n",
    "templates/main/two.yaml.j2": "Resources:\n  T: {Type: AWS::SNS::Topic, Properties: {DisplayName: {{ two }}}}\n",
    "templates/other.yaml.j2": "Resources:\n  T: {Type: AWS::SNS::Topic}\n",
}


def test_only_changed_templates_are_linted_again(project: Make) -> None:
    made = project(TWO)
    assert report(made.render(), jobs=1).unchanged == 0
    assert report(made.render(), jobs=1).unchanged == 4
    assert (
        report(made.render("dev", "one=c"), jobs=1).unchanged == 2
    )  # one, and main which embeds it
    assert report(made.render("dev", "title=c"), jobs=1).unchanged == 3
    assert report(made.render("dev", "region=eu-west-1"), jobs=1).unchanged == 0
    made.write({".cfnlintrc": "ignore_checks: [W9999]\n"})
    assert report(made.render(), jobs=1).unchanged == 0


def test_cached_findings_keep_their_places(project: Make) -> None:
    made = project({"templates/main.yaml.j2": BAD, "params/dev.yaml": "fifo: maybe\n"})
    first, second = (report(made.render(), jobs=1) for _ in range(2))
    assert (first.unchanged, second.unchanged) == (0, 1)
    assert first.problems == second.problems


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[5]",
        b'[{"code": "X"}]',
        b"\xff",
        b"null",
        b'{"a": 1}',
        b'[{"code": 1, "level": 2, "message": 3, "line": "x"}]',
    ],
)
def test_damaged_entry_is_linted_again(content: bytes, project: Make, cache: Path) -> None:
    made = project()
    report(made.render(), jobs=1)
    (entry,) = [entry for entry in (cache / "lint").iterdir()]
    entry.write_bytes(content)
    again = report(made.render(), jobs=1)
    assert (again.problems, again.unchanged) == ((), 0)
    assert report(made.render(), jobs=1).unchanged == 1


@pytest.mark.parametrize("kind", ["lint", "jinja", "schema"])
def test_cache_that_cannot_be_written_costs_time_only(
    kind: str, project: Make, cache: Path
) -> None:
    made = project({"params/schema.json": "{}"})
    cache.mkdir()
    (cache / kind).write_text("a file where the folder would be")
    assert report(made.render(), jobs=1).problems == ()


def test_damaged_bytecode_is_compiled_again(project: Make, cache: Path) -> None:
    made = project()
    text = made.document().text
    for entry in (cache / "jinja").iterdir():
        entry.write_bytes(entry.read_bytes()[:-20])
    assert made.document().text == text


def test_cache_is_trimmed(project: Make, cache: Path) -> None:
    made = project()
    folder = cache / "lint"
    folder.mkdir(parents=True)
    for number in range(2100):
        (folder / str(number)).touch()
    report(made.render(), jobs=1)
    assert len(list(folder.iterdir())) == 1000
    assert report(made.render(), jobs=1).unchanged == 1


def test_template_that_takes_too_long_is_reported(project: Make, cache: Path) -> None:
    rows = "".join(
        f"  T{n}:\n    Type: AWS::SNS::Topic\n    Properties: {{DisplayName: !Sub 'a${{AWS::Region}}{n}'}}\n"
        for n in range(3000)
    )
    made = project({"templates/main.yaml.j2": f"# {{{{ title }}}}\nResources:\n{rows}"})
    slow = report(made.render(), jobs=1, time_limit=1)
    problem = problem_of(slow, "SW390")
    assert (problem.level, slow.failed) == (Level.WARNING, False)
    assert problem.message.startswith("cfn-lint did not finish within 1 seconds")
    assert not (cache / "lint").exists()


def test_parallel_processes_report_equal_findings(project: Make, cache: Path) -> None:
    made = project({**TWO, "templates/main/one.yaml.j2": BAD.replace("fifo", "one")})
    one = report(made.render(), jobs=1)
    for entry in (cache / "lint").iterdir():
        entry.unlink()
    two = report(made.render(), jobs=2)
    assert set(one.problems) == set(two.problems)
    assert two.unchanged == 0
    assert two.failed


def test_findings_of_several_environments_are_separate(project: Make) -> None:
    made = project(
        {
            "params/prod.yaml": "fifo: maybe\n",
            "params/dev.yaml": "fifo: false\n",
            "templates/main.yaml.j2": BAD,
        }
    )
    renderings = [made.render("dev"), made.render("prod")]
    with both(renderings) as pairs, Linter() as linter:
        dev, prod = check_rendering_folders(pairs, linter, jobs=1)
    assert not any(problem.code == "E3012" for problem in dev.problems)
    assert places(problem_of(prod, "E3012"))[1] == "params/prod.yaml:1"


@contextmanager
def both(renderings: list[Rendering]) -> Iterator[list[tuple[Rendering, Path]]]:
    with stage_build(renderings[0]) as one, stage_build(renderings[1]) as two:
        yield list(zip(renderings, (one, two), strict=True))


# --- formats ---

PROBLEMS = Report(
    (
        Problem(
            "SW110",
            "a [b] % c",
            (Location("params/dev.yaml", 3), Location("templates/a,b.j2", 4)),
            "do: this",
        ),
        Problem("SW999", "no place", level=Level.WARNING),
        Problem(
            "E1",
            "out",
            (Location("templates/x.j2"),),
            level=Level.NOTE,
            output=Location("build/dev/x.yaml", 7),
        ),
    ),
    (Waiver("SW351", "main:Logs", "why", Location("templates/m.j2", 9)),),
)


def test_findings_as_json() -> None:
    data = json.loads(format_problems(PROBLEMS, "json"))
    assert data["problems"][0] == {
        "code": "SW110",
        "level": "error",
        "message": "a [b] % c",
        "where": [{"path": "params/dev.yaml", "line": 3}, {"path": "templates/a,b.j2", "line": 4}],
        "output": None,
        "hint": "do: this",
    }
    assert data["problems"][2]["output"] == {"path": "build/dev/x.yaml", "line": 7}
    assert data["waivers"] == [
        {
            "code": "SW351",
            "resource": "main:Logs",
            "reason": "why",
            "where": {"path": "templates/m.j2", "line": 9},
        }
    ]


def test_findings_as_sarif() -> None:
    """The parts that GitHub needs.

    Source:
    https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning
    """
    log = json.loads(format_problems(PROBLEMS, "sarif"))
    assert (log["version"], set(log)) == ("2.1.0", {"$schema", "version", "runs"})
    (run,) = log["runs"]
    rules = {
        rule["id"]: rule["shortDescription"]["text"] for rule in run["tool"]["driver"]["rules"]
    }
    assert rules == {"E1": "E1", "SW110": "Parameter that no template uses", "SW999": "SW999"}
    first, second, third = run["results"]
    assert [result["level"] for result in run["results"]] == ["error", "warning", "note"]
    assert first["message"]["text"] == "a [b] % c (do: this)"
    assert first["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "params/dev.yaml"},
                "region": {"startLine": 3},
            }
        }
    ]
    assert len(first["relatedLocations"]) == 1
    assert second["locations"] == []
    assert "region" not in third["locations"][0]["physicalLocation"]
    assert third["relatedLocations"][0]["physicalLocation"]["region"] == {"startLine": 7}


def test_findings_as_github_annotations() -> None:
    assert format_problems(PROBLEMS, "github").splitlines() == [
        "::error file=params/dev.yaml,line=3,title=SW110::a [b] %25 c%0Asee templates/a,b.j2:4%0Ado: this",
        "::warning file=params,line=1,title=SW999::no place",
        "::notice file=templates/x.j2,line=1,title=E1::out%0Ain build/dev/x.yaml:7",
    ]
    odd = Report((Problem("A:B", "x\ry", (Location("a:b,c%", 2),)),))
    assert format_problems(odd, "github") == "::error file=a%3Ab%2Cc%25,line=2,title=A%3AB::x%0Dy"


def test_text_names_calls_and_the_next_step(project: Make) -> None:
    made = project(
        {
            "templates/main.yaml.j2": "{% from 'm.j2' import m %}\nA: {{ m() }}\n",
            "templates/m.j2": "{% macro m() %}\n{{ nope[title] }}\n{% endmacro %}\n",
        }
    )
    assert made.invoke("render", "--env", "dev").stderr.splitlines() == [
        "templates/m.j2:2: error SW102 nope is not defined",
        "    called from templates/main.yaml.j2:2",
    ]


def test_problems_are_sorted_and_shown_once() -> None:
    one = Problem("B", "m", (Location("b", 2),))
    two = Problem("A", "m", (Location("b", 10),))
    three = Problem("C", "m", (Location("a", 1),), level=Level.WARNING)
    nowhere = Problem("D", "m")
    assert sort_problems([three, two, one, two, nowhere]) == (nowhere, one, two, three)


@pytest.mark.parametrize(
    ("levels", "text"),
    [
        ([], "no problems"),
        ([Level.ERROR], "1 error"),
        ([Level.ERROR, Level.ERROR, Level.WARNING], "2 errors, 1 warning"),
        ([Level.NOTE, Level.NOTE], "2 notes"),
    ],
)
def test_summary_counts_the_findings(levels: list[Level], text: str) -> None:
    assert (
        summarize_problems(Report(tuple(Problem("A", "m", level=level) for level in levels)))
        == text
    )


@pytest.mark.parametrize(
    ("files", "arguments", "where"),
    [
        ({"params/dev.yaml": "\nregion: us-esat-1\n"}, [], "params/dev.yaml:2"),
        ({"params/defaults.yaml": "title: x\nregion: us-esat-1\n"}, [], "params/defaults.yaml:2"),
        ({}, ["--set", "region=us-esat-1"], "--set region"),
    ],
)
def test_misspelt_region_names_the_closest(
    files: dict[str, str], arguments: list[str], where: str, project: Make
) -> None:
    made = project(
        {**files, "templates/other.yaml.j2": "Resources:\n  T: {Type: AWS::SNS::Topic}\n"}
    )
    for verb in ("lint", "render"):
        result = made.invoke(verb, "--env", "dev", *arguments)
        assert result.exit_code == 1
        problem, hint = result.stderr.splitlines()[:2]
        assert (
            problem
            == f"{where}: error SW392 region is us-esat-1, which is no Region that cfn-lint knows"
        )
        assert (
            hint
            == "    -> did you mean us-east-1? A Region that is newer than cfn-lint needs a newer cfn-lint"
        )
        assert result.stderr.count("SW39") == 1
    assert not (made.folder / "build").exists() or not list((made.folder / "build").iterdir())


def test_unknown_region_is_reported(project: Make) -> None:
    result = project({"params/dev.yaml": "region: atlantis\n"}).invoke("lint", "--env", "dev")
    assert "params/dev.yaml:1: error SW392 region is atlantis, which is no Region" in result.stderr
    assert "    -> name a Region of AWS, for example us-east-1" in result.stderr


def test_crashed_linter_is_one_message(
    project: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken" / "cfnlint"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise SystemExit('no memory')")
    monkeypatch.setenv("PYTHONPATH", str(broken.parent))
    with pytest.raises(StackwrightError) as caught:
        report(
            project({"params/dev.yaml": "fifo: false\n", "templates/main.yaml.j2": BAD}).render()
        )
    (problem,) = caught.value.problems
    assert (problem.code, problem.message) == ("SW391", "cfn-lint ended early: no memory")
