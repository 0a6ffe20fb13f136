"""Properties that hold for every template and every change."""

import json

import yaml
from hypothesis import given
from hypothesis import strategies as st

from stackwright.cfn import graph, template
from stackwright.cfn.changes import (
    Action,
    PhysicalResource,
    Replacement,
    StackSide,
    predict_changes,
)
from stackwright.cfn.difference import diff_values
from stackwright.cfn.template import parse_template
from stackwright.cfn.values import canonical_value

NAMES = "ABCD"
WORDS = st.sampled_from(["x", "y", "z"])


@st.composite
def values(draw, earlier):
    """A literal, or an expression over a parameter and the resources before this one."""
    forms = [WORDS, st.just({"Ref": "P"}), st.just({"Fn::Sub": "s-${P}"})]
    if earlier:
        other = draw(st.sampled_from(earlier))
        forms += [
            st.just({"Ref": other}),
            st.just({"Fn::GetAtt": [other, "DisplayName"]}),
            st.just({"Fn::Join": ["-", [draw(WORDS), {"Ref": other}]]}),
            st.just({"Fn::Sub": f"${{{other}}}-${{P}}"}),
            st.just({"Fn::If": ["C", {"Ref": other}, draw(WORDS)]}),
        ]
    return draw(st.one_of(forms))


@st.composite
def stacks(draw, physical=False):
    """Topics in a chain of references. Every topic has both properties, so that attributes
    resolve."""
    chosen = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(sorted))
    resources = {}
    for index, name in enumerate(chosen):
        properties = {key: draw(values(chosen[:index])) for key in ("DisplayName", "TopicName")}
        resources[name] = {"Type": "AWS::SNS::Topic", "Properties": properties}
    data = {
        "Parameters": {"P": {"Type": "String"}},
        "Conditions": {"C": {"Fn::Equals": [{"Ref": "P"}, "x"]}},
        "Resources": resources,
    }
    known = {name: PhysicalResource(f"{name}-1") for name in chosen} if physical else {}
    return StackSide(template.template_from_data(data), {"P": draw(WORDS)}, physical=known)


def executed(stack, before=None):
    """An oracle: makes the resources one by one as CloudFormation does, with real ids.

    Returns logical id -> (physical id, properties); a topic whose name changed gets a new id.
    """
    made = {}

    def value(node):
        if isinstance(node, str):
            return node
        ((name, argument),) = node.items()
        if name == "Ref":
            return stack.parameters["P"] if argument == "P" else made[argument][0]
        if name == "Fn::GetAtt":
            return made[argument[0]][1][argument[1]]
        if name == "Fn::Join":
            return argument[0].join(value(part) for part in argument[1])
        if name == "Fn::If":
            return value(argument[1] if stack.parameters["P"] == "x" else argument[2])
        text = argument.replace("${P}", stack.parameters["P"])
        for other, (id_, _) in made.items():
            text = text.replace(f"${{{other}}}", id_)
        return text

    for name, resource in stack.template.resources.items():
        properties = {key: value(node) for key, node in resource.properties.items()}
        old = (before or {}).get(name)
        kept = old is not None and old[1]["TopicName"] == properties["TopicName"]
        made[name] = (old[0] if kept else f"{name}-{2 if before else 1}", properties)
    return made


@given(stacks(physical=True))
def test_same_stack_has_no_changes(stack):
    assert predict_changes(stack, stack).changes == ()


@given(stacks(physical=True), stacks())
def test_prediction_agrees_with_execution(before, after):
    """A resource is modified if and only if its values change, and replaced if and only if its id
    does."""
    old = executed(before)
    new = executed(after, old)
    predicted = {change.logical_id: change for change in predict_changes(before, after).changes}
    for name in old.keys() | new.keys():
        change = predicted.get(name)
        if name not in old or name not in new:
            assert change.action == (Action.ADD if name in new else Action.REMOVE)
            continue
        assert (change is not None and change.real) == (old[name][1] != new[name][1])
        replaced = change is not None and change.replacement is not Replacement.FALSE
        if change is None or change.replacement is not Replacement.CONDITIONAL:
            assert replaced == (old[name][0] != new[name][0])


@given(stacks(physical=True), stacks())
def test_without_knowledge_of_aws_the_same_resources_change(before, after):
    ignorant = StackSide(before.template, before.parameters)

    def summary(side):
        return [
            (c.logical_id, c.action, c.replacement)
            for c in predict_changes(side, after).changes
            if c.real
        ]

    assert summary(before) == summary(ignorant)


@given(stacks(), stacks())
def test_api_form_is_json_and_lists_what_is_listed(before, after):
    prediction = predict_changes(before, after)
    for listed, change in zip(prediction.to_api(), prediction.listed, strict=True):
        shown = json.loads(json.dumps(listed))["ResourceChange"]
        assert shown["LogicalResourceId"] == change.logical_id
        assert (shown["Action"] == "Modify") == bool(shown["Details"])
        for key in ("BeforeContext", "AfterContext"):
            assert isinstance(json.loads(shown.get(key, "{}")), dict)


@given(stacks(), stacks())
def test_order_and_formatting_of_a_template_mean_nothing(before, after):
    shuffled = dict(reversed(after.template.data.items()))
    texts = (yaml.safe_dump(shuffled), json.dumps(shuffled))
    reread = [StackSide(parse_template(text), after.parameters) for text in texts]
    expected = predict_changes(before, after).to_api()
    assert [predict_changes(before, other).to_api() for other in reread] == [expected, expected]


@given(stacks())
def test_order_puts_everything_after_what_it_needs(stack):
    place = {name: index for index, name in enumerate(graph.order_resources(stack.template))}
    for name, needs in graph.find_dependencies(stack.template).items():
        assert all(place[other] < place[name] for other in needs)


TREES = st.recursive(
    st.one_of(st.text(max_size=3), st.integers(-5, 5), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=8,
)


@given(TREES, TREES)
def test_trees_without_differences_are_equal(one, other):
    assert (list(diff_values(one, other)) == []) == (canonical_value(one) == canonical_value(other))
    assert len({difference.path for difference in diff_values(one, other)}) == len(
        list(diff_values(one, other))
    )
