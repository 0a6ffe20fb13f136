"""The shape of the engine beyond its imports, which import-linter's contracts in pyproject.toml hold
(``make types``): what is imported late, who prints, and how long functions are."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "stackwright"
MODULES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
HEAVY = {"boto3", "botocore", "cfnlint", "jsonschema", "moto", "rich"}
"""Packages that take longer to import than an environment takes to render."""
EAGER = ("lint/worker.py", "emulator/", "aws/data_loader.py")
"""Modules that import heavy packages at once: they run in processes of their own, or are imported
only where botocore is."""


def read_tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_at_start(tree: ast.Module) -> Iterator[str]:
    """Names of the modules that are imported when this one is; those of ours end in the name of
    the module, without their package."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("name", [name for name in MODULES if not name.startswith(EAGER)])
def test_heavy_packages_are_imported_late(name: str) -> None:
    imported = set(imports_at_start(read_tree(MODULES[name])))
    assert {module.partition(".")[0] for module in imported} & HEAVY == set()
    assert not {module for module in imported if module.endswith("data_loader")}


def test_command_line_starts_without_heavy_packages() -> None:
    script = "import sys, stackwright.cli; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) & HEAVY == set()


@pytest.mark.parametrize(
    "name", [name for name in MODULES if not name.startswith(("cli/", "emulator/"))]
)
def test_only_the_command_line_prints_or_exits(name: str) -> None:
    calls = {
        ast.unparse(node.func)
        for node in ast.walk(read_tree(MODULES[name]))
        if isinstance(node, ast.Call)
    }
    assert calls & {"print", "sys.exit", "exit", "click.echo"} == set()


def measure_functions() -> dict[str, int]:
    """The length in lines of every function, without its docstring and decorators."""
    return {
        f"{name}:{node.lineno} {node.name}": measure(node)
        for name, path in MODULES.items()
        for node in ast.walk(read_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def measure(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function, clean=False) is None:
        return lines
    docstring = function.body[0]
    assert docstring.end_lineno is not None
    return lines - (docstring.end_lineno - docstring.lineno + 1)


def test_functions_are_short() -> None:
    lengths = measure_functions()
    assert {name: length for name, length in lengths.items() if length > 45} == {}
    long = [name for name, length in lengths.items() if length > 25]
    assert len(long) <= len(lengths) / 10, long


FACES = sorted(PACKAGE.rglob("__init__.pyi"))


@pytest.mark.parametrize(
    "stub", FACES, ids=lambda path: path.parent.relative_to(PACKAGE).as_posix()
)
def test_lazy_face_and_its_stub_name_the_same_objects(stub: Path) -> None:
    """The face says at run time what the stub says to mypy, and each name leads somewhere."""
    relative = stub.parent.relative_to(PACKAGE.parent)
    face = importlib.import_module(".".join(relative.parts))
    imports = [n for n in ast.parse(stub.read_text("utf-8")).body if isinstance(n, ast.ImportFrom)]
    assert sorted(alias.name for node in imports for alias in node.names) == sorted(face.__all__)
    for node in imports:
        module = importlib.import_module(f".{node.module}", face.__name__)
        for alias in node.names:
            assert getattr(face, alias.name) is getattr(module, alias.name)
