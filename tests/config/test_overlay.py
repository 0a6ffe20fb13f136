"""The schema of one parameters file, by check-jsonschema, as editors use it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stackwright.config import OVERLAY
from tests.support.projects import REPOSITORY, Project

FILES = sorted((REPOSITORY / "params").glob("*.yaml"))


def check(schema: Path, *files: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(schema)]
    return subprocess.run(
        [*command, *map(str, files)], capture_output=True, text=True, timeout=120, check=False
    )


def test_editors_find_nothing_in_any_parameters_file() -> None:
    assert len(FILES) > 5
    for path in FILES:
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first == f"# yaml-language-server: $schema={Path(OVERLAY).name}"
    checked = check(REPOSITORY / OVERLAY, *FILES)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("name", "before", "after", "message"),
    [
        ("prod", "nat_gateways: 2", "nat_gatewys: 2", "'nat_gatewys' was unexpected"),
        ("prod", "nat_gateways: 2", "nat_gateways: 9", "9 is greater than the maximum of 6"),
        ("dev", "max_workers: 3", "max_workers: three", "'three' is not of type 'integer'"),
        ("prod", "memory: 2048", "memory: 9000", "9000"),
        ("guide", "topology: sidecar", "topology: sidecars", "'sidecars' is not one of"),
    ],
)
def test_editors_find_a_wrong_line(
    name: str, before: str, after: str, message: str, tmp_path: Path
) -> None:
    text = (REPOSITORY / f"params/{name}.yaml").read_text(encoding="utf-8")
    assert before in text
    wrong = tmp_path / f"{name}.yaml"
    wrong.write_text(text.replace(before, after), encoding="utf-8")
    checked = check(REPOSITORY / OVERLAY, wrong)
    assert checked.returncode == 1
    assert message in checked.stdout


def test_generated_overlay_is_current(project: Callable[..., Project]) -> None:
    schema = (REPOSITORY / "params/schema.json").read_text(encoding="utf-8")
    made = project({"params/schema.json": schema})
    result = made.run("init", "qa")
    assert result.returncode == 0, result.stderr
    written = (made.folder / OVERLAY).read_text(encoding="utf-8")
    assert written == (REPOSITORY / OVERLAY).read_text(encoding="utf-8")
    assert "x-" not in {key[:2] for key in json.loads(written)["properties"]["region"]}


def test_condition_says_nothing_about_keys_of_another_file(
    project: Callable[..., Project],
) -> None:
    schema = {
        "properties": {"kind": {"enum": ["a", "b"]}, "size": {"type": "integer"}},
        "if": {"properties": {"kind": {"const": "a"}}},
        "then": {"properties": {"size": {"maximum": 5}}},
        "else": {"properties": {"size": {"minimum": 6}}, "required": ["size"]},
    }
    made = project({"params/schema.json": json.dumps(schema)})
    assert made.run("init", "qa").returncode == 0
    path = made.folder / "params/qa.yaml"
    for text, code in (("size: 9", 0), ("size: 1", 0), ("kind: b", 0), ("{kind: a, size: 9}", 1)):
        path.write_text(text, encoding="utf-8")
        assert check(made.folder / OVERLAY, path).returncode == code, text
