"""The merge rule and provenance as properties; scalars by YAML 1.2; dotenv files; stacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackwright.config.layers import Layer, merge_layers
from stackwright.config.load import list_environments, load_config
from stackwright.core.errors import InputError
from stackwright.core.model import Leaf, Level, Location, ParameterPath
from tests.support.projects import Project, places

Make = Callable[..., Project]

KEYS = st.sampled_from(["a", "b", "c"])
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(0, 9), st.sampled_from(["x", "y"]))
LISTS = st.lists(
    LEAVES | st.dictionaries(KEYS, LEAVES, max_size=2) | st.lists(LEAVES, max_size=2), max_size=3
)
TREES: st.SearchStrategy[dict[str, Any]] = st.deferred(
    lambda: st.dictionaries(KEYS, LEAVES | LISTS | TREES, max_size=3)
)


def walked(value: Any, at: ParameterPath = ()) -> dict[ParameterPath, Any]:
    """Path -> value of everything that a file gives, maps too."""
    values = {at: value} if at else {}
    if isinstance(value, dict):
        for key, item in value.items():
            values |= walked(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            values |= walked(item, (*at, index))
    return values


def layer(number: int, data: Mapping[str, Any]) -> Layer:
    """A layer whose locations are ``layer<number>``, a line a path."""
    return Layer(
        data, {path: Location(f"layer{number}", line) for line, path in enumerate(walked(data), 1)}
    )


def naive(base: Any, over: Any) -> Any:
    """The documented rule: maps merge, everything else replaces."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    return {
        **base,
        **{key: naive(base[key], item) if key in base else item for key, item in over.items()},
    }


def check_merge(trees: list[dict[str, Any]]) -> None:
    layers = [layer(number, tree) for number, tree in enumerate(trees)]
    data, leaves = merge_layers(layers)
    expected: dict[str, Any] = {}
    for tree in trees:
        expected = naive(expected, tree)
    assert data == expected
    assert list(data) == list(dict.fromkeys(key for tree in trees for key in tree))
    inner = walked(data)
    assert set(leaves) == {
        path for path, value in inner.items() if not isinstance(value, dict) or not value
    }
    for path, leaf in leaves.items():
        assert (leaf.path, leaf.value) == (path, inner[path])
        check_provenance(leaf, layers)


def check_provenance(leaf: Leaf, layers: list[Layer]) -> None:
    """The leaf points to the last layer that gives its path; what it overrode lies in earlier ones,
    newest first."""
    given = [
        layer for layer in layers if leaf.path in layer.locations and not is_map(layer, leaf.path)
    ]
    chain = [leaf]
    while chain[-1].overrode is not None:
        chain.append(chain[-1].overrode)
    assert leaf.location in {layer.locations[leaf.path] for layer in given[-1:]} | empty_maps(
        layers, leaf
    )
    numbers = [int(origin.location.path.removeprefix("layer")) for origin in chain]
    assert numbers == sorted(set(numbers), reverse=True)
    for origin in chain:
        place = layers[int(origin.location.path.removeprefix("layer"))]
        assert origin.location == place.locations[origin.path]
        assert walked(place.data)[origin.path] == origin.value


def is_map(layer: Layer, path: ParameterPath) -> bool:
    return bool(isinstance(walked(layer.data)[path], dict))


def empty_maps(layers: list[Layer], leaf: Leaf) -> set[Location]:
    return {
        layer.locations[leaf.path]
        for layer in layers
        if leaf.path in layer.locations and leaf.value == {}
    }


@given(st.lists(TREES, min_size=1, max_size=4))
def test_layers_are_merged(trees: list[dict[str, Any]]) -> None:
    check_merge(trees)


@given(st.lists(st.tuples(LEAVES), min_size=1, max_size=5))
def test_chain_of_overrides_is_complete(values: list[tuple[Any]]) -> None:
    _, leaves = merge_layers(
        [layer(number, {"a": {"b": value}}) for number, (value,) in enumerate(values)]
    )
    leaf: Leaf | None = leaves["a", "b"]
    for number, (value,) in reversed(list(enumerate(values))):
        assert leaf is not None
        assert (leaf.value, leaf.location.path) == (value, f"layer{number}")
        leaf = leaf.overrode
    assert leaf is None


def test_value_that_replaces_a_map_is_no_override_of_its_path() -> None:
    _, leaves = merge_layers(
        [layer(0, {"a": {"b": 1}}), layer(1, {"a": 2}), layer(2, {"a": {"c": 3}})]
    )
    leaf = leaves["a", "c"]
    assert (leaf.value, leaf.overrode and leaf.overrode.value) == (3, 2)
    assert set(leaves) == {("a", "c")}


