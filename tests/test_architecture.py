"""The shape of the engine: who may import whom, what is imported late, and how long functions
are."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "stackwright"
FILES = sorted(PACKAGE.rglob("*.py"))

HELPERS = {
    "model",
    "errors",
    "cache",
    "yamltext",
    "text",
    "emit",
    "schema",
    "variables",
    "templating",
    "rules",
    "cfn",
    "comparison",
    "deployment",
    "live",
}
"""What a stage may use besides the standard library and its own third-party package."""
STAGES = {
    "load", "render", "wire", "check", "output", "diff", "package", "preflight", "plan", "apply", "verify", "release",
    "status", "drift", "repair", "destroy", "leftover",
}  # fmt: skip
PURE = {"model": set(), "errors": {"model"}, "cache": set(), "wire": {"model"}}
"""Modules whose imports of ours are named one by one."""
OWNERS = {
    "jinja2": {"templating"},
    "boto3": set(),
    "botocore": {"aws", "emulator"},
    "cfnlint": {"lint_worker"},
    "click": {
        "cli",
        "cli_options",
        "cli_render",
        "cli_project",
        "cli_deploy",
        "cli_local",
        "cli_apply",
        "cli_stacks",
        "cli_releases",
        "cli_pipeline",
    },
    "moto": {"emulator"},
}
"""Third-party package -> the only modules (or packages) that import it."""


def name_of(path: Path) -> str:
    """``stackwright/cfn/graph.py`` as ``cfn``, ``stackwright/load.py`` as ``load``."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Absolute name of each import of a file, and whether it stands at the top level."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = ["stackwright", *path.relative_to(PACKAGE).parts[:-1]]
    top = set(ast.iter_child_nodes(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            if module == "stackwright" or (node.level and not node.module):
                yield from ((f"{module}.{alias.name}", node in top) for alias in node.names)
            else:
                yield module, node in top


def ours(path: Path) -> set[str]:
    """The modules of ours that a file imports, first part only."""
    found = {name.split(".")[1] for name, _ in imports(path) if name.startswith("stackwright.")}
    return found - {name_of(path)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_third_party_packages_have_one_owner(path):
    for name, _ in imports(path):
        owners = OWNERS.get(name.split(".")[0])
        assert owners is None or name_of(path) in owners, (
            f"{name} is imported in {path.name}, not in {sorted(owners)}"
        )


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_stages_never_import_one_another(stage):
    path = PACKAGE / f"{stage}.py"
    if path.exists():
        assert ours(path) & STAGES == set()
        assert not {name for name in ours(path) if name.startswith("cli")}


@pytest.mark.parametrize("name", sorted(PURE))
def test_the_foundations_import_nothing_above_them(name):
    assert ours(PACKAGE / f"{name}.py") <= PURE[name]


def test_cfn_stands_on_nothing_of_ours():
    for path in (PACKAGE / "cfn").glob("*.py"):
        assert ours(path) == set(), path.name


def test_rules_stand_on_the_model():
    for path in (PACKAGE / "rules").glob("*.py"):
        assert ours(path) <= {"cfn", "model", "variables"}, path.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_only_the_command_line_imports_stages(path):
    if name_of(path) in STAGES or name_of(path).startswith(("cli", "emulator")):
        return
    assert ours(path) & STAGES == set()


def test_heavy_packages_are_imported_late():
    """cfn-lint, botocore, moto, jsonschema and rich cost more than a rendering: no module imports
    them at start-up."""
    heavy = {"cfnlint", "boto3", "botocore", "moto", "jsonschema", "rich"}
    for path in FILES:
        if path.stem == "data_loader":
            continue  # imported where botocore is, see below
        if name_of(path) in ("lint_worker", "emulator"):
            continue  # imported in processes of their own
        early = {name.split(".")[0] for name, top in imports(path) if top} & heavy
        assert not early, f"{path.name} imports {sorted(early)} at its top"
        at_top = {name for name, top in imports(path) if top}
        assert not any(name.endswith("data_loader") for name in at_top), path.name


def test_only_the_command_line_prints_or_exits():
    for path in FILES:
        if name_of(path).startswith(("cli", "emulator")):
            continue
        calls = {
            ast.unparse(node.func)
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Call)
        }
        assert not calls & {"print", "sys.exit", "exit", "click.echo"}, path.name


def functions() -> Iterator[tuple[str, int]]:
    """Name and length in lines of every function, without its docstring and decorators."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                length = node.end_lineno - node.lineno + 1
                if ast.get_docstring(node, clean=False) is not None:
                    text = node.body[0]
                    assert text.end_lineno is not None
                    length -= text.end_lineno - text.lineno + 1
                yield f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}", length


def test_functions_are_short():
    found = dict(functions())
    assert {name: length for name, length in found.items() if length > 45} == {}
    long = [name for name, length in found.items() if length > 25]
    assert len(long) <= len(found) / 10, long
