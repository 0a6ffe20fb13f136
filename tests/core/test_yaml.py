"""The YAML reader against ruamel.yaml (YAML 1.2) and PyYAML (YAML 1.1), and its refusals."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from stackwright.cfn import ValidationError, parse_template
from stackwright.core import InputError, ParameterData, TemplateData, compose_yaml, template_data

TEXT = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Cn"], exclude_characters="\u2028\u2029\ufeff"),
    max_size=8,
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
DATA = st.dictionaries(
    TEXT,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
        max_leaves=8,
    ),
    max_size=4,
)
PLAIN = st.text("0123456789+-._:eExobnNyYfFiaIAtruT~", min_size=1, max_size=12)
"""Unquoted words that look like numbers, booleans and null."""


def parameters(text: str) -> Any:
    return ParameterData(compose_yaml(text, "f"), "f").data


def template(text: str) -> Any:
    return template_data(compose_yaml(text, "f"), "f")


def finite(data: Any) -> bool:
    if isinstance(data, dict):
        return all(finite(item) for item in data.values())
    if isinstance(data, list):
        return all(finite(item) for item in data)
    return not isinstance(data, float) or math.isfinite(data)


@given(DATA)
def test_json_means_the_same_data_to_every_reader(data):
    assume(finite(data))
    text = json.dumps(data, ensure_ascii=False)
    assume("e" not in re.sub(r'"(?:[^"\\]|\\.)*"', "", text))  # 1e-07 is text in YAML 1.1
    assert parameters(text) == template(text) == data


@given(DATA)
def test_quoted_and_block_yaml_is_read_as_pyyaml_reads_it(data):
    assume(finite(data))
    text = yaml.safe_dump(data, default_flow_style=False)
    try:
        expected = yaml.safe_load(text)
    except yaml.YAMLError:
        assume(False)
    assert template(text) == expected


def plain(word: str) -> yaml.Node | None:
    """The node of a word that YAML takes for one unquoted scalar."""
    try:
        node = yaml.compose(f"v: {word}", Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return None
    value = (
        node.value[0][1] if isinstance(node, yaml.MappingNode) and len(node.value) == 1 else None
    )
    return value if isinstance(value, yaml.ScalarNode) and value.value == word else None


KEPT_AS_TEXT = re.compile(
    r"[-+]?0[0-9].*|0[ox].*|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)|.*\.([eE].*)?|[-+.0-9eE]*_.*"
)
"""Numbers of YAML 1.2 that parameters take for text, as `core_scalar` documents, and numbers with
underscores, which ruamel.yaml takes from YAML 1.1: section 10.3.2 of YAML 1.2 has none."""


@given(PLAIN)
@example("1e3")
@example("1:30")
@example("yes")
@example("0_")
@example("1_000")
def test_words_of_parameters_are_read_by_yaml_1_2(word):
    assume(plain(word) is not None)
    read = parameters(f"v: {word}")["v"]
    if KEPT_AS_TEXT.fullmatch(word):
        assert read == word
        return
    expected = YAML(typ="safe", pure=True).load(f"v: {word}")["v"]
    if not isinstance(expected, str | int | float | None):
        expected = word  # a date
    assert (read, type(read)) == (expected, type(expected))


@given(PLAIN)
@example("22:22")
@example("1:30.5")
@example("0777")
@example("012345678901")
@example("1_000")
def test_words_of_templates_are_read_by_yaml_1_1(word):
    node = plain(word)
    assume(node is not None)
    try:
        expected = yaml.safe_load(f"v: {word}")["v"]
    except ValueError:  # PyYAML fails at 0b and such
        assume(False)
    if isinstance(expected, float) and not math.isfinite(expected):
        with pytest.raises(InputError, match="cannot hold"):
            template(f"v: {word}")
        return
    if node.tag.endswith((":timestamp", ":value", ":merge")):
        expected = word
    read = template(f"v: {word}")["v"]
    assert (read, type(read)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (".inf", ".inf is a number that JSON, and so CloudFormation, cannot hold"),
        (".nan", ".nan is a number that JSON, and so CloudFormation, cannot hold"),
        ("!!int abc", "'abc' is no int"),
        ("!!float x", "'x' is no float"),
        ("!!bool perhaps", "'perhaps' is no bool"),
        ("!!int ''", "'' is no int"),
    ],
)
def test_scalar_that_is_no_value_is_refused_with_its_line(text, message):
    with pytest.raises(InputError) as refused:
        template(f"Metadata:\n  A: {text}\n")
    (problem,) = refused.value.problems
    assert (problem.code, problem.message, str(problem.where[0])) == ("SW103", message, "f:2")
    with pytest.raises(ValidationError) as invalid:
        parse_template(f"Metadata:\n  A: {text}\nResources: {{T: {{Type: A}}}}\n")
    assert (invalid.value.message, invalid.value.line) == (f"Template format error: {message}.", 2)


def test_alias_that_contains_itself_is_refused():
    with pytest.raises(InputError, match="an alias that contains itself"):
        template("a: &a [*a]")


def test_aliases_cannot_nest_values_without_end():
    chain = "a0: &a0 x\n" + "".join(
        f"a{n}: &a{n} {'[' * 50}*a{n - 1}{']' * 50}\n" for n in range(1, 40)
    )
    with pytest.raises(InputError, match="aliases nest values deeper than 128 levels"):
        template(chain)


def test_lines_follow_the_long_form_of_intrinsics():
    text = "A:\n  B: !Sub\n    - x\n    - C: 1\n"
    read = TemplateData(compose_yaml(text, "f"), "f")
    assert read.data == {"A": {"B": {"Fn::Sub": ["x", {"C": 1}]}}}
    assert read.lines["A", "B", "Fn::Sub", 1, "C"] == 4
