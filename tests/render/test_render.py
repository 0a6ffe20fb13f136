"""Jinja as authors know it: inheritance, filters, joins, maps and their methods; unused parameters;
aliases."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stackwright.core.model import dotted
from tests.support.projects import Project, line_with, origin, places, yaml_1_1

Make = Callable[..., Project]


def resource(project: Make, body: str, params: str = "", **files: str) -> dict[str, object]:
    text = f"# {{{{ title }}}}\nResources:\n  R:\n{body}"
    made = project({"templates/main.yaml.j2": text, "params/dev.yaml": params, **files})
    properties = yaml_1_1(made.document().text)["Resources"]["R"]
    assert isinstance(properties, dict)
    return properties


def test_templates_inherit_blocks(project: Make) -> None:
    made = project(
        {
            "templates/base/base.j2": (
                "# {{ title }}\nResources:\n  R:\n    A: base\n{% block body %}\n{% endblock %}\n    C: end\n"
            ),
            "templates/main.yaml.j2": (
                "{% extends 'base/base.j2' %}\nlost: {{ title }}\n"
                "{% block body %}\n    B: {{ title }}\n{% endblock %}\n"
            ),
        }
    )
    document = made.document()
    assert yaml_1_1(document.text) == {"Resources": {"R": {"A": "base", "B": "news", "C": "end"}}}
    assert origin(document, "A: base") == ["base/base.j2:4"]
    assert origin(document, "B: news") == ["main.yaml.j2:4"]
    assert origin(document, "C: end") == ["base/base.j2:7"]
    assert {dotted(path) for path in document.lines[line_with(document, "B: news")].parameters} == {
        "title"
    }


def test_super_block_keeps_its_lines(project: Make) -> None:
    made = project(
        {
            "templates/base/base.j2": "Resources:\n  R:\n{% block body %}\n    A: {{ title }}\n{% endblock %}\n",
            "templates/main.yaml.j2": (
                "{% extends 'base/base.j2' %}\n{% block body %}\n{{ super() }}\n    B: 2\n{% endblock %}\n"
            ),
        }
    )
    document = made.document()
    assert yaml_1_1(document.text)["Resources"]["R"] == {"A": "news", "B": 2}
    assert origin(document, "A: news")[0] == "base/base.j2:4"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("{{ 'a' ~ 1 ~ true ~ 2.5 ~ 'b' }}", "a1true2.5b"),
        ("{{ dynref('ssm', '/x') ~ '-y' }}", "{{resolve:ssm:/x}}-y"),
        ("{{ 'n: ' ~ dynref('ssm', '/x') }}", "n: {{resolve:ssm:/x}}"),
        ("{{ m.a }}", 1),
        ("{{ m['a'] }}", 1),
        ("{{ m.get('z', 'none') }}", "none"),
        ("{{ m.keys() | list }}", ["a", "items"]),
        ("{{ m.values() | list }}", [1, 2]),
        ("{{ m | length }}", 2),
        ("{{ m.items }}", 2),
        ("{{ 'a' in m }}", True),
        ("{% for key in m %}{{ key }}{% endfor %}", "aitems"),
        ("{{ (1, 2) }}", [1, 2]),
        ("{{ 'x\ny' | indent(2) }}", "x\n  y"),
        ("{{ [3, 1, 2] | sort }}", [1, 2, 3]),
        ("{{ {'b': 1, 'a': {'c': m.a}} }}", {"b": 1, "a": {"c": 1}}),
        ("{{ dict(m, b=2) }}", {"a": 1, "items": 2, "b": 2}),
        ("{{ 'UrlStore' == ('url-store' | logical_id) }}", True),
        ("{{ '%05d' | format(7) }}", "00007"),
        ("{{ '0' * 3 }}", "000"),
        ("{{ title | default('x') }}", "news"),
        ("{{ nope | default('x') }}", "x"),
        ("{{ nope is defined }}", False),
        ("{{ n is none }}", True),
        ("{{ n or 'x' }}", "x"),
        ("{{ 1 if n is none else 2 }}", 1),
        ("{{ 7 // 2 }}", 3),
        ("{{ 1.0 * 3 }}", 3.0),
        ("{{ 2 ** 70 }}", 2**70),
        ("{{ environment }}", "dev"),
        ("{{ region | default('none') }}", "none"),
        ("{{ '<a href=\"x\">' }}", '<a href="x">'),
        ("{{ '<b>' | e }}", "&lt;b&gt;"),
        ("{% do acc.append(1) %}{{ acc }}", [1]),
        ("{% for i in range(9) %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}", "012"),
        ("{% raw %}{{ x }}{% endraw %}", None),
    ],
)
def test_expressions_keep_their_types(expression: str, value: object, project: Make) -> None:
    body = f"{{% set acc = [] %}}\n    V: {expression}\n    # {{{{ m.a }}}} {{{{ m.items }}}} {{{{ n }}}}\n"
    if value is None:
        body = body.replace("V: ", 'V: "').replace("endraw %}", 'endraw %}"')
        value = "{{ x }}"
    assert resource(project, body, "m: {a: 1, items: 2}\nn:\n")["V"] == value


def test_macro_result_can_be_joined_and_measured(project: Make) -> None:
    body = (
        "{% macro part(x) %}\n{{ x }}: {{ title }}\n{% endmacro %}\n    {{ part('a') ~ part('b') }}\n"
        "    L: {{ part('a').splitlines() | length }}\n    T: {{ 'yes' if part('a') | trim else 'no' }}\n"
    )
    assert resource(project, body) == {"a": "news", "b": "news", "L": 1, "T": "yes"}


def test_empty_macro_leaves_no_line(project: Make) -> None:
    body = (
        "{% macro none_() %}\n{% endmacro %}\n    {{ none_() }}\n"
        "    A: x{{ none_() }}\n    B:\n      - 1\n      {{ none_() }}\n"
    )
    text = f"# {{{{ title }}}}\nResources:\n  R:\n{body}"
    document = project({"templates/main.yaml.j2": text}).document()
    assert document.text.splitlines()[2:] == [
        "Resources:",
        "  R:",
        "    A: x",
        "    B:",
        "      - 1",
    ]


def test_names_given_to_a_stack_win_over_parameters(project: Make) -> None:
    made = project(
        {
            "params/defaults.yaml": "title: x\nstacks:\n  - {name: one, template: main, with: {who: a, title: mine}}\n",
            "templates/main.yaml.j2": "A: {{ who }}{{ title }}{{ params.title }}\n",
        }
    )
    assert "A: aminex\n" in made.document("one").text


def test_variables_and_secret_names_are_available(project: Make) -> None:
    with_names = {"env/dev/.env": "A=1\n", "env/dev/keys.env.example": "K=\n"}
    body = "    A: {{ dotenv.plain }}\n    K: {{ dotenv.secret_names }}\n    F: {{ dotenv.function }}\n"
    assert resource(project, body, "", **with_names) == {"A": {"A": "1"}, "K": ["K"], "F": {}}


# --- unused parameters ---


@pytest.mark.parametrize(
    ("params", "use", "unused"),
    [
        ("a: {b: 1, c: 2}\n", "{{ a }}", []),
        ("a: {b: 1, c: 2}\n", "{{ a.items() | list | length }}", []),
        ("a: {b: 1, c: 2}\n", "{% for k in a %}{% endfor %}", []),
        ("a: {b: 1, c: 2}\n", "{{ a['b'] }}", ["a.c"]),
        ("a: {b: 1, c: 2}\n", "{{ a.b }}{% if false %}{{ a.c }}{% endif %}", []),
        ("a: {b: {c: 1}, d: {c: 2}}\n", "{{ a.b.c }}", ["a.d.c"]),
        ("a: [{b: 1, c: 2}]\n", "{{ a[0].b }}", []),
        ("a: [1, 2]\n", "{{ a[0] }}", []),
        ("a: []\nb: {}\n", "", ["a", "b"]),
        (
            "images: {x: {y: 1}}\nsecrets: {z: 1}\nregion: eu-west-1\naccount_id: '1'\nvariables: {plain: []}\n",
            "",
            [],
        ),
        ("a: 1\n", "{# a #}", ["a"]),
        ("a: 1\n", "a", ["a"]),
        ("a-b: 1\n", "{{ params['a-b'] }}", []),
        ("a: {b: {c: 1}, d: {c: 1}}\n", "{% if false %}{{ a.b.c }}{{ a['d'].c }}{% endif %}", []),
        ("a: {b: {c: 1}, d: {c: 1}}\n", "{% if false %}{{ a[title].c }}{% endif %}", []),
        ("a: {b: {c: 1}, d: {c: 1}}\n", "{% if false %}{{ a.b.c }}{{ a[title].c }}{% endif %}", []),
        (
            "a: {b: {c: 1}, d: {c: 1}}\n",
            "{% set x = a %}{% if false %}{{ x[title].c }}{% endif %}",
            [],
        ),
        (
            "a: {b: {c: 1}, d: {c: 1}}\n",
            "{% if false %}{{ a.get(title).c }}{% endif %}{{ a.b.c }}",
            [],
        ),
        ("a: {b: {c: 1}, d: {c: 1}}\n", "{% for n in ['b'] %}{{ a[n].c }}{% endfor %}", []),
        ("a: {2x: {c: 1}, b: {c: 1}}\n", "{{ a.b.c }}{% if false %}{{ a['2x'].c }}{% endif %}", []),
        (
            "a: {b: {c: 1}, x.y: {c: 1}}\n",
            "{{ a.b.c }}{% if false %}{{ a['x.y'].c }}{% endif %}",
            [],
        ),
        (
            "a: {b: {c: 1}, d: {c: 1}}\n",
            "{{ a.b.c }}{% if false %}{{ a.values() | map('x') }}{% endif %}",
            [],
        ),
        (
            "a: {b: {c: 1}, d: {c: 1}}\n",
            "{{ a.b.c }}{% if false %}{{ m(a) }}{{ m(a.b) }}{% endif %}",
            [],
        ),
        (
            "a: {b: {c: 1}, d: {c: 1}}\n",
            "{{ a.b.c }}{% if false %}{{ fail('a is bad') }}{% endif %}",
            ["a.d.c"],
        ),
        (
            "a: {b: {c: {x: 1}, d: {x: 1}}}\n",
            "{{ a.b.c.x }}{% if false %}{{ params['a']['b'][y].x }}{% endif %}",
            [],
        ),
        ("b: {c: 1}\n", "{% if false %}{{ params[title].c }}{% endif %}", []),
        ("b: {c: 1}\nd: {c: 2}\n", "{{ b.c }}", ["d.c"]),
        ("tags: {team: news}\n", "of the stacks, not of a template", []),
        ("b: {c: 1}\nd: {c: {e: 2, f: 3}}\n", "{{ b.c }}", ["d.c.e", "d.c.f"]),
    ],
)
def test_unused_parameters_are_reported(
    params: str, use: str, unused: list[str], project: Make
) -> None:
    text = f"# {{{{ title }}}}\n# {use}\n\nA: 1\n"
    problems = project({"params/dev.yaml": params, "templates/main.yaml.j2": text}).problems()
    assert [problem.message.rpartition(" ")[2] for problem in problems] == unused
    assert all(
        problem.code == "SW110" and problem.where[0].path == "params/dev.yaml"
        for problem in problems
    )


def test_parameter_of_a_stack_condition_counts_as_used(project: Make) -> None:
    made = project(
        {"params/defaults.yaml": "title: x\non: true\nstacks:\n  - {name: main, when: on}\n"}
    )
    assert made.problems() == ()


# --- what CloudFormation's YAML lacks ---


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("    A: &x {b: 1}\n    B: *x\n", 5),
        ("    A: &x [*x]\n", 4),
        ("    A: &x {b: *x}\n", 4),
        ("    A: &x 1\n    *x : 2\n", 5),
    ],
)
def test_aliases_are_refused(body: str, line: int, project: Make) -> None:
    """Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html"""
    (problem,) = project(
        {"templates/main.yaml.j2": f"# {{{{ title }}}}\nResources:\n  R:\n{body}"}
    ).problems()
    assert (problem.code, places(problem)) == ("SW103", [f"templates/main.yaml.j2:{line}"])
    assert "alias" in problem.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("017", 15),
        ("0x1F", 31),
        ("1_000", 1000),
        ("1e3", "1e3"),
        ("1.5e+3", 1500.0),
        ("12:30", 750),
        ("1:30.5", 90.5),
        ("!!int '12'", 12),
        ("!GetAtt A", {"Fn::GetAtt": "A"}),
        ("2026-01-31", "2026-01-31"),
        ("~", None),
        ("!!str 5", "5"),
        ("!Ref X", {"Ref": "X"}),
        ("!Condition X", {"Condition": "X"}),
        ("!GetAtt A.B.C", {"Fn::GetAtt": ["A", "B.C"]}),
        ("!GetAtt [A, B]", {"Fn::GetAtt": ["A", "B"]}),
        ("!Base64 x", {"Fn::Base64": "x"}),
        ("!If [A, !Ref B, 1]", {"Fn::If": ["A", {"Ref": "B"}, 1]}),
    ],
)
def test_template_scalars_are_read_by_yaml_1_1(text: str, value: object, project: Make) -> None:
    made = project(
        {
            "templates/main.yaml.j2": f"# {{{{ title }}}}\nResources:\n  R: {{A: {text}}}\n".replace(
                "{{A", "{A"
            )
        }
    )
    scalar = made.document().resources()["R"]["A"]
    assert (scalar, type(scalar)) == (value, type(value))


def test_long_and_non_ascii_list_items_stay_on_one_line(project: Make) -> None:
    long = "word " * 60 + "end"
    made = project(
        {
            "templates/main.yaml.j2": "# {{ title }}\nResources:\n  R:\n    A: {{ v }}\n",
            "params/dev.yaml": f"v: [{long}, Grüße, [b, a]]\n",
        }
    )
    assert made.document().text.splitlines()[-5:] == [
        "    A:",
        f"      - {long}",
        '      - "Gr\\xFC\\xDFe"',
        "      - - b",
        "        - a",
    ]


def test_non_ascii_texts_of_a_template_are_escaped_line_by_line(project: Make) -> None:
    text = (
        "# {{ title }} — für alle\nDescription: Grüße\nResources:\n  R:\n    Code: |\n"
        "      # für alle\n\n        {{ v }}\n    Größe: !Sub ${A} 🚀\n"
    )
    document = project({"templates/main.yaml.j2": text, "params/dev.yaml": "v: 世\n"}).document()
    assert document.text.splitlines()[1:] == [
        "# news \\u2014 f\\u00fcr alle",
        'Description: "Gr\\u00fc\\u00dfe"',
        "",
        "Resources:",
        "  R:",
        '    Code: "\\',
        "      # f\\u00fcr alle\\n\\",
        "      \\n\\",
        '      \\  \\u4e16\\n"',
        '    "Gr\\u00f6\\u00dfe": !Sub "${A} \\U0001f680"',
    ]
    resource = document.body["Resources"]["R"]
    assert resource["Code"] == "# für alle\n\n  世\n"
    assert resource["Größe"] == {"Fn::Sub": "${A} 🚀"}
    assert yaml_1_1(document.text)["Resources"]["R"]["Code"] == resource["Code"]


def test_comments_stay_with_the_resource_below_them(project: Make) -> None:
    text = "# {{ title }}\nResources:\n  A:\n    T: |\n      x\n  # of B\n  # too\n  B: {Type: x}\n  C: {Type: x}\n"
    document = project({"templates/main.yaml.j2": text}).document()
    assert document.text.splitlines()[3:] == [
        "  A:",
        "    T: |",
        "      x",
        "",
        "  # of B",
        "  # too",
        "  B: {Type: x}",
        "",
        "  C: {Type: x}",
    ]
    blank = document.text.splitlines().index("")
    assert document.lines[blank].origin[0].line == 6
