"""No value changes the structure: whatever is printed, both versions of YAML read the intended text
in its place."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stackwright.config.load import load_config
from stackwright.core.errors import StackwrightError
from stackwright.core.model import Config, Dotenv, Location, RootStack
from stackwright.render.render import render_templates
from stackwright.render.wire import wire_root
from tests.support.projects import Project, yaml_1_1, yaml_1_2

HOSTILE = (
    ": ", ":", "a: b", " #", "# x", "a #b", "'", '"', "''", "it's", "\n", "a\nb", "a\n\nb\n", "\n\n", "{{", "}}",
    "{{ x }}", "{%", "{% raw %}", "{#", "!Sub x", "!Ref", "!", "!!int 3", "*a", "&a", "&a b", "yes", "no", "on", "Off",
    "y", "N", "true", "True", "0123", "0o17", "0x1F", "0b1", "1e3", "1E3", "1.", ".5", "-.5", "+1", "-1", "1_000",
    "12:30", "12:30:45", "1:2", "2026-01-31", "2001-12-14t21:59:43.10-05:00", ".inf", "-.INF", ".nan", "null", "Null",
    "~", "", " ", "  a", "a  ", "\ta", "a\t", "a\tb", "${AWS::Region}", "${", "$", "${!X}", "$${X}", "${A}${B}", "{x}",
    "- x", "-", "--", "? x", "?", "---", "--- a", "...", "... a", "%YAML 1.1", "@x", "`x`", "|", "|+", ">", ">-",
    "[", "]", "[a, b]", "{", "}", "{a: b}", ",", "a, b", "=", "<<", "\r", "a\r\nb", "\x00", "\x07", "\x1b[0m", "\x7f",
    "\x85", "\xa0", "\u2028", "\u2029", "\ufeff", "\ufeffx", "\ufffe", "é", "世界", "🚀", "\\", "\\n", "\\u0041",
    "\\\"",
    "a\\", "%", "%20", "a%b", "^", "<<: *x", "key: [", "x" * 200, "word " * 60,
    "012345678901", "1.0", "1e400", "Infinity",
)  # fmt: skip


def hostile(*, size: int = 40) -> st.SearchStrategy[str]:
    """Texts that mean something to YAML, Jinja, JSON or CloudFormation, alone and joined with any
    characters."""
    anything = st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\ue000\ue001\ue002"),
        max_size=size,
    )
    known = st.sampled_from(HOSTILE)
    joined = st.lists(st.one_of(known, anything), min_size=2, max_size=4).map("".join)
    return st.one_of(known, anything, joined).filter(lambda text: "{{resolve:" not in text)


LONGEST = 400 if os.environ.get("HYPOTHESIS_PROFILE") == "full" else 40
NO_DOTENV = Dotenv({}, (), {}, {}, {})


def rendered(folder: Path, template: str, values: Mapping[str, Any], kind: str = "yaml") -> str:
    """The text of one template over the given parameters."""
    file = folder / f"templates/main.{kind}.j2"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(template, encoding="utf-8")
    root = RootStack("main", "main", None, {}, Location("params/dev.yaml"))
    return (
        render_templates(Config(folder, "dev", values, {}, (root,), NO_DOTENV), wire_root)
        .documents[0]
        .text
    )


def properties(text: str) -> list[Any]:
    """What either version of YAML reads below the resource."""
    return [read(text)["Resources"]["R"] for read in (yaml_1_1, yaml_1_2)]


RESOURCE = "Resources:\n  R:\n"

# position -> (template of the property, what it must hold)
TEXTS: Mapping[str, tuple[str, Any]] = {
    "plain": ("{{ v }}", "{v}"),
    "double": ('"{{ v }}"', "{v}"),
    "single": ("'{{ v }}'", "{v}"),
    "embedded": ("a-{{ v }}-b", "a-{v}-b"),
    "start": ("{{ v }} end", "{v} end"),
    "end": ("start {{ v }}", "start {v}"),
    "twice": ("{{ v }}{{ v }}", "{v}{v}"),
    "with comment": ("x{{ v }} # {{ v }}", "x{v}"),
    "in double": ('"a: {{ v }}"', "a: {v}"),
    "in single": ("'a # {{ v }}'", "a # {v}"),
    "tagged text": ("!!str {{ v }}", "{v}"),
    "list item": ("\n      - {{ v }}\n      - x", ["{v}", "x"]),
    "item in quotes": ('\n      - "{{ v }}"', ["{v}"]),
    "map in list": ("\n      - a: {{ v }}\n        b: x", [{"a": "{v}", "b": "x"}]),
    "flow list": ("[{{ v }}, x]", ["{v}", "x"]),
    "flow list quoted": ("['{{ v }}', \"{{ v }}\", a{{ v }}]", ["{v}", "{v}", "a{v}"]),
    "flow map": ("{a: {{ v }}, b: [{{ v }}]}", {"a": "{v}", "b": ["{v}"]}),
    "literal": ("|\n      a {{ v }} b\n      c", "a {v} b\nc\n"),
    "literal alone": ("|-\n      {{ v }}", "{v}"),
    "literal first": ("|\n      {{ v }}\n      c", "{v}\nc\n"),
    "literal kept": ("|+\n      {{ v }}\n      c\n", "{v}\nc\n\n"),
    "folded": (">\n      a {{ v }}\n      c", "a {v} c\n"),
    "folded alone": (">-\n      {{ v }}", "{v}"),
    "joined in Jinja": ("{{ 'a' ~ v ~ 'b' }}", "a{v}b"),
    "two lines": ('"a\n      {{ v }}"', "a {v}"),
}
TEMPLATE_OF_TEXTS = (
    RESOURCE
    + "".join(f"    {name}: {text}\n" for name, (text, _) in TEXTS.items())
    + "    last: x\n"
)


def filled(pattern: Any, value: str) -> Any:
    if isinstance(pattern, str):
        return pattern.replace("{v}", value)
    if isinstance(pattern, list):
        return [filled(item, value) for item in pattern]
    return {key: filled(item, value) for key, item in pattern.items()}


def check_texts(folder: Path, value: str) -> None:
    text = rendered(folder, TEMPLATE_OF_TEXTS, {"v": value})
    expected = {name: filled(pattern, value) for name, (_, pattern) in TEXTS.items()} | {
        "last": "x"
    }
    for actual in properties(text):
        for name, wanted in expected.items():
            assert actual[name] == wanted, name
        assert list(actual) == list(expected)


@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
def test_hostile_text_reads_back_unchanged(value: str, tmp_path: Path) -> None:
    check_texts(tmp_path, value)


@given(hostile(size=LONGEST))
def test_any_text_reads_back_unchanged(tmp_path: Path, value: str) -> None:
    check_texts(tmp_path, value)


@pytest.mark.parametrize("unit", ["x", "a: b # c\n", "'\"", "${X} {{ y }}\t", "é🚀"], ids=ascii)
def test_ten_kilobytes_read_back_unchanged(unit: str, tmp_path: Path) -> None:
    value = (unit * 10_000)[:10_000]
    template = (
        RESOURCE
        + '    P: {{ v }}\n    D: "{{ v }}"\n    L: |\n      {{ v }}\n    S: !Sub "{{ v }}"\n'
    )
    actual = yaml_1_1(rendered(tmp_path, template, {"v": value}))["Resources"]["R"]
    assert (actual["P"], actual["D"], actual["L"]) == (value, value, f"{value}\n")
    assert substitute(actual["S"]["!Sub"]) == value


# --- keys ---


def check_key(folder: Path, value: str) -> None:
    template = (
        RESOURCE
        + '    {{ v }}: 1\n    "q{{ v }}": 2\n    s{{ v }}e: {x: 4}\n    F: {k{{ v }}: 3}\n'
    )
    for actual in properties(rendered(folder, template, {"v": value})):
        assert actual == {value: 1, f"q{value}": 2, f"s{value}e": {"x": 4}, "F": {f"k{value}": 3}}


@pytest.mark.parametrize("value", [v for v in HOSTILE if len(v) < 100], ids=ascii)
def test_hostile_key_reads_back_unchanged(value: str, tmp_path: Path) -> None:
    check_key(tmp_path, value)


@pytest.mark.parametrize(("value", "key"), [(5, "5"), (True, "true"), (1.5, "1.5")])
def test_key_is_always_text(value: Any, key: str, tmp_path: Path) -> None:
    for actual in properties(
        rendered(
            tmp_path,
            RESOURCE + "    {{ v }}: 1\n    F: {{{ v }}: 2}\n".replace("{{{", "{ {{"),
            {"v": value},
        )
    ):
        assert actual == {key: 1, "F": {key: 2}}


@given(
    hostile().filter(
        lambda text: text not in ("F", "Ref") and not text.startswith("Fn::") and len(text) < 100
    )
)
def test_any_key_reads_back_unchanged(tmp_path: Path, value: str) -> None:
    check_key(tmp_path, value)


def test_key_too_long_for_yaml_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(StackwrightError) as caught:
        rendered(tmp_path, RESOURCE + "    a: 1\n    {{ v }}: 1\n", {"v": "k" * 2000})
    (problem,) = caught.value.problems
    assert problem.code == "SW103"
    assert [str(at) for at in problem.where] == ["templates/main.yaml.j2:4"]


def test_keys_that_become_equal_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StackwrightError) as caught:
        rendered(tmp_path, RESOURCE + "    a: 1\n    {{ v }}: 1\n", {"v": "a"})
    (problem,) = caught.value.problems
    assert (problem.code, str(problem.where[0])) == ("SW104", "templates/main.yaml.j2:4")


# --- Fn::Sub ---


def substitute(text: str, values: Mapping[str, str] | None = None) -> str:
    """What CloudFormation makes of the text of Fn::Sub: ``${!X}`` is ``${X}``, every other ``${X}``
    a variable.

    Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-sub.html
    """
    known = values or {}
    return re.sub(
        r"\$\{(!?)([A-Za-z:]*\}?)",
        lambda match: "${" + match[2] if match[1] else known[match[2][:-1]],
        text,
    )


LIVE = {"AWS::Region": "<region>", "Name": "<name>"}
SUBS: Mapping[str, tuple[str, str]] = {
    "plain": ("!Sub {{ v }}", "{v}"),
    "double": ('!Sub "{{ v }}"', "{v}"),
    "single": ("!Sub '{{ v }}'", "{v}"),
    "with live": ('!Sub "${AWS::Region}-{{ v }}-${AWS::Region}"', "<region>-{v}-<region>"),
    "dollar": ('!Sub "${{ v }}"', "${v}"),
    "before brace": ('!Sub "{{ v }}{AWS::Region}"', "{v}{AWS::Region}"),
    "literal": ("!Sub |\n      ${AWS::Region} {{ v }}\n      x", "<region> {v}\nx\n"),
    "list": ('!Sub ["{{ v }}${Name}", {Name: "{{ v }}"}]', "{v}<name>"),
    "block list": ('!Sub\n      - "{{ v }}${Name}"\n      - Name: {{ v }}', "{v}<name>"),
    "long": ('{Fn::Sub: "{{ v }}${AWS::Region}"}', "{v}<region>"),
    "long list": (
        '\n      Fn::Sub:\n        - "{{ v }}${Name}"\n        - {Name: {{ v }}}',
        "{v}<name>",
    ),
    "nested": ('!Join ["", [!Sub "{{ v }}"]]', "{v}"),
}
TEMPLATE_OF_SUBS = RESOURCE + "".join(f"    {name}: {text}\n" for name, (text, _) in SUBS.items())


def sub_argument(data: Any) -> Any:
    while isinstance(data, dict) and not ({"!Sub", "Fn::Sub"} & set(data)):
        data = data["!Join"][1][0]
    return data.get("!Sub", data.get("Fn::Sub"))


def check_subs(folder: Path, value: str) -> None:
    text = rendered(folder, TEMPLATE_OF_SUBS, {"v": value})
    for actual in properties(text):
        for name, (_, pattern) in SUBS.items():
            argument = sub_argument(actual[name])
            if isinstance(argument, list):
                assert argument[1] == {"Name": value}, name
                argument = argument[0]
            assert substitute(argument, LIVE) == pattern.replace("{v}", value), name


@pytest.mark.parametrize("value", [v for v in HOSTILE if set(v) & set("${}!")], ids=ascii)
def test_hostile_text_in_sub_stays_literal(value: str, tmp_path: Path) -> None:
    check_subs(tmp_path, value)


SUB_TEXT = st.text("${}!AWSRegion:Name x", max_size=30)


@given(st.one_of(SUB_TEXT, hostile()))
def test_any_text_in_sub_stays_literal(tmp_path: Path, value: str) -> None:
    check_subs(tmp_path, value)


# --- comments ---


@given(hostile())
def test_text_in_a_comment_stays_a_comment(tmp_path: Path, value: str) -> None:
    template = (
        "# top {{ v }}\n"
        + RESOURCE
        + "    # {{ v }}\n    A: 1 # {{ v }} more\n    #{{ v }}\n    B: x\n# {{ v }}\n"
    )
    text = rendered(tmp_path, template, {"v": value})
    assert all(actual == {"A": 1, "B": "x"} for actual in properties(text))
    assert len(text.splitlines()) == 9


# --- typed values, lists and maps ---

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    hostile(size=12),
)
KEYS = hostile(size=12).filter(lambda key: len(key) < 60 and not key.startswith(("Fn::", "Ref")))
DATA: st.SearchStrategy[Any] = st.deferred(
    lambda: SCALARS | st.lists(DATA, max_size=3) | st.dictionaries(KEYS, DATA, max_size=3)
)


def same(left: Any, right: Any) -> bool:
    """Equal, and of the same types; -0.0 is 0.0 to YAML's readers and to us."""
    if isinstance(left, dict) and isinstance(right, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


DATA_TEMPLATE = (
    RESOURCE
    + "    P: {{ v }}\n    I:\n      - {{ v }}\n      - {k: {{ v }}, l: [{{ v }}]}\n      - m: {{ v }}\n        n: 1\n"
    + "    J: |\n      {{ v | tojson }}\n    Q: '{{ v | tojson }}'\n    Z: x\n"
)


def check_data(folder: Path, value: Any) -> None:
    text = rendered(folder, DATA_TEMPLATE, {"v": value})
    for actual in properties(text):
        assert same(actual["P"], value)
        assert same(actual["I"], [value, {"k": value, "l": [value]}, {"m": value, "n": 1}])
        assert json.loads(actual["J"]) == value
        assert json.loads(actual["Q"]) == value
        assert actual["Z"] == "x"


@given(DATA)
@example({})
@example([])
@example([[], {}, [[]], [{}]])
@example({"a": {"b": {}}, "c": []})
@example(1e16)
@example(1e-7)
@example(123456789.123)
@example([1e-09, 1.5e-09, "1e-09", {'a\\"1e9': 1e22}])
def test_any_data_reads_back_unchanged(tmp_path: Path, value: Any) -> None:
    check_data(tmp_path, value)


@given(st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
def test_quoted_or_embedded_number_is_text(tmp_path: Path, value: Any) -> None:
    template = (
        RESOURCE + "    Q: \"{{ v }}\"\n    S: '{{ v }}'\n    E: a{{ v }}\n    T: !Sub {{ v }}\n"
    )
    for actual in properties(rendered(tmp_path, template, {"v": value})):
        shown = actual["Q"]
        assert isinstance(shown, str)
        assert actual == {"Q": shown, "S": shown, "E": f"a{shown}", "T": {"!Sub": shown}}
        assert json.loads(shown) == value


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_number_without_a_value_is_refused(value: float, tmp_path: Path) -> None:
    with pytest.raises(StackwrightError) as caught:
        rendered(tmp_path, RESOURCE + "    A: {{ v }}\n", {"v": value})
    (problem,) = caught.value.problems
    assert (problem.code, str(problem.where[0])) == ("SW108", "templates/main.yaml.j2:3")


# --- JSON templates ---

JSON_TEMPLATE = """\
{ "Resources": { "R": {
  "plain": {{ v }},
  "quoted": "{{ v }}",
  "embedded": "a{{ v }}b",
  "list": [{{ v }}, "{{ v }}"],
  "k{{ v }}": 1,
  "sub": {"Fn::Sub": "{{ v }}"},
\t"data": {{ data }},
  "text": "{{ data | tojson }}"
} } }
"""


def check_json(folder: Path, value: str, data: Any) -> None:
    text = rendered(folder, JSON_TEMPLATE, {"v": value, "data": data}, "json")
    for read in (json.loads, yaml_1_2):
        actual = read(text)["Resources"]["R"]
        assert substitute(actual.pop("sub")["Fn::Sub"], LIVE) == value
        assert json.loads(actual.pop("text")) == data
        assert same(actual.pop("data"), data)
        assert actual == {
            "plain": value,
            "quoted": value,
            "embedded": f"a{value}b",
            "list": [value] * 2,
            f"k{value}": 1,
        }


@given(hostile(), DATA)
def test_any_value_reads_back_from_a_json_template(tmp_path: Path, value: str, data: Any) -> None:
    check_json(tmp_path, value, data)


# --- the whole way, from the parameters file ---


@given(st.dictionaries(st.from_regex(r"k[a-z]{0,7}", fullmatch=True), DATA, min_size=1, max_size=3))
def test_values_survive_from_params_file_to_template(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    lines = "".join(f"    {name}: {{{{ params.v.{name} }}}}\n" for name in values)
    project = Project(tmp_path).write(
        {"params/dev.yaml": as_yaml({"v": values}), "templates/main.yaml.j2": RESOURCE + lines}
    )
    text = render_templates(load_config(project.folder, "dev"), wire_root).documents[0].text
    for actual in properties(text):
        assert same(actual, values)


def as_yaml(data: Any) -> str:
    """JSON that YAML reads too: what YAML cannot hold is escaped."""
    text = json.dumps(data, ensure_ascii=False)
    return re.sub(
        "[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]", lambda match: f"\\u{ord(match[0]):04x}", text
    )


# --- values that CloudFormation itself would act on ---


@pytest.mark.parametrize(
    "line",
    [
        "A: {{ v }}",
        'A: "{{ v }}"',
        "A: x{{ v }}",
        "A: |\n      {{ v }}",
        "A: {{ [v] }}",
        "A: {{ {'k': v} }}",
        "A: [{{ v }}]",
        "A: {{ {'k': [v]} | tojson }}",
        "A: {{ listed }}",
        "A: {{ mapped }}",
        '{{ v }}: "A"',
    ],
)
@pytest.mark.parametrize(
    "value", ["{{resolve:ssm:/x}}", "a {{resolve:secretsmanager:s:SecretString:p}}"]
)
def test_dynamic_reference_in_a_value_is_refused(line: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(StackwrightError) as caught:
        rendered(
            tmp_path,
            RESOURCE + f"    {line}\n",
            {"v": value, "listed": ["a", [value]], "mapped": {"b": {"c": value}}},
        )
    assert {problem.code for problem in caught.value.problems} == {"SW107"}
    assert caught.value.problems[0].where[0].path == "templates/main.yaml.j2"
    assert caught.value.problems[0].hint == "print references with dynref(...) in the template"


def test_dynamic_reference_beside_one_of_the_template_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackwrightError) as caught:
        rendered(
            tmp_path,
            RESOURCE + "    A: x{{ dynref('ssm', '/a') }}{{ v }}\n",
            {"v": "{{resolve:ssm:/b}}"},
        )
    assert {problem.code for problem in caught.value.problems} == {"SW107"}


def test_dynamic_references_of_the_template_are_kept(tmp_path: Path) -> None:
    template = RESOURCE + "    A: x{{ dynref('ssm', '/a') }}\n    B: {{ [dynref('ssm', '/b')] }}\n"
    for actual in properties(rendered(tmp_path, template, {})):
        assert actual == {"A": "x{{resolve:ssm:/a}}", "B": ["{{resolve:ssm:/b}}"]}


def test_dynamic_reference_made_of_two_values_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackwrightError) as caught:
        rendered(
            tmp_path, RESOURCE + "    A: '{{ a }}{{ b }}'\n", {"a": "{{res", "b": "olve:ssm:/x}}"}
        )
    assert {problem.code for problem in caught.value.problems} == {"SW107"}


@pytest.mark.parametrize(
    "value", [{"Ref": "Secret"}, {"a": [{"Fn::Sub": "${X}"}]}, [{"Fn::ImportValue": "x"}]]
)
@pytest.mark.parametrize("line", ["A: {{ v }}", "A: [{{ v }}]", "A:\n      - {{ v }}"])
def test_intrinsic_in_a_value_is_refused(value: Any, line: str, tmp_path: Path) -> None:
    """A parameter is data: an intrinsic in it would be structure that the template's author did not
    write."""
    project = Project(tmp_path).write(
        {
            "params/dev.yaml": json.dumps({"v": value}),
            "templates/main.yaml.j2": RESOURCE + f"    {line}\n",
        }
    )
    (problem,) = project.problems()
    assert (problem.code, problem.where[0].line) == ("SW107", 3 + line.count("\n"))


@pytest.mark.parametrize("key", ["Ref", "Fn::Sub", "Fn::GetAtt", "Fn::Transform"])
def test_value_cannot_name_an_intrinsic(key: str, tmp_path: Path) -> None:
    with pytest.raises(StackwrightError) as caught:
        rendered(tmp_path, RESOURCE + "    A:\n      {{ v }}: x\n", {"v": key})
    (problem,) = caught.value.problems
    assert (problem.code, str(problem.where[0])) == ("SW107", "templates/main.yaml.j2:4")
    assert problem.hint == "write intrinsic functions in the template; a parameter is data"


def test_list_inside_sub_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackwrightError) as caught:
        rendered(tmp_path, RESOURCE + "    A: {Fn::Sub: {{ v }}}\n", {"v": ["${AWS::Region}", {}]})
    assert [problem.code for problem in caught.value.problems] == ["SW106"]


@pytest.mark.parametrize("character", "\ue000\ue001\ue002")
def test_reserved_characters_in_a_parameter_are_refused_with_its_name(
    character: str, tmp_path: Path
) -> None:
    with pytest.raises(StackwrightError) as caught:
        rendered(tmp_path, RESOURCE + "    A: {{ v }}\n", {"v": f"a{character}0\ue001"})
    (problem,) = caught.value.problems
    assert problem.code == "SW108"
    assert "U+E000" in problem.message
