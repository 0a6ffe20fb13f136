"""Read the inputs of one environment into a `Config`, everything checked at once.

Layers, later over earlier: schema defaults, ``params/defaults.yaml``, ``aws.env`` and ``.env``
(through ``x-aws-env`` and ``x-dotenv``), ``params/<env>.yaml``, ``--set``, ``--set-file`` and
``--set-env``. Maps merge key by key; lists, scalars and null replace; the order of keys is that of
their first appearance.
"""

from __future__ import annotations

import difflib
import json
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core import (
    Cache,
    Config,
    Dotenv,
    InputError,
    Leaf,
    Location,
    ParameterData,
    ParameterPath,
    Problem,
    Variable,
    command_line,
    compose_yaml,
    has_errors,
    read_file,
    require_readable,
    require_untracked_state,
)
from .dotenv import Classifier, declared_secret_names, read_dotenv
from .layers import (
    SCHEMA,
    Layer,
    TextOverride,
    make_default_layer,
    merge_layers,
    merge_locations,
    parse_override,
    parse_text_override,
)
from .schema import (
    JsonSchema,
    parse_schema,
    schema_defaults,
    schema_properties,
    validate_parameters,
)
from .stacks import DEFAULTS, read_stacks
from .variables import (
    AWS_ENV,
    ENV,
    fill_variables,
    find_conflicts,
    find_misplaced,
    find_missing,
    make_variable_layer,
)

MAX_BYTES = 10_000_000
"""Larger input files are refused: they hold no parameters, and reading them would seem to hang."""


def list_environments(project: Path) -> list[str]:
    """Return the names of the environments, sorted: the files of ``params/`` but the defaults."""
    files = (project / "params").glob("*.yaml")
    return sorted(path.stem for path in files if path.name != Path(DEFAULTS).name)


def load_config(
    project: Path,
    environment: str,
    overrides: Sequence[str] = (),
    env_dir: Path | None = None,
    text_overrides: Sequence[TextOverride] = (),
) -> Config:
    """Read and check the inputs of one environment.

    ``overrides`` are ``key.path=value`` strings, ``env_dir`` replaces ``env/<environment>``;
    ``text_overrides`` win over ``overrides``. Raises InputError with every problem; warnings are in
    the result.
    """
    require_untracked_state(project)
    _require_environment(project, environment)
    _require_folder(env_dir)
    inputs = _InputReader(project, env_dir or project / "env" / environment)
    schema = inputs.read_schema()
    defaults = inputs.read_parameters(DEFAULTS)
    own = inputs.read_parameters(f"params/{environment}.yaml")
    dotenv = inputs.read_dotenv_files(_classification_rules(defaults, own))
    variables = make_variable_layer(schema or {}, dotenv)
    layers = [
        make_default_layer(schema_defaults(schema) if schema else {}),
        defaults,
        variables,
        own,
        *map(parse_override, overrides),
        *map(parse_text_override, text_overrides),
    ]
    parameters, leaves = merge_layers(layers)
    locations = merge_locations(layers)
    problems = inputs.problems + _set_environment(parameters, environment, leaves)
    problems += find_conflicts(schema or {}, variables, own, leaves)
    problems += find_misplaced(schema or {}, dotenv, parameters)
    problems += find_missing(dotenv, parameters, locations, inputs.env_file)
    if schema is not None and not has_errors(problems):
        problems += _validate(schema, parameters, locations)
    stacks, stack_problems = read_stacks(project, parameters, locations)
    problems += stack_problems
    if has_errors(problems):
        raise InputError(problems)
    dotenv = fill_variables(dotenv, schema or {}, parameters)
    return Config(project, environment, parameters, leaves, stacks, dotenv, tuple(problems))


def _validate(
    schema: JsonSchema,
    parameters: Mapping[str, Any],
    locations: Mapping[ParameterPath, Location],
) -> list[Problem]:
    """Return the problems that the schema finds.

    A result without problems is cached: importing jsonschema takes longer than loading.
    """
    cache = Cache("schema")
    key = cache.key(json.dumps(schema), json.dumps(parameters, default=str))
    if cache.get(key) is not None:
        return []
    problems = validate_parameters(schema, parameters, locations)
    if not problems:
        cache.put(key, b"")
    return problems


