"""Wiring: every Parameter has exactly one source or a problem, whatever the interfaces and the
order of names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackwright.core.model import (
    Config,
    Declaration,
    Dotenv,
    Interface,
    Line,
    Location,
    Source,
    SourceKind,
    Wiring,
)
from stackwright.render.wire import wire_root

NAMES = ("VpcId", "Url", "WebImage", "AppSecretVersionId", "Subnets")


def interface(
    name: str,
    takes: Iterable[str] = (),
    offers: Iterable[str] = (),
    optional: Iterable[str] = (),
    **more: object,
) -> Interface:
    """A stack whose Parameters stand on lines 1, 2, …, and its Outputs below them."""
    body = {
        name: {"Type": "String", **({"Default": "x"} if name in set(optional) else {})}
        for name in takes
    }
    parameters = {name: Declaration(name, body[name], line) for line, name in enumerate(body, 1)}
    outputs = {name: Declaration(name, {}, line) for line, name in enumerate(offers, len(body) + 1)}
    lines = tuple(
        Line((Location(f"templates/{name}.yaml.j2", n + 1),))
        for n in range(len(body) + len(outputs))
    )
    return Interface(name, parameters, outputs, frozenset(more.get("reads", ())), lines)  # type: ignore[arg-type]


def config(images: Iterable[str] = (), secrets: Iterable[str] = ()) -> Config:
    parameters = {
        "images": {image: {} for image in images},
        "secrets": {secret: {} for secret in secrets},
    }
    return Config(Path(), "dev", parameters, {}, (), Dotenv({}, (), {}, {}, {}))


def wired(
    root: Interface,
    nested: Iterable[Interface],
    earlier: Iterable[Interface] = (),
    **given: tuple[str, ...],
) -> Wiring:
    return wire_root(root, list(nested), given, list(earlier), config(["web"], ["app"]))


@dataclass(frozen=True)
class World:
    """A root, its nested stacks and the roots before it."""

    root: Interface
    nested: tuple[Interface, ...]
    earlier: tuple[Interface, ...]
    given: Mapping[str, tuple[str, ...]]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    names = st.lists(st.sampled_from(NAMES), unique=True, max_size=3)

    def stack(name: str) -> Interface:
        takes = draw(names)
        reads = draw(
            st.lists(
                st.tuples(st.sampled_from(["A", "B", "C"]), st.sampled_from(NAMES)), max_size=2
            )
        )
        return interface(
            name, takes, draw(names), [name for name in takes if draw(st.booleans())], reads=reads
        )

    nested = tuple(stack(f"app/{name}") for name in ("a", "b", "c")[: draw(st.integers(0, 3))])
    given_names = {
        stack.name.partition("/")[2]: tuple(draw(names)) for stack in nested if draw(st.booleans())
    }
    earlier = tuple(stack(name) for name in ("first", "second")[: draw(st.integers(0, 2))])
    return World(stack("app"), nested, earlier, given_names)


def expected(world: World, place: int, name: str) -> list[Source]:
    """All sources of one Parameter of one nested stack, by the documented rule."""
    stack = world.nested[place]
    sources = []
    if name in world.given.get(stack.name.partition("/")[2], ()):
        sources.append(Source(SourceKind.GIVEN, name))
    sources += [
        Source(SourceKind.SIBLING, name, stack.name.partition("/")[2])
        for stack in world.nested[:place]
        if name in stack.outputs
    ]
    if name in world.root.parameters:
        return [*sources, Source(SourceKind.ROOT, name, "app")]
    return sources + outside(world, name)


def outside(world: World, name: str) -> list[Source]:
    sources = [
        Source(SourceKind.OUTPUT, name, stack.name)
        for stack in world.earlier
        if name in stack.outputs
    ]
    sources += [Source(SourceKind.IMAGE, "web")] if name == "WebImage" else []
    return sources + ([Source(SourceKind.SECRET, "app")] if name == "AppSecretVersionId" else [])


def check_world(world: World) -> None:
    wiring = wire_root(
        world.root, world.nested, world.given, world.earlier, config(["web"], ["app"])
    )
    codes: dict[str, set[str]] = {}
    for problem in wiring.problems:
        codes.setdefault(str(problem.where[0]), set()).add(problem.code)
    assert set(wiring.nested) == {stack.name.partition("/")[2] for stack in world.nested}
    needed: dict[str, Source] = {}
    for place, stack in enumerate(world.nested):
        chosen = wiring.nested[stack.name.partition("/")[2]]
        for parameter in stack.parameters.values():
            sources = expected(world, place, parameter.name)
            at = codes.get(f"templates/{stack.name}.yaml.j2:{parameter.line}", set())
            assert ("SW202" in at) == (len(sources) > 1)
            assert bool(at & {"SW201", "SW205"}) == (
                not sources and "Default" not in parameter.body
            )
            assert chosen.get(parameter.name) == (sources[0] if len(sources) == 1 else None)
            if len(sources) == 1 and sources[0].kind in (
                SourceKind.OUTPUT,
                SourceKind.IMAGE,
                SourceKind.SECRET,
            ):
                needed[parameter.name] = sources[0]
    assert set(wiring.parameters) == set(needed)
    assert not set(wiring.parameters) & set(world.root.parameters)
    for name in world.root.parameters:
        sources = outside(world, name)
        assert wiring.sources.get(name) == (sources[0] if len(sources) == 1 else None)
    assert {
        name: source for name, source in wiring.sources.items() if name not in world.root.parameters
    } == needed
    check_unused(world, wiring)


def check_unused(world: World, wiring: Wiring) -> None:
    taken = {
        (source.stack, source.name)
        for sources in wiring.nested.values()
        for source in sources.values()
    }
    unused = {
        (stack.name, output)
        for stack in world.nested
        for output in stack.outputs
        if (stack.name.partition("/")[2], output) not in taken
        and (stack.name.partition("/")[2].upper(), output) not in world.root.reads
    }
    reported = [problem for problem in wiring.problems if problem.code == "SW204"]
    assert len(reported) == len(unused)
    for stack, output in unused:
        assert any(
            problem.message == f"no stack uses the Output {output} of {stack}"
            for problem in reported
        )


@given(worlds())
def test_every_parameter_has_one_source_or_a_problem(world: World) -> None:
    check_world(world)


def shuffled(stack: Interface) -> Interface:
    """The same stack with its names in another order."""
    parameters = dict(reversed(list(stack.parameters.items())))
    return Interface(
        stack.name,
        parameters,
        dict(reversed(list(stack.outputs.items()))),
        stack.reads,
        stack.lines,
    )


@given(worlds())
def test_wiring_does_not_depend_on_order(world: World) -> None:
    settings_ = config(["web"], ["app"])
    one = wire_root(world.root, world.nested, world.given, world.earlier, settings_)
    two = wire_root(
        shuffled(world.root),
        [shuffled(stack) for stack in world.nested],
        {name: tuple(reversed(names)) for name, names in reversed(list(world.given.items()))},
        [shuffled(stack) for stack in world.earlier],
        settings_,
    )
    assert (one.nested, one.parameters, one.sources) == (two.nested, two.parameters, two.sources)
    assert set(one.problems) == set(two.problems)


def test_every_kind_of_source_is_wired() -> None:
    network = interface("app/network", offers=["VpcId"])
    service = interface(
        "app/service", ["VpcId", "Zone", "Url", "WebImage", "AppSecretVersionId", "Level"]
    )
    wiring = wired(
        interface("app", ["Zone"]),
        [network, service],
        [interface("base", offers=["Url"])],
        service=("Level",),
    )
    assert wiring.problems == ()
    assert wiring.nested["service"] == {
        "VpcId": Source(SourceKind.SIBLING, "VpcId", "network"),
        "Zone": Source(SourceKind.ROOT, "Zone", "app"),
        "Url": Source(SourceKind.OUTPUT, "Url", "base"),
        "WebImage": Source(SourceKind.IMAGE, "web"),
        "AppSecretVersionId": Source(SourceKind.SECRET, "app"),
        "Level": Source(SourceKind.GIVEN, "Level"),
    }
    assert list(wiring.parameters) == ["Url", "WebImage", "AppSecretVersionId"]
    assert wiring.parameters["Url"] == service.parameters["Url"]
    assert set(wiring.sources) == {"Url", "WebImage", "AppSecretVersionId"}


def test_root_uses_outputs_of_earlier_roots() -> None:
    wiring = wired(interface("app", ["Url", "ByHand"]), [], [interface("base", offers=["Url"])])
    assert wiring.sources == {"Url": Source(SourceKind.OUTPUT, "Url", "base")}
    assert wiring.problems == ()


def test_output_of_two_earlier_roots_is_ambiguous() -> None:
    earlier = [interface("one", offers=["Url"]), interface("two", offers=["Url"])]
    (problem,) = wired(interface("app", ["Url"]), [], earlier).problems
    assert problem.code == "SW202"
    assert (
        problem.message
        == "the Parameter Url of app has 2 sources: the Output of one; the Output of two"
    )
    assert problem.hint == "rename all but one of them"
    assert str(problem.where[0]) == "templates/app.yaml.j2:1"


def test_declaration_of_the_root_comes_first() -> None:
    one, two = interface("app/one", ["Url"]), interface("app/two", ["X", "Url"])
    wiring = wired(interface("app", ["X"]), [one, two], [interface("base", offers=["Url"])])
    assert wiring.parameters["Url"].line == 1


def test_default_is_used_only_without_a_source() -> None:
    one, two = (
        interface("app/one", offers=["VpcId"]),
        interface("app/two", ["VpcId", "Url"], optional=["VpcId", "Url"]),
    )
    wiring = wired(interface("app"), [one, two])
    assert wiring.nested["two"] == {"VpcId": Source(SourceKind.SIBLING, "VpcId", "one")}
    assert wiring.problems == ()


def test_output_read_by_the_root_counts_as_used() -> None:
    one = interface("app/url-store", offers=["Url", "Other"])
    (problem,) = wired(interface("app", reads=[("UrlStore", "Url")]), [one]).problems
    assert (problem.code, problem.message) == (
        "SW204",
        "no stack uses the Output Other of app/url-store",
    )
    assert problem.hint == "remove it, or declare a Parameter Other in a later stack"
    assert str(problem.where[0]) == "templates/app/url-store.yaml.j2:2"


@pytest.mark.parametrize(
    ("nested", "hint"),
    [
        (
            [interface("app/a", ["Url"])],
            "^Add the Output to an earlier stack, or declare the Parameter in the root app",
        ),
        ([interface("app/a", ["WebImag"])], "did you mean WebImage? Add the Output"),
        ([interface("app/a", ["Zon"])], "did you mean Zone? Add the Output"),
        ([interface("app/a", ["Bas"])], "did you mean Base? Add the Output"),
        (
            [interface("app/a", ["Url"]), interface("app/b", offers=["Url"])],
            "app/b has that Output but comes later",
        ),
        (
            [
                interface("app/a", ["Url"]),
                interface("app/b", offers=["Url"]),
                interface("app/c", offers=["Url"]),
            ],
            "^app/b, app/c has that Output but comes later: change the order in stacks:",
        ),
        (
            [interface("app/a", ["Url"], ["Url"])],
            "app/a itself has that Output: a stack cannot take its own",
        ),
    ],
)
def test_missing_source_names_the_closest_candidate(nested: list[Interface], hint: str) -> None:
    wiring = wired(interface("app", ["Zone"]), nested, [interface("earlier", offers=["Base"])])
    problem = next(problem for problem in wiring.problems if problem.code in ("SW201", "SW205"))
    assert hint in f"^{problem.hint}"
    assert problem.message.startswith("nothing supplies the Parameter ")
    assert problem.message.split()[-1] == "app/a"
    assert (problem.code == "SW205") == ("later" in hint or "own" in hint)
    assert "circle" not in problem.message


def test_circle_through_three_stacks_is_refused() -> None:
    nested = [
        interface("app/a", ["Url"], ["VpcId"]),
        interface("app/b", ["VpcId"], ["Subnets"]),
        interface("app/c", ["Subnets"], ["Url"]),
    ]
    problem = next(
        problem for problem in wired(interface("app"), nested).problems if problem.code == "SW205"
    )
    assert problem.message.endswith("the stacks depend on each other in a circle")


def test_circle_is_refused() -> None:
    nested = [interface("app/a", ["Url"], ["VpcId"]), interface("app/b", ["VpcId"], ["Url"])]
    problem = next(
        problem for problem in wired(interface("app"), nested).problems if problem.code == "SW205"
    )
    assert problem.message.endswith("the stacks depend on each other in a circle")


@pytest.mark.parametrize(
    ("given_", "hint"),
    [("VpcI", "did you mean VpcId?"), ("Zzz", "it has: Url, VpcId")],
)
def test_value_for_an_unknown_parameter_is_refused(given_: str, hint: str) -> None:
    stack = interface("app/a", ["VpcId", "Url"], optional=["VpcId", "Url"])
    (problem,) = wired(interface("app"), [stack], a=(given_,)).problems
    assert (problem.code, problem.message) == (
        "SW203",
        f"app/a has no Parameter {given_} to give a value",
    )
    assert problem.hint == hint
    assert str(problem.where[0]) == "templates/app/a.yaml.j2:1"


def test_line_outside_of_the_map_names_the_stack() -> None:
    stack = Interface(
        "app/a", {"Url": Declaration("Url", {}, 0)}, {}, frozenset(), interface("x", ["Y"]).lines
    )
    (problem,) = wired(interface("app"), [stack]).problems
    assert problem.where == (Location("app/a"),)


def test_value_for_a_stack_without_parameters_is_refused() -> None:
    (problem,) = wired(interface("app"), [interface("app/a")], a=("X",)).problems
    assert problem.hint == "it has: none"
    assert problem.where == (Location("app/a"),)
