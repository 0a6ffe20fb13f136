"""A cached rendering is used only where the inputs are equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stackwright.core.model import Config, Level, Problem, Rendering, Report
from stackwright.render import memo
from tests.support.projects import Project

pytestmark = pytest.mark.usefixtures("cache")

FILES = {
    "params/dev.yaml": "size: 1\n",
    "params/schema.json": "{}",
    "templates/app.yaml.j2": """\
{% import "lib.j2" as lib %}
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Code: {{ local_path("lambda/one") }}
      MemorySize: {{ size }}
      Description: {{ lib.text() }}
""",
    "templates/lib.j2": "{% macro text() %}{{ 'first' }}{% endmacro %}\n",
    "lambda/one/index.py": "x = 1\n",
    "env/dev/.env": "COLOUR=red\n",
}


@pytest.fixture
def made(tmp_path: Path) -> Project:
    return Project(tmp_path).write(FILES)


class Renderer:
    """The stage `render`, counted."""

    def __init__(self, project: Project) -> None:
        self.project, self.count = project, 0

    def __call__(self) -> Rendering:
        return memo.cached_rendering(self.project.load(), self._render)

    def _render(self, config: Config) -> Rendering:
        self.count += 1
        from stackwright.render.render import render_templates
        from stackwright.render.wire import wire_root

        return render_templates(config, wire_root)


def test_same_inputs_are_rendered_once(made: Project) -> None:
    render = Renderer(made)
    first, second = render(), render()
    assert render.count == 1
    assert (second.documents, second.wiring, second.problems) == (
        first.documents,
        first.wiring,
        first.problems,
    )
    assert (second.local_paths, second.inputs) == (("lambda/one",), first.inputs)
    assert second.config == first.config


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("params/dev.yaml", "size: 2\n"),
        ("params/dev.yaml", "\nsize: 1\n"),  # the value stands in another line, which messages name
        ("templates/lib.j2", FILES["templates/lib.j2"].replace("first", "second")),
        ("templates/app.yaml.j2", FILES["templates/app.yaml.j2"] + "\n"),
        ("templates/other.j2", "{# nobody asks for it #}\nx"),
        ("env/dev/.env", "COLOUR=blue\n"),
    ],
)
def test_changed_input_is_rendered_again(made: Project, path: str, text: str) -> None:
    render = Renderer(made)
    render()
    made.write({path: text})
    again = render()
    assert render.count == 2
    assert again.documents == Renderer(made)._render(made.load()).documents


def test_symlinks_below_templates_are_followed_once(made: Project) -> None:
    render, shared = Renderer(made), made.folder / "shared"
    shared.mkdir()
    (shared / "macros.j2").write_text("{# one #}")
    (made.folder / "templates/shared").symlink_to(shared)
    (made.folder / "templates/again").symlink_to(".")
    render()
    render()
    assert render.count == 1
    (shared / "macros.j2").write_text("{# two #}")
    render()
    assert render.count == 2


def test_missing_local_path_is_reported(made: Project) -> None:
    render = Renderer(made)
    render()
    (made.folder / "lambda/one/index.py").unlink()
    (made.folder / "lambda/one").rmdir()
    with pytest.raises(Exception, match="the project has no lambda/one"):
        render()


def test_damaged_entry_is_rendered_again(made: Project, cache: Path) -> None:
    render = Renderer(made)
    first = render()
    (entry,) = (cache / "renderings").iterdir()
    for damage in (b"", b"no pickle", entry.read_bytes()[:-10]):
        entry.write_bytes(damage)
        assert render().documents == first.documents
    assert render.count == 4


def test_secret_values_are_not_cached(made: Project, cache: Path) -> None:
    made.write({"env/dev/keys.env": "TOKEN=hush-hush\n"})
    Renderer(made)()
    (entry,) = (cache / "renderings").iterdir()
    assert b"hush-hush" not in entry.read_bytes()


def test_lint_reports_are_cached_by_their_inputs(made: Project) -> None:
    results: list[Any] = []

    def check(_rendering: Rendering) -> Report:
        results.append(len(results))
        return Report((Problem("E1", f"number {len(results)}", level=Level.WARNING),))

    rendering = Renderer(made)()
    first = memo.cached_report(rendering, check)
    assert memo.cached_report(Renderer(made)(), check) == first
    made.write({".cfnlintrc.yaml": "ignore_checks: [W1]\n"})
    assert memo.cached_report(rendering, check) != first
    assert len(results) == 2


def test_lint_timeout_is_not_cached(made: Project) -> None:
    rendering = Renderer(made)()
    slow = Report((Problem("SW390", "too long"),))
    assert memo.cached_report(rendering, lambda _: slow) == slow
    assert memo.cached_report(rendering, lambda _: Report(())) == Report(())
