"""Our own rules: one class each, with id, title, reason and source; and the catalogue of every
code.

A new rule is a class in one of these modules and its name in that module's ``RULES``.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from . import ecs, others
from .base import Rule, RuleFinding

__all__ = ["RULES", "Code", "Rule", "RuleFinding", "catalogue"]

_CLASSES: tuple[type[Rule], ...] = (*ecs.RULES, *others.RULES)
RULES: tuple[Rule, ...] = tuple(rule() for rule in sorted(_CLASSES, key=lambda each: each.id))


class Code(Struct, frozen=True):
    """A code that a problem can carry, for the documentation and for SARIF."""

    id: str
    title: str
    reason: str = ""
    source: str = ""


_STAGES = (
    Code("SW001", "No such project or environment"),
    Code("SW002", "A file is too large, not UTF-8, or cannot be read"),
    Code("SW003", "A parameters file is not valid YAML"),
    Code(
        "SW004",
        "A key or variable is given twice",
        "YAML and dotenv readers silently take one of them.",
    ),
    Code("SW005", "A tag in a parameters file"),
    Code("SW006", "Aliases that contain themselves or expand too far"),
    Code("SW007", "A line of a dotenv file is not NAME=value"),
    Code("SW008", "params/schema.json is not a JSON Schema"),
    Code("SW009", "--set is not key.path=value"),
    Code("SW010", "An unknown parameter"),
    Code("SW011", "A parameter of the wrong type"),
    Code("SW012", "A parameter that is not allowed or out of bounds"),
    Code("SW013", "A parameter that is missing"),
    Code("SW014", "A parameters file names another environment"),
    Code("SW015", "An entry of stacks: is wrong"),
    Code("SW016", "A template does not exist"),
    Code("SW017", "A check of the project itself: fail() in a template"),
    Code("SW018", "--env-dir is no folder", "Nothing would be read, and nobody told."),
    Code(
        "SW020",
        "A variable that would replace a role's credentials",
        "The SDKs prefer it to the role.",
    ),
    Code("SW021", "A variable that is computed", "The value in the file has no effect."),
    Code(
        "SW022", "A secret in a file of plain variables", "It would be printed into the templates."
    ),
    Code("SW023", "Variables for functions above 4 KB"),
    Code("SW024", "keys.env and keys.env.example disagree", "Everyone must render the same names."),
    Code("SW025", "A value in keys.env.example", "The example is committed."),
    Code("SW030", "build/, or the temporary folder, cannot be written"),
    Code("SW031", "The committed build is not what the inputs render to"),
    Code("SW032", "Nothing has that name"),
    Code("SW033", "The file exists already"),
    Code("SW101", "A Jinja syntax error"),
    Code("SW102", "An undefined name in a template"),
    Code("SW103", "A template does not render to YAML"),
    Code("SW104", "A key stands twice in a rendered template"),
    Code("SW105", "A template is empty or has no sections"),
    Code("SW106", "null, a list or a map where text is needed"),
    Code(
        "SW107",
        "A value that CloudFormation would resolve",
        "{{resolve:…}} in a parameter would read a secret.",
    ),
    Code("SW108", "An expression in a template fails"),
    Code("SW109", "A root template does not print its nested stacks or their Parameters"),
    Code("SW110", "A parameter that no template uses", "Most likely a misspelt name."),
    Code("SW199", "A defect of the renderer"),
    Code("SW201", "A Parameter of a nested stack that nothing supplies"),
    Code("SW202", "A Parameter with more than one source"),
    Code("SW203", "A value given for a Parameter that does not exist"),
    Code("SW204", "An Output that nobody takes"),
    Code("SW205", "A Parameter that only a later stack could supply"),
    Code("SW380", "A waiver without a code or a reason"),
    Code("SW381", "A waiver that waives nothing"),
    Code("SW390", "cfn-lint did not finish in time"),
    Code("SW391", "cfn-lint ended early"),
    Code("SW392", "A Region that cfn-lint does not know", "Most likely a misspelt name."),
    Code("SW401", "No AWS credentials, or unknown ones"),
    Code("SW402", "AWS credentials that have expired"),
    Code("SW403", "A call to AWS that is not allowed"),
    Code("SW404", "Credentials of another account", "Compared before anything is read or changed."),
    Code(
        "SW405",
        "Another Region in the AWS configuration",
        "Compared before anything is read or changed.",
    ),
    Code("SW406", "AWS cannot be reached"),
    Code("SW407", "AWS is busy or failing", "After the retries of botocore's standard mode."),
    Code("SW408", "AWS refuses a call"),
    Code("SW409", "The AWS configuration is wrong"),
    Code("SW410", "The bucket of artifacts does not exist"),
    Code(
        "SW411",
        "The clock of this machine is off",
        "AWS refuses signatures that are minutes old, or of the future.",
    ),
    Code("SW420", "There is no keys.env"),
    Code("SW421", "A secret without a value in keys.env"),
    Code("SW422", "keys.env is larger than a secret may be"),
    Code("SW423", "The parameters name no secret"),
    Code("SW424", "A secret that does not exist yet"),
    Code("SW425", "A secret that is to be deleted"),
    Code("SW426", "A secret without a needed value", "Its tasks would not start."),
    Code("SW440", "Neither podman nor docker is installed"),
    Code("SW441", "podman or docker fails"),
    Code("SW442", "A registry does not answer as it should"),
    Code("SW443", "The parameters do not name that image"),
    Code("SW444", "A repository that does not exist yet"),
    Code("SW445", "An image that is not in the registry"),
    Code("SW446", "An image for another platform than the tasks'"),
    Code("SW447", "The folder of an image's sources does not exist"),
    Code("SW448", "An image that is not built"),
    Code(
        "SW449",
        "Another image under the same tag",
        "A release is found again by its tag and digest.",
    ),
    Code("SW501", "A build folder cannot be read"),
    Code("SW502", "A git revision cannot be read"),
    Code("SW503", "A build cannot be compared: CloudFormation would refuse it"),
    Code("SW601", "A function with requirements whose Runtime is no Python"),
    Code(
        "SW602", "A function's requirement is not pinned", "The same inputs must give the same zip."
    ),
    Code("SW603", "pip cannot install a function's requirements"),
    Code("SW604", "A function larger than Lambda allows"),
    Code("SW605", "A local path in a template leads nowhere"),
    Code(
        "SW606",
        "A function asks for a file that is not packed",
        "Only aws.env and .env are, without any secret.",
    ),
    Code("SW607", "The folder for artifacts cannot be written"),
    Code("SW608", "Not the name of a bucket"),
    Code("SW701", "The local CloudFormation does not start or answer"),
    Code("SW702", "No local CloudFormation runs for the project"),
    Code("SW703", "The base of a rehearsal cannot be deployed"),
    Code("SW704", "A rehearsal cannot inject its failure"),
    Code(
        "SW705",
        "An update that does not go through",
        "Seen in a rehearsal, before AWS would say so.",
    ),
    Code("SW706", "A rollback that does not restore what was there"),
    Code(
        "SW707",
        "A resource would be replaced",
        "The old resource goes, with its name and contents.",
    ),
    Code("SW860", "An account or repository that policies need is not known"),
    Code(
        "SW863",
        "The stacks have no service role",
        "Then a deployment needs all permissions itself.",
    ),
    Code("SW862", "A root stack to test that there is not"),
    Code("SW861", "A resource type whose permissions nobody wrote down"),
    Code("SW801", "A stack in a state that is not updated", "Only its repair is possible."),
    Code("SW802", "Another operation on the stack is under way"),
    Code("SW803", "CloudFormation refuses a change set"),
    Code("SW804", "A change set was deleted by somebody else"),
    Code(
        "SW806",
        "An empty stack of a preview is left",
        "A preview leaves nothing behind, where it may delete.",
    ),
    Code(
        "SW805",
        "Not a saved plan, or a damaged one",
        "A checksum finds damage; who can write the file can change the plan.",
    ),
    Code(
        "SW820",
        "Unapproved replacement or removal",
        "The old resource goes, with its name and contents.",
    ),
    Code("SW821", "Unapproved loss of data"),
    Code(
        "SW822",
        "Unapproved wider access",
        "Granted by mistake, it is hard to notice afterwards.",
    ),
    Code(
        "SW824",
        "An operation cannot be followed any longer",
        "It goes on in CloudFormation all the same.",
    ),
    Code("SW825", "A change set that cannot be executed any more"),
    Code("SW826", "Nothing is under way"),
    Code("SW827", "A deletion that is not confirmed"),
    Code("SW828", "An export that stacks of others import", "Its stack cannot be deleted."),
    Code("SW840", "There is no such release"),
    Code(
        "SW841",
        "A release record that cannot be read",
        "The stacks do not depend on it; restoring it does.",
    ),
    Code(
        "SW842",
        "A release that cannot be restored",
        "A template, zip, image or secret version is gone or altered.",
    ),
    Code("SW844", "Drift that cannot be looked for or reverted"),
    Code("SW845", "A resource that cannot be imported"),
    Code("SW846", "Nothing is deployed"),
    Code("SW847", "No Output of that name, or several"),
    Code(
        "SW848",
        "A stack was changed outside of this tool",
        "By CloudFormation's console, for example.",
    ),
    Code("SW881", "A template too large for a request, and no bucket yet"),
    Code("SW882", "A Parameter of a root stack that nothing gives a value"),
    Code(
        "SW883",
        "Nobody can be asked",
        "Without a terminal, --yes says that the plan was looked at.",
    ),
    Code("SW884", "A secret has another version than planned"),
    Code("SW885", "The file of a plan cannot be written"),
    Code("SW886", "A root stack lacks a value that an earlier one should have given"),
    Code("SW887", "There is no release to restore"),
    Code(
        "SW888",
        "A saved plan that is stale",
        "What was approved is what is executed, or nothing.",
    ),
    Code(
        "SW889",
        "A stack of another environment",
        "Two environments with one prefix would undo each other's stacks.",
    ),
)


def catalogue() -> Mapping[str, Code]:
    """Every code of ours, sorted."""
    rules = (Code(rule.id, rule.title, rule.reason, rule.source) for rule in RULES)
    return {code.id: code for code in sorted((*_STAGES, *rules), key=lambda each: each.id)}
