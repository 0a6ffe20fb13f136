"""A template cannot reach Python's internals, run without end, or fill the memory."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from stackwright.core.model import Problem
from tests.support.projects import Project, places

Make = Callable[..., Project]

ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''['__class__'] }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__.__globals__.os.popen('id').read() }}",
    "{{ namespace.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ range.__class__ }}",
    "{{ dict.mro() }}",
    "{{ dict.__base__ }}",
    "{{ fail.__self__ }}",
    "{{ fail.__globals__ }}",
    "{{ dynref.__globals__ }}",
    "{{ local_path.__func__.__globals__ }}",
    "{{ params.__class__ }}",
    "{{ params['__class__'] }}",
    "{{ params.items.__self__.__class__ }}",
    "{{ dotenv.__class__ }}",
    "{{ title.__class__ }}",
    "{{ title | attr('__class__') }}",
    "{{ '' | attr('__cla' ~ 'ss__') }}",
    "{{ [''] | map(attribute='__class__') | list }}",
    "{{ [''] | map('attr', '__class__') | list }}",
    "{{ [''] | groupby('__class__') }}",
    "{{ [''] | sort(attribute='__class__') }}",
    "{{ [''] | selectattr('__class__') | list }}",
    "{{ [''] | sum(attribute='__class__') }}",
    "{{ '{0.__class__}'.format('') }}",
    "{{ '{x.__class__}'.format_map({'x': ''}) }}",
    "{{ '{x.__class__}'.format(x='') }}",
    "{{ '{0[__class__]}'.format('') }}",
    "{% set f = '{0.__class__}'.format %}{{ f('') }}",
    "{{ (['{0.__class__}'] | map(attribute='format') | first)('') }}",
    "{{ ([1] | map('string')).gi_frame }}",
    "{{ ([1] | map('string')).gi_code }}",
    "{{ ([1] | select | attr('gi_frame')).f_globals }}",
    "{% macro m() %}{% endmacro %}{{ m.__call__.__func__.__globals__ }}",
    "{% macro m() %}{% endmacro %}{{ m._func }}",
    "{% set x = ''.__class__ %}A",
    "{% for x in ''.__class__.__mro__ %}{{ x }}{% endfor %}",
    "{{ ''.__class__ | default('x') }}",
    "{% do params.update({'a': 1}) %}",
    "{% do dotenv.plain.update({'a': 1}) %}",
    "{% do names.append(1) %}",
]


def only_problem(made: Project, *overrides: str) -> Problem:
    (problem,) = made.problems("dev", *overrides)
    return problem


@pytest.mark.parametrize("escape", ESCAPES)
def test_escape_from_sandbox_is_one_error_with_its_line(escape: str, project: Make) -> None:
    made = project(
        {
            "params/defaults.yaml": "title: news\nnames: [a]\n",
            "templates/main.yaml.j2": f"Resources: {{}}\n# {{{{ names }}}}\n{escape}\n",
        }
    )
    problem = only_problem(made)
    assert problem.code in ("SW102", "SW111"), problem
    assert places(problem)[0].startswith("templates/main.yaml.j2:"), problem
    assert "uid=" not in problem.message


def test_escape_in_a_condition_is_refused(project: Make) -> None:
    condition = "cycler.__init__.__globals__.os.popen('id').read()"
    made = project({"params/dev.yaml": f'stacks: [{{name: main, when: "{condition}"}}]\n'})
    problem = only_problem(made)
    assert problem.code == "SW111"
    assert places(problem) == ["params/dev.yaml:1"]


def test_escape_in_a_macro_names_macro_and_caller(project: Make) -> None:
    made = project(
        {
            "templates/macros/m.j2": "{% macro m() %}\n{{ ''.__class__ }}{% endmacro %}",
            "templates/main.yaml.j2": "{% import 'macros/m.j2' as x %}\nA: {{ x.m() }}\n",
        }
    )
    problem = only_problem(made)
    assert problem.code == "SW111"
    assert places(problem)[0] == "templates/macros/m.j2:2"
    assert "templates/main.yaml.j2:2" in places(problem)


ALLOWED = [
    "{{ '{0}-{1:>4}'.format(title, 7) }}",
    "{{ title.format() }}",
    "{{ (title ~ '{}').format(1) }}",
    "{% set acc = [] %}{% do acc.append(1) %}{{ acc[0] }}",
    "{% set ns = namespace(n=0) %}{% for i in range(9) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}",
    "{% set c = cycler('a', 'b') %}{{ c.next() }}",
    "{{ title.upper().replace('N', 'x') | center(40) | trim | length }}",
    "{% for a in [1, 2, 3] if a > 1 %}{{ loop.length }}{{ loop.last }}{% endfor %}",
    "{% for a in [[1], [2]] recursive %}{{ loop(a) if a is iterable else a }}{% endfor %}",
    "{{ '%s-%05d' % (title, 3) }}",
]


@pytest.mark.parametrize("expression", ALLOWED)
def test_ordinary_expressions_render_in_the_sandbox(expression: str, project: Make) -> None:
    made = project({"templates/main.yaml.j2": f"A: x{expression}\n# {{{{ title }}}}\nB: 1\n"})
    assert "B: 1" in made.document().text


BOMBS = [
    "{{ 'x' * 10**10 }}",
    "{{ 10**10 * 'x' }}",
    "{{ [1] * 10**10 }}",
    "{{ title * 10**10 }}",
    "{{ 9**(9**9) }}",
    "{{ 10**5000 }}",
    "{% set ns = namespace(n=9) %}{% for i in range(99) %}{% set ns.n = ns.n * ns.n %}{% endfor %}{{ ns.n }}",
    "{{ range(10**9) | list }}",
    "{{ range(10**30) | length }}",
    "{% for i in range(10**8) %}x{% endfor %}",
    "{{ 'x' | center(10**10) }}",
    "{{ 'x' | center(10000000000) }}",
    "{{ 'x'.center(10**10) }}",
    "{{ 'x'.ljust(10**10) }}",
    "{{ 'x'.zfill(10**10) }}",
    "{{ '\t'.expandtabs(10**10) }}",
    "{{ (1).to_bytes(length=10**10) }}",
    "{{ 'a\nb' | indent(10**10) }}",
    "{{ '%10000000000d' | format(1) }}",
    "{{ '%*d' | format(10**10, 1) }}",
    "{{ '%10000000000d' % 1 }}",
    "{{ '{:>10000000000}'.format(1) }}",
    "{{ '{:>{}}'.format(1, 10**10) }}",
    "{{ [1] | batch(10**10, 'x') | list }}",
    "{{ [1] | slice(10**10) | list }}",
    "{{ 1 | round(10**10, 'ceil') }}",
    "{{ {'a': 1} | tojson(indent=10**10) }}",
    "{{ ('a' * 10**6) | replace('a', 'b' * 10**6) }}",
    "{{ ('a' * 10**6).replace('a', 'b' * 10**6) }}",
    "{{ ('a' * 10**6).translate({97: 'b' * 10**6}) }}",
    "{{ ('a' * 10**6).join(range(10000) | map('string')) }}",
    "{{ range(100000) | map('string') | map('center', 10**6) | list | length }}",
    "{% set ns = namespace(t='xx') %}{% for i in range(60) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}{{ ns.t }}",
    "{% set ns = namespace(t='xx') %}{% for i in range(60) %}{% set ns.t = ns.t + ns.t %}{% endfor %}{{ ns.t }}",
    "{% set ns = namespace(t=[1]) %}{% for i in range(60) %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.t == ns.t }}",
    "{% set ns = namespace(t=(1,)) %}{% for i in range(60) %}{% set ns.t = (ns.t, ns.t) %}{% endfor %}{{ ns.t | string }}",
    "{% set ns = namespace(t={}) %}{% for i in range(60) %}{% set ns.t = {'a': ns.t, 'b': ns.t} %}{% endfor %}{{ ns.t | tojson }}",
    "{% set ns = namespace(t=[1]) %}{% for i in range(60) %}{% set l = [] %}{% do l.append(ns.t) %}{% do l.append(ns.t) %}{% set ns.t = l %}{% endfor %}{{ ns.t }}",
    "{% for i in range(100000) %}{{ 'y' * 1000 }}{% endfor %}",
    "{% for i in range(100000) %}{{ title }}{{ i }}zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz{% endfor %}",
]


@pytest.mark.parametrize("bomb", BOMBS)
def test_value_without_measure_is_refused_at_its_line(bomb: str, project: Make) -> None:
    made = project({"templates/main.yaml.j2": f"Resources: {{}}\n# {{{{ title }}}}\n{bomb}\n"})
    started = time.monotonic()
    problem = only_problem(made)
    assert problem.code == "SW112", problem
    assert places(problem)[0].startswith("templates/main.yaml.j2:"), problem
    assert time.monotonic() - started < 20


LOOPS = [
    "{% for a in range(100000) %}{% for b in range(100000) %}{% set x = b %}{% endfor %}{% endfor %}",
    "{% for a in range(100000) if range(100000) | sum < 0 %}{% endfor %}",
    "{% macro m(n) %}{% if n %}{% set a = m(n - 1) %}{% set b = m(n - 1) %}{% endif %}{% endmacro %}{{ m(60) }}",
    "{% set ns = namespace(n=0) %}{% for a in range(99999) recursive %}{% set x = loop([1, 2]) if loop.depth < 40 %}{% endfor %}",
    "{{ range(100000) | select('in', range(100000) | list) | map('string') | select('in', range(99999) | map('string') | list) | list | length }}",
]


@pytest.mark.parametrize("loop", LOOPS)
def test_loop_without_end_is_refused_at_its_line(
    loop: str, project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACKWRIGHT_RENDER_SECONDS", "0.5")
    made = project({"templates/main.yaml.j2": f"Resources: {{}}\n# {{{{ title }}}}\n{loop}\n"})
    started = time.monotonic()
    problem = only_problem(made)
    assert problem.code == "SW112", problem
    assert "longer than 0.5 seconds" in problem.message
    assert "templates/main.yaml.j2:3" in places(problem)
    assert time.monotonic() - started < 20


def test_endless_condition_is_refused_at_the_stack(
    project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACKWRIGHT_RENDER_SECONDS", "0.5")
    made = project({"params/dev.yaml": "stacks: [{name: main, when: '9**(9**9) > 1'}]\n"})
    problem = only_problem(made)
    assert (problem.code, places(problem)) == ("SW112", ["params/dev.yaml:1"])


@pytest.mark.parametrize(
    "text", ["{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "{{ " + "9" * 5000 + " }}"]
)
def test_expression_that_python_refuses_is_an_error_with_its_file(text: str, project: Make) -> None:
    made = project({"templates/main.yaml.j2": f"Resources: {{}}\n# {{{{ title }}}}\n{text}\n"})
    assert places(only_problem(made))[0].startswith("templates/main.yaml.j2:")


NINES = "9" * 5000


@pytest.mark.parametrize(
    ("files", "overrides", "place"),
    [
        ({"params/dev.yaml": f"a: 1\nn: {NINES}\n"}, (), "params/dev.yaml:2"),
        ({"params/dev.yaml": f"a: 1\nn: -{NINES}\n"}, (), "params/dev.yaml:2"),
        ({"params/dev.yaml": "n: 1.0e999\n"}, (), "params/dev.yaml:1"),
        ({}, (f"title={NINES}",), "--set title:1"),
        (
            {
                "params/schema.json": '{"properties": {"n": {"type": "integer", "x-aws-env": "N"}}}',
                "env/dev/aws.env": f"A=1\nN={NINES}\n",
            },
            (),
            "env/dev/aws.env:2",
        ),
        ({"params/schema.json": f'{{"default": {NINES}}}'}, (), "params/schema.json:1"),
        (
            {"templates/main.yaml.j2": f"A: {{{{ title }}}}\nB: {NINES}\n"},
            (),
            "templates/main.yaml.j2:2",
        ),
        (
            {"templates/main.yaml.j2": f"A: {{{{ title }}}}\nB: 0x{NINES}\n"},
            (),
            "templates/main.yaml.j2:2",
        ),
    ],
)
def test_number_with_too_many_digits_is_an_error_with_its_line(
    files: dict[str, str], overrides: tuple[str, ...], place: str, project: Make
) -> None:
    problem = only_problem(project(files), *overrides)
    assert places(problem)[0] == place
    assert NINES not in problem.message


def test_digits_of_a_text_variable_are_kept(project: Make) -> None:
    made = project(
        {
            "env/dev/.env": f"N={NINES}\n",
            "templates/main.yaml.j2": "A: {{ title }}\nB: {{ dotenv.plain.N }}\n",
        }
    )
    assert f"B: '{NINES}'" in made.document().text