def test_five_layers_override_in_order(project: Make) -> None:
    schema = '{"type": "object", "properties": {"size": {"default": 1, "x-aws-env": "SIZE", "type": "integer"}}}'
    files: dict[str, str | None] = {
        "params/schema.json": schema,
        "params/defaults.yaml": "size: 2\n",
        "env/dev/aws.env": "SIZE=3\n",
        "params/dev.yaml": "\nsize: 4\n",
    }
    made = project({**files, "params/defaults.yaml": "size: 2\ntitle: x\n"})
    leaf: Leaf | None = made.load("dev", "size=5", "size=6").leaves["size",]
    chain = []
    while leaf is not None:
        chain.append((leaf.value, str(leaf.location)))
        leaf = leaf.overrode
    assert chain == [
        (6, "--set size"),
        (5, "--set size"),
        (4, "params/dev.yaml:2"),
        (3, "env/dev/aws.env:1"),
        (2, "params/defaults.yaml:1"),
        (1, "params/schema.json"),
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("012345678901", "012345678901"),
        ("0", 0),
        ("-0", 0),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12:30:45", "12:30:45"),
        ("1:30", "1:30"),
        ("2026-01-31", "2026-01-31"),
        ("0x1f", "0x1f"),
        ("0o17", "0o17"),
        ("1_000", "1_000"),
        ("+12", 12),
        ("-7", -7),
        ("1e3", 1000.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("-1.5e-3", -0.0015),
        ("00.5", "00.5"),
        ("1.", "1."),
        (".", "."),
        (".inf", ".inf"),
        ("'8080'", "8080"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("|\n  a\n  b\n", "a\nb\n"),
        ("<<", "<<"),
        ("=", "="),
    ],
)
def test_scalars_are_read_by_yaml_1_2(text: str, value: Any, tmp_path: Path) -> None:
    made = Project(tmp_path).write(
        {"params/dev.yaml": f"v: {text}\n", "templates/m.yaml.j2": "Resources: {}"}
    )
    scalar = made.load().parameters["v"]
    assert (scalar, type(scalar)) == (value, type(value))


@pytest.mark.parametrize(
    ("given", "path", "value"),
    [
        ("title=x", ("title",), "x"),
        ("a.b.c=3", ("a", "b", "c"), 3),
        ("a.b=[1, x]", ("a", "b"), [1, "x"]),
        ("a.b={k: v}", ("a", "b", "k"), "v"),
        ("title=", ("title",), None),
        ("title=''", ("title",), ""),
        ("title=a=b", ("title",), "a=b"),
        ("title=012", ("title",), "012"),
        ("some-key.a_b=no", ("some-key", "a_b"), "no"),
    ],
)
def test_set_overrides_a_parameter(
    given: str, path: ParameterPath, value: Any, project: Make
) -> None:
    config = project().load("dev", given)
    leaf = config.leaves[path]
    assert (leaf.value, leaf.location) == (value, Location(f"--set {given.partition('=')[0]}"))


def test_value_of_set_cannot_add_a_key(project: Make) -> None:
    config = project().load("dev", "title=x\nother: 1")
    assert config.parameters["title"] == "x\nother: 1"
    assert "other" not in config.parameters


def test_changed_parameters_are_validated_again(project: Make) -> None:
    made = project({"params/schema.json": '{"properties": {"title": {"maxLength": 5}}}'})
    for _ in range(2):
        assert made.problems() == ()
    assert [problem.code for problem in made.problems("dev", "title=abcdef")] == ["SW012"]
    made.write({"params/schema.json": '{"properties": {"title": {"maxLength": 3}}}'})
    assert [problem.code for problem in made.problems()] == ["SW012"]


def test_file_names_the_environment(project: Make) -> None:
    config = project().load()
    assert (config.parameters["environment"], config.environment) == ("dev", "dev")
    assert str(config.leaves["environment",].location) == "params/dev.yaml"
    assert config.region == "us-east-1"
    assert (
        project({"params/dev.yaml": "region: eu-west-1\nenvironment: dev\n"}).load().region
        == "eu-west-1"
    )


def test_environments_are_the_files_of_params(project: Make) -> None:
    made = project({"params/prod.yaml": "", "params/schema.json": "{}", "params/a.yaml": ""})
    assert list_environments(made.folder) == ["a", "dev", "prod"]


def test_byte_order_mark_and_dos_line_endings_are_accepted(project: Make) -> None:
    made = project({"params/dev.yaml": b"\xef\xbb\xbftitle: a\r\nother: b\rthird: c\n"})
    config = made.load()
    assert [config.parameters[key] for key in ("title", "other", "third")] == ["a", "b", "c"]
    assert config.leaves["third",].location.line == 3


def test_aliases_and_merge_keys_are_expanded(project: Make) -> None:
    text = "base: &b {x: 1, y: 2}\none: *b\ntwo: {<<: *b, y: 3}\nthree: {<<: [{z: 0}, *b]}\n"
    parameters = project({"params/dev.yaml": text}).load().parameters
    assert parameters["one"] == {"x": 1, "y": 2}
    assert parameters["two"] == {"x": 1, "y": 3}
    assert parameters["three"] == {"z": 0, "x": 1, "y": 2}


def test_earlier_maps_of_a_merge_key_win(project: Make) -> None:
    """Source: https://yaml.org/type/merge.html"""
    text = "three: {<<: [{x: first}, {x: second}]}\n"
    assert project({"params/dev.yaml": text}).load().parameters["three"] == {"x": "first"}


DOTENV = {
    "env/dev/.env": "B=2\n\n# comment\nexport A='1 # not a comment'\nC=\nURL=x\nFN_SIZE=5\nPUBLIC_KEY=pk\n",
    "env/dev/aws.env": "VPC=vpc-1\n",
    "env/dev/keys.env.example": "TOKEN=\nDB_PASSWORD=\n",
    "params/dev.yaml": "variables: {computed: [URL], function: ['FN_*'], plain: [PUBLIC_KEY]}\n",
}


def test_dotenv_files_are_sorted_by_kind(project: Make) -> None:
    config = project(DOTENV).load()
    assert dict(config.dotenv.plain) == {
        "A": "1 # not a comment",
        "B": "2",
        "C": "",
        "PUBLIC_KEY": "pk",
    }
    assert dict(config.dotenv.function) == {"FN_SIZE": "5"}
    assert config.dotenv.secret_names == ("DB_PASSWORD", "TOKEN")
    assert dict(config.dotenv.aws) == {"VPC": "vpc-1"}
    assert str(config.dotenv.locations["A"]) == "env/dev/.env:4"
    (warning,) = config.problems
    assert (warning.code, warning.level, places(warning)) == (
        "SW021",
        Level.WARNING,
        ["env/dev/.env:6"],
    )


def test_values_of_secrets_are_not_kept(project: Make) -> None:
    config = project({**DOTENV, "env/dev/keys.env": "TOKEN=hunter2\nDB_PASSWORD=hunter2\n"}).load()
    assert config.dotenv.secret_names == ("DB_PASSWORD", "TOKEN")
    assert "hunter2" not in repr(config)


def test_dotenv_files_can_be_in_another_folder(project: Make, tmp_path: Path) -> None:
    made = project()
    elsewhere = Project(tmp_path / "services").write({".env": "A=1\n", "aws.env": "B=2\n"})
    config = load_config(made.folder, "dev", (), elsewhere.folder)
    assert (dict(config.dotenv.plain), dict(config.dotenv.aws)) == ({"A": "1"}, {"B": "2"})
    assert config.dotenv.locations["A"].path == f"{elsewhere.folder.as_posix()}/.env"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ('"integer"', "3", 3),
        ('"integer"', "-3", -3),
        ('["integer", "null"]', "3", 3),
        ('"number"', "1.5", 1.5),
        ('"boolean"', "true", True),
        ('"boolean"', "FALSE", False),
        ('"string"', "012", "012"),
        ('"array"', "a, b,,c", ["a", "b", "c"]),
    ],
)
def test_aws_env_supplies_parameters_by_type(
    kind: str, text: str, value: Any, project: Make
) -> None:
    items = ', "items": {"type": "string"}' if "array" in kind else ""
    schema = (
        f'{{"$defs": {{"v": {{"type": {kind}{items}, "x-aws-env": "V"}}}}, "properties": {{"o": {{"properties": {{"v": '
        '{"$ref": "#/$defs/v"}}}}}'
    )
    config = project({"params/schema.json": schema, "env/dev/aws.env": f"\nV={text}\n"}).load()
    assert config.parameters["o"]["v"] == value
    assert str(config.leaves["o", "v"].location) == "env/dev/aws.env:2"


