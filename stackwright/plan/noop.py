"""Target and live stack -> whether there is anything to change, told without a change set: by one
call at most.

Only what is certain counts. Whatever CloudFormation resolves itself may have moved although the
text is the same, and what cannot be compared may differ: a change set has to tell then.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping

from ..cfn import Template, ValidationError, parse_template
from ..diff import Diff
from .live_stack import LiveStack, stack_identity
from .model import DesiredStack, RootAction, RootPlan

_AT_REST = frozenset(("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"))
"""After a rollback resources may have been skipped, so that the stack is not what its template
says."""

_RESOLVED = re.compile(
    r"AWS::SSM::Parameter::"  # a parameter whose value is looked up in each update
    r"|(?:Fn::|!)GetAZs"
    r"|^Transform\b|\"Transform\"|(?:Fn::|!)Transform"  # macros see more than the template
    r"|\{\{resolve:ssm(?:-secure)?:(?![^}]*:\d+\}\})",
    re.MULTILINE,
)
"""What the same text may resolve to otherwise. Dynamic references to secrets are not fetched again
as long as the text that holds them stays
(https://repost.aws/knowledge-center/cloudformation-stack-update-secrets), nor are those to a
version of an SSM parameter."""
_MAY_RESOLVE = ("SSM::Parameter::", "GetAZs", "Transform", "resolve:ssm")
"""One of them is in every text that `_RESOLVED` matches: looking for plain text first takes a tenth
of the time."""

_NESTED = re.compile(r"TemplateURL[\"']?\s*:\s*[\"']?([^\s\"',}]+)")


def plan_noop(desired: DesiredStack, live: LiveStack | None) -> RootPlan | None:
    """The plan of a root that is what it is asked to become, made by reading alone; None where a
    change set has to tell. Raises AwsError."""
    if live is None or not _unchanged(desired, live):
        return None
    return RootPlan(
        desired, RootAction.NOTHING, Diff(), stack_id=live.stack.id, live=stack_identity(live)
    )


def _unchanged(desired: DesiredStack, live: LiveStack) -> bool:
    """Whether the live root stack is what the desired asks for: template, parameters and tags are
    the same, and nothing in them resolves outside. False where that is not certain. Raises
    AwsError."""
    stack = live.stack
    if desired.missing or stack.status not in _AT_REST or desired.role not in (None, stack.role):
        return False
    if dict(desired.tags) != dict(stack.tags) or not _closed(desired):
        return False
    try:
        given = _same_parameters(parse_template(desired.body), desired.parameters, stack.parameters)
    except ValidationError:
        return False
    return given and _same_template(desired.body, live.template)


def _closed(desired: DesiredStack) -> bool:
    """Whether the root's text says all: nested templates are named by their content, and nothing is
    looked up."""
    hashes = {
        name: hashlib.sha256(text.encode()).hexdigest() for name, text in desired.templates.items()
    }
    named = {url for name, url in desired.urls.items() if hashes[name] in url}
    return all(
        not _resolves(text) and set(_NESTED.findall(text)) <= named
        for text in desired.templates.values()
    )


def _resolves(text: str) -> bool:
    return any(each in text for each in _MAY_RESOLVE) and _RESOLVED.search(text) is not None


def _same_parameters(
    template: Template, wanted: Mapping[str, str], live: Mapping[str, str]
) -> bool:
    """Values of NoEcho parameters cannot be compared; one that is not given keeps the value that it
    has."""
    for name, each in template.parameters.items():
        if name not in live or (each.no_echo and name in wanted):
            return False
        value = wanted.get(name, each.default)
        if not each.no_echo and value is not None and value != live[name]:
            return False
    return live.keys() == template.parameters.keys()


def _same_template(one: str, other: str) -> bool:
    """The same text; of JSON the same content, since botocore gives it parsed."""
    if one == other:
        return True
    try:  # true and 1 are equal in Python, and not to CloudFormation
        return json.dumps(json.loads(one), sort_keys=True) == json.dumps(
            json.loads(other), sort_keys=True
        )
    except ValueError:
        return False
