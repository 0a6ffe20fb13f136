"""Inputs to Config: parameters merged with provenance, dotenv files classified, everything checked
at once.

Layers, later over earlier: schema defaults, ``params/defaults.yaml``, ``aws.env`` (through
``x-aws-env``), ``params/<env>.yaml``, ``--set``. Maps merge key by key; lists, scalars and null
replace; the order of keys is that of their first appearance.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from ..core import (
    Cache,
    Config,
    Dotenv,
    InputError,
    Leaf,
    Location,
    NestedStack,
    ParameterData,
    ParameterPath,
    Problem,
    RootStack,
    Variable,
    command_line,
    compose_yaml,
    dotted,
    has_errors,
    logical_id,
)
from .dotenv import Classifier, declared_secret_names, read_dotenv
from .schema import (
    JsonSchema,
    parse_schema,
    schema_defaults,
    schema_properties,
    validate_parameters,
    value_from_text,
)

DEFAULTS = "params/defaults.yaml"
SCHEMA = "params/schema.json"
_STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
MAX_BYTES = 10_000_000
"""A larger input is refused: it is not a parameters file, and reading it would look like a hang."""


class Layer(Struct, frozen=True):
    """Parameters from one place, with the location of each key."""

    data: Mapping[str, Any]
    locations: Mapping[ParameterPath, Location]


def list_environments(project: Path) -> list[str]:
    """The names of the environments: the files of ``params/`` except the defaults, sorted."""
    return sorted(
        p.stem for p in (project / "params").glob("*.yaml") if p.name != Path(DEFAULTS).name
    )


def load_config(
    project: Path, environment: str, overrides: Sequence[str] = (), env_dir: Path | None = None
) -> Config:
    """Read and check everything for one environment.

    ``overrides`` are ``key.path=value`` strings, ``env_dir`` replaces ``env/<environment>``. Raises
    InputError with every problem found; warnings are in the result.
    """
    _require_environment(project, environment)
    _require_folder(env_dir)
    inputs = _Inputs(project, env_dir or project / "env" / environment)
    schema = inputs.schema()
    defaults = inputs.parameters(DEFAULTS)
    own = inputs.parameters(f"params/{environment}.yaml")
    dotenv = inputs.dotenv(_rules(defaults, own))
    given = [_override(text) for text in overrides]
    layers = [_schema_layer(schema), defaults, inputs.aws_layer(schema, dotenv), own, *given]
    parameters, leaves = merge_layers(layers)
    inputs.problems += _environment_problems(parameters, environment, leaves)
    if schema is not None and not has_errors(inputs.problems):
        inputs.problems += _validated(project, schema, parameters, layers)
    stacks, problems = _stacks(project, parameters, _locate(layers))
    inputs.problems += problems
    if has_errors(inputs.problems):
        raise InputError(inputs.problems)
    return Config(project, environment, parameters, leaves, stacks, dotenv, tuple(inputs.problems))


def _validated(
    project: Path, schema: JsonSchema, parameters: Mapping[str, Any], layers: Sequence[Layer]
) -> list[Problem]:
    """The problems by the schema; that there are none is remembered, importing jsonschema takes
    longer than loading."""
    cache = Cache(project, "schema")
    key = cache.key(json.dumps(schema), json.dumps(parameters, default=str))
    if cache.get(key) is not None:
        return []
    problems = validate_parameters(schema, parameters, _locate(layers))
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
    """A misspelt --env-dir would render without any variable of the services."""
    if env_dir is not None and not env_dir.is_dir():
        said = "not a folder" if env_dir.exists() else "there is no such folder"
        hint = "name the folder that holds aws.env, .env and keys.env.example; it is relative to the working folder"
        raise InputError.of(
            "SW018", f"{said}, but --env-dir names it", Location(env_dir.as_posix()), hint=hint
        )


class _Inputs:
    """Reads files and collects what is wrong with them, so that all of it is shown at once."""

    def __init__(self, project: Path, env_dir: Path) -> None:
        self.project = project
        self.env_dir = env_dir
        self.problems: list[Problem] = []

    def shown(self, path: Path) -> str:
        """``path`` relative to the project where it lies in it."""
        return (
            path.relative_to(self.project).as_posix()
            if path.is_relative_to(self.project)
            else path.as_posix()
        )

    def text(self, path: Path) -> str | None:
        """The file's text with ``\\n`` line ends; None where it is absent or unreadable (a problem
        is noted)."""
        if not path.exists():
            return None
        at = Location(self.shown(path), 1)
        try:
            if path.stat().st_size > MAX_BYTES:
                self.problems.append(
                    Problem("SW002", f"larger than {MAX_BYTES // 1_000_000} MB", (at,))
                )
                return None
            return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError as error:
            line = path.read_bytes()[: error.start].count(b"\n") + 1
            where = (Location(at.path, line),)
            self.problems.append(
                Problem("SW002", "not UTF-8 text", where, "save the file as UTF-8")
            )
        except OSError as error:
            self.problems.append(Problem("SW002", f"cannot be read: {error.strerror}", (at,)))
        return None

    def schema(self) -> JsonSchema | None:
        text = self.text(self.project / SCHEMA)
        if text is None:
            return None
        try:
            schema = parse_schema(text, SCHEMA)
            deque(schema_properties(schema), maxlen=0)  # every reference leads somewhere
            return schema
        except InputError as error:
            self.problems += error.problems
            return None

    def parameters(self, path: str) -> Layer:
        text = self.text(self.project / path)
        if text is None:
            return Layer({}, {})
        try:
            read = ParameterData(compose_yaml(text, path), path)
        except InputError as error:
            self.problems += error.problems
            return Layer({}, {})
        return Layer(read.data, read.locations)

    def dotenv(self, rules: Mapping[str, Any]) -> Dotenv:
        read: dict[str, dict[str, Variable] | None] = {}
        for name in ("aws.env", ".env", "keys.env", "keys.env.example"):
            text = self.text(self.env_dir / name)
            read[name] = None
            if text is not None:
                read[name], problems = read_dotenv(text, self.shown(self.env_dir / name))
                self.problems += problems
        names, problems = declared_secret_names(
            read["keys.env"], read["keys.env.example"], Path(self.shown(self.env_dir))
        )
        self.problems += problems
        classifier = Classifier(rules)
        result = classifier.classify(read[".env"] or {}, read["aws.env"] or {}, names)
        self.problems += classifier.problems
        return result

    def aws_layer(self, schema: JsonSchema | None, dotenv: Dotenv) -> Layer:
        """The parameters that ``aws.env`` supplies, by the schema's ``x-aws-env``."""
        data: dict[str, Any] = {}
        locations: dict[ParameterPath, Location] = {}
        for path, node in schema_properties(schema or {}):
            name = str(node.get("x-aws-env", ""))
            if name in dotenv.aws and dotenv.aws[name] != "":
                place = data
                for part in path[:-1]:
                    place = place.setdefault(str(part), {})
                place[str(path[-1])] = value_from_text(dotenv.aws[name], node)
                locations[path] = dotenv.locations[name]
        return Layer(data, locations)