def test_empty_variable_of_aws_env_supplies_nothing(project: Make) -> None:
    schema = '{"properties": {"v": {"type": "string", "x-aws-env": "V", "default": "d"}}}'
    assert (
        project({"params/schema.json": schema, "env/dev/aws.env": "V=\n"}).load().parameters["v"]
        == "d"
    )


def test_unlisted_stacks_come_from_the_templates(project: Make) -> None:
    text = "Resources: {}\n"
    made = project(
        {
            f"templates/{name}": text
            for name in ("b.yml.j2", "a.json.j2", "a/z.yaml.j2", "a/y.yaml.j2")
        }
    )
    stacks = made.load().stacks
    assert [(root.name, [n.name for n in root.nested]) for root in stacks] == [
        ("a", ["y", "z"]),
        ("b", []),
        ("main", []),
    ]


def test_all_problems_are_reported_at_once(project: Make) -> None:
    made = project(
        {
            "params/defaults.yaml": "a: 1\na: 2\n",
            "params/dev.yaml": "b: [\n",
            "params/schema.json": "{",
            "env/dev/.env": "AWS_PROFILE=x\nnot a line\n",
        }
    )
    with pytest.raises(InputError) as caught:
        made.load()
    assert [problem.code for problem in caught.value.problems] == [
        "SW008",
        "SW004",
        "SW003",
        "SW007",
        "SW020",
    ]