def _require_environment(project: Path, environment: str) -> None:
    if not (project / "params").is_dir():
        raise InputError.of(
            "SW001",
            f"{project} has no params/ folder",
            hint="name the project's folder with --project; it holds templates/ and params/",
        )
    known = list_environments(project)
    if environment not in known:
        close = difflib.get_close_matches(environment, known, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        hint += f"There are: {', '.join(known)}" if known else "There are none yet"
        hint += f". Make a new one with: {command_line(f'init {environment}')}"
        raise InputError.of(
            "SW001",
            f"no environment {environment!r}",
            Location(f"params/{environment}.yaml"),
            hint=hint,
        )


def _require_folder(env_dir: Path | None) -> None:
    """Refuse an --env-dir that is not a folder: no variable of the services would be rendered."""
    if env_dir is not None and not env_dir.is_dir():
        reason = "not a folder" if env_dir.exists() else "there is no such folder"
        hint = (
            "name the folder that holds aws.env, .env and keys.env.example; "
            "it is relative to the working folder"
        )
        at = Location(env_dir.as_posix())
        raise InputError.of("SW018", f"{reason}, but --env-dir names it", at, hint=hint)


class _InputReader:
    """Reads input files and collects their problems, so that all are shown at once."""

    def __init__(self, project: Path, env_dir: Path) -> None:
        self._project = project
        self._env_dir = env_dir
        self.problems: list[Problem] = []

    @property
    def env_file(self) -> str:
        """The path of ``.env`` for messages."""
        return self._display_path(self._env_dir / ENV)

    def _display_path(self, path: Path) -> str:
        """Return ``path``, relative to the project where it lies in it."""
        inside = path.is_relative_to(self._project)
        return (path.relative_to(self._project) if inside else path).as_posix()

    def _read_text(self, path: Path) -> str | None:
        """Return the file's text with ``\\n`` line ends; None where it is absent or unreadable (a
        problem is noted)."""
        if not path.exists() and not path.is_symlink():
            return None
        at = Location(self._display_path(path), 1)
        root = self._project if path.is_relative_to(self._project) else self._env_dir
        try:
            data = read_file(path, root, MAX_BYTES)
            return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        except InputError as error:
            self.problems += error.problems
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            where = (Location(at.path, line),)
            hint = "save the file as UTF-8"
            self.problems.append(Problem("SW002", "not UTF-8 text", where, hint))
        except OSError as error:
            self.problems.append(Problem("SW002", f"cannot be read: {error.strerror}", (at,)))
        return None

    def read_schema(self) -> JsonSchema | None:
        """Return the project's schema; None where it has none or a broken one."""
        text = self._read_text(self._project / SCHEMA)
        if text is None:
            return None
        try:
            schema = parse_schema(text, SCHEMA)
            deque(schema_properties(schema), maxlen=0)  # raises where a $ref has no target
            return schema
        except InputError as error:
            self.problems += error.problems
            return None

    def read_parameters(self, path: str) -> Layer:
        """Return the layer of a parameters file; an empty one where it is absent or broken."""
        text = self._read_text(self._project / path)
        if text is None:
            return Layer({}, {})
        try:
            parsed = ParameterData(compose_yaml(text, path), path)
        except InputError as error:
            self.problems += error.problems
            return Layer({}, {})
        return Layer(parsed.data, parsed.locations)

    def read_dotenv_files(self, rules: Mapping[str, Any]) -> Dotenv:
        """Return the variables of the environment's dotenv files, classified by ``rules``."""
        if self._env_dir.is_relative_to(self._project):
            require_readable(self._env_dir, self._project)
        plain = self._read_dotenv(ENV)
        aws = self._read_dotenv(AWS_ENV)
        example = self._read_dotenv("keys.env.example")
        keys = self._read_dotenv("keys.env", example or ())
        folder = Path(self._display_path(self._env_dir))
        names, problems = declared_secret_names(keys, example, folder)
        self.problems += problems
        classifier = Classifier(rules)
        dotenv = classifier.classify(plain or {}, aws or {}, names)
        self.problems += classifier.problems
        return dotenv

    def _read_dotenv(
        self, name: str, secret_names: Collection[str] | None = None
    ) -> dict[str, Variable] | None:
        """Return the variables of a dotenv file; None where it is absent or unreadable."""
        path = self._env_dir / name
        text = self._read_text(path)
        if text is None:
            return None
        variables, problems = read_dotenv(text, self._display_path(path), secret_names)
        self.problems += problems
        return variables


def _classification_rules(defaults: Layer, own: Layer) -> Mapping[str, Any]:
    """Return ``variables`` of the parameters: needed before the merge, because the dotenv
    files are one of its layers."""
    given = (layer.data.get("variables") for layer in (defaults, own))
    return {
        kind: value for rules in given if isinstance(rules, dict) for kind, value in rules.items()
    }


def _set_environment(
    parameters: dict[str, Any], environment: str, leaves: dict[ParameterPath, Leaf]
) -> list[Problem]:
    """Set ``environment`` to the file's name; a different value in the file is a problem: a copy
    that was not adapted."""
    path: ParameterPath = ("environment",)
    given = parameters.setdefault("environment", environment)
    if given == environment:
        at = Location(f"params/{environment}.yaml")
        leaves.setdefault(path, Leaf(path, environment, at))
        return []
    where = leaves[path].location if path in leaves else Location(DEFAULTS)
    message = f"environment is {given!r}, but the file is params/{environment}.yaml"
    hint = "remove the line: the file's name is the environment"
    return [Problem("SW014", message, (where,), hint)]