def _rules(defaults: Layer, own: Layer) -> Mapping[str, Any]:
    """The classification rules: needed before the merge, because ``aws.env`` is one of its
    layers."""
    return {**_map(defaults.data.get("variables")), **_map(own.data.get("variables"))}


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _schema_layer(schema: JsonSchema | None) -> Layer:
    data = schema_defaults(schema) if schema else {}
    return Layer(data, {path: Location(SCHEMA) for path, _ in _walk(data, ())})


def _override(text: str) -> Layer:
    """One ``--set key.path=value``; the value is read as YAML."""
    key, equals, value = text.partition("=")
    parts = key.split(".")
    if not _is_utf8(text):
        raise InputError.of(
            "SW009", f"--set {key.encode('utf-8', 'replace').decode()}: not UTF-8 text"
        )
    at = Location(f"--set {key}")  # the value may be a secret
    if not equals or not all(
        part.isidentifier() or part.replace("-", "_").isidentifier() for part in parts
    ):
        said = f"--set {key}{'=…' if equals else ''}: write key.path=value"
        raise InputError.of("SW009", said, hint="for example --set gateway.cpu=1024")
    wrapped = ParameterData(compose_yaml(f"value: {value}", at.path), at.path).data
    data: Any = wrapped["value"] if set(wrapped) == {"value"} else value
    locations: dict[ParameterPath, Location] = {}
    for length in range(len(parts), 0, -1):
        locations[tuple(parts[:length])] = at
        data = {parts[length - 1]: data}
    return Layer(data, locations)


def _is_utf8(text: str) -> bool:
    """Whether an argument was text: Python keeps other bytes as lone surrogates (PEP 383)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def merge_layers(layers: Sequence[Layer]) -> tuple[dict[str, Any], dict[ParameterPath, Leaf]]:
    """The layers merged, later over earlier, and a Leaf for every scalar, list and empty map of the
    result."""
    data: dict[str, Any] = {}
    leaves: dict[ParameterPath, Leaf] = {}
    for layer in layers:
        data = _merge(data, layer.data, (), leaves, layer)
    return data, leaves


def _merge(
    base: Mapping[str, Any],
    over: Mapping[str, Any],
    at: ParameterPath,
    leaves: dict[ParameterPath, Leaf],
    layer: Layer,
) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        path = (*at, key)
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merge(merged[key], value, path, leaves, layer)
            if value or merged[key]:
                leaves.pop(path, None)
            continue
        replaced = (
            [leaves.pop(old) for old, _ in _walk(merged[key], path) if old in leaves]
            if key in merged
            else []
        )
        previous = {leaf.path: leaf for leaf in replaced}
        for place, item in _walk(value, path):
            leaves[place] = Leaf(
                place, item, _location(layer, place), previous.get(place) or previous.get(path)
            )
        merged[key] = value
    return merged


def _walk(value: Any, at: ParameterPath) -> Iterator[tuple[ParameterPath, Any]]:
    """Every scalar, list and empty map at or below ``value``."""
    if isinstance(value, dict) and (value or not at):
        for key, item in value.items():
            yield from _walk(item, (*at, key))
        return
    yield at, value
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, (*at, index))


def _location(layer: Layer, path: ParameterPath) -> Location:
    for length in range(len(path), 0, -1):
        if path[:length] in layer.locations:
            return layer.locations[path[:length]]
    return Location(SCHEMA)


def _locate(layers: Sequence[Layer]) -> dict[ParameterPath, Location]:
    """The location that gave each path last, of maps and unknown keys too, for messages.

    A list or scalar replaces the earlier value as a whole, so the places of its items go.
    """
    locations: dict[ParameterPath, Location] = {}
    for layer in layers:
        replaced = {path for path, _ in _walk(layer.data, ())}
        locations = {
            path: location
            for path, location in locations.items()
            if not any(path[:length] in replaced for length in range(1, len(path)))
        }
        locations.update(layer.locations)
    return locations


def _environment_problems(
    parameters: dict[str, Any], environment: str, leaves: dict[ParameterPath, Leaf]
) -> list[Problem]:
    """``environment`` is the file's name; a different value in it is a copy that was not
    adapted."""
    given = parameters.setdefault("environment", environment)
    if given == environment:
        leaves.setdefault(
            ("environment",),
            Leaf(("environment",), environment, Location(f"params/{environment}.yaml")),
        )
        return []
    where = leaves[("environment",)].location if ("environment",) in leaves else Location(DEFAULTS)
    message = f"environment is {given!r}, but the file is params/{environment}.yaml"
    return [
        Problem("SW014", message, (where,), "remove the line: the file's name is the environment")
    ]


def _stacks(
    project: Path, parameters: Mapping[str, Any], locate: Mapping[ParameterPath, Location]
) -> tuple[tuple[RootStack, ...], list[Problem]]:
    if "stacks" not in parameters:
        found = _found_stacks(project)
        hint = "write templates/<stack>.yaml.j2"
        missing = Problem("SW016", "there are no templates", (Location("templates"),), hint)
        return found, [] if found else [missing]
    reader = _StackReader(project, locate)
    entries = parameters["stacks"]
    if not isinstance(entries, list) or not entries:
        return (), [
            Problem("SW015", "stacks must be a list of stack names", reader.at(("stacks",)))
        ]
    roots = tuple(
        root
        for index, entry in enumerate(entries)
        for root in reader.root(entry, ("stacks", index))
    )
    return roots, reader.problems


def _found_stacks(project: Path) -> tuple[RootStack, ...]:
    """Without ``stacks:``, every template is a root and those of its folder are nested in it, by
    name."""
    roots = []
    for path in template_files(project / "templates"):
        stem = template_stem(path)
        at = Location(path.relative_to(project).as_posix(), 1)
        nested = tuple(
            NestedStack(
                template_stem(p),
                template_stem(p),
                None,
                {},
                (),
                Location(p.relative_to(project).as_posix(), 1),
            )
            for p in template_files(project / "templates" / stem)
        )
        roots.append(RootStack(stem, stem, None, {}, at, nested))
    return tuple(roots)


def template_files(folder: Path) -> list[Path]:
    """The templates of one folder: ``*.yaml.j2``, ``*.yml.j2`` and ``*.json.j2``, sorted."""
    return sorted(p for kind in ("yaml", "yml", "json") for p in folder.glob(f"*.{kind}.j2"))


def template_stem(path: Path) -> str:
    """``templates/app/network.yaml.j2`` as ``network``."""
    return path.name.rsplit(".", 2)[0]


class _StackReader:
    """Reads ``stacks:``; every entry is a name or a map, and every template must exist."""

    def __init__(self, project: Path, locate: Mapping[ParameterPath, Location]) -> None:
        self._project = project
        self._locate = locate
        self._seen: set[tuple[str, str]] = set()
        self._templates: dict[str, set[str]] = {}
        self.problems: list[Problem] = []

    def at(self, path: ParameterPath) -> tuple[Location, ...]:
        for length in range(len(path), 0, -1):
            if path[:length] in self._locate:
                return (self._locate[path[:length]],)
        return (Location(DEFAULTS),)

    def root(self, entry: Any, path: ParameterPath) -> Iterator[RootStack]:
        nested_entries: Any = []
        if (
            isinstance(entry, dict)
            and len(entry) == 1
            and isinstance(next(iter(entry.values())), list)
        ):
            entry, nested_entries = next(iter(entry.items()))
            path = (*path, entry)
        fields = self._fields(entry, path, "")
        if fields is None:
            return
        name, template, when, variables = fields
        nested = tuple(
            NestedStack(
                *child,
                self._after(item, (*path, index), nested_entries[:index]),
                self.at((*path, index))[0],
            )
            for index, item in enumerate(nested_entries)
            if (child := self._fields(item, (*path, index), template)) is not None
        )
        self._require_distinct(nested)
        yield RootStack(name, template, when, variables, self.at(path)[0], nested)

    def _require_distinct(self, nested: Sequence[NestedStack]) -> None:
        seen: dict[str, str] = {}
        for stack in nested:
            other = seen.setdefault(logical_id(stack.name), stack.name)
            if other != stack.name:
                message = f"the stacks {other} and {stack.name} have the same logical ID {logical_id(other)}"
                self.problems.append(
                    Problem("SW015", message, (stack.location,), "rename one of them")
                )

    def _after(self, entry: Any, path: ParameterPath, earlier: Sequence[Any]) -> tuple[str, ...]:
        """The ``after`` of an entry; each name must be an earlier one of the same root."""
        names = entry.get("after", []) if isinstance(entry, dict) else []
        names = [names] if isinstance(names, str) else names
        known = [each if isinstance(each, str) else _map(each).get("name") for each in earlier]
        for name in names:
            if name not in known:
                message = f"{dotted(path)} comes after {name}, which is not an earlier stack of the same root"
                self.problems.append(Problem("SW015", message, self.at(path)))
        return tuple(str(name) for name in names)

    def _fields(
        self, entry: Any, path: ParameterPath, folder: str
    ) -> tuple[str, str, str | None, Any] | None:
        fields = {"name": entry} if isinstance(entry, str) else entry
        extra = (
            set(fields) - {"name", "template", "when", "with", "after"}
            if isinstance(fields, dict)
            else {"?"}
        )
        if extra or not isinstance(fields.get("name"), str):
            hint = "write a name, or {name: …, when: …, template: …, with: {…}, after: […]}"
            self.problems.append(
                Problem("SW015", f"{dotted(path)} is not a stack", self.at(path), hint)
            )
            return None
        name = str(fields["name"])
        if not _STACK_NAME.fullmatch(name):
            hint = "use letters, digits, '-', '_' and '.', beginning with a letter"
            self.problems.append(
                Problem("SW015", f"{name!r} cannot be a stack's name", self.at(path), hint)
            )
        if not isinstance(fields.get("with", {}), dict):
            self.problems.append(
                Problem("SW015", f"{dotted(path)}: with must be a map of names", self.at(path))
            )
        if (folder, name) in self._seen:
            self.problems.append(
                Problem("SW015", f"the stack {name} is listed twice", self.at(path))
            )
        self._seen.add((folder, name))
        template = str(fields.get("template", name))
        when = fields.get("when")
        self._require_template(folder, template, path)
        return name, template, None if when is None else str(when), dict(_map(fields.get("with")))

    def _require_template(self, folder: str, template: str, path: ParameterPath) -> None:
        if folder not in self._templates:
            files = template_files(self._project / "templates" / folder)
            self._templates[folder] = {template_stem(path) for path in files}
        known = self._templates[folder]
        if template in known:
            return
        close = difflib.get_close_matches(template, sorted(known), 1)
        file = Path("templates", folder, f"{template}.yaml.j2").as_posix()
        hint = f"did you mean {close[0]}?" if close else f"write {file}"
        self.problems.append(
            Problem("SW016", f"the stack {template} has no template {file}", self.at(path), hint)
        )
