"""Codes of the emulator, plans, deployments, releases and permissions: SW7 and SW8."""

from __future__ import annotations

from .model import Code

DEPLOYMENT_CODES = (
    Code(
        "SW701",
        "Local CloudFormation does not start or answer",
        "Read its message, stop it with `emulator stop`, and start it again.",
    ),
    Code("SW702", "Local CloudFormation is not running", "Start it with `emulator start`."),
    Code(
        "SW703",
        "Base of a rehearsal cannot be deployed",
        "Name a base that deploys with --against, or correct its templates.",
    ),
    Code(
        "SW704",
        "Rehearsal could not inject its failure",
        "Please report this defect with the templates.",
    ),
    Code(
        "SW705",
        "Update fails in the rehearsal",
        "Correct the resource that the message names.",
        "CloudFormation would fail in the same place, after it has begun to change the stack.",
    ),
    Code(
        "SW706",
        "Rollback does not restore the former state",
        "Change the resource shown so that its former properties can be applied again.",
    ),
    Code(
        "SW707",
        "Resource would be replaced",
        "Change a property that does not replace it, or approve with --approve.",
        "The old resource goes, with its name and its data.",
    ),
    Code(
        "SW708",
        "Packages of the local CloudFormation are not installed",
        "Run pip install 'stackwright[local]'.",
    ),
    Code(
        "SW801",
        "Stack is in a state that cannot be updated",
        "Run `repair`, which says what it will do and asks.",
    ),
    Code(
        "SW802",
        "Another operation on the stack is in progress",
        "Follow it with `watch`, and run this again when it has ended.",
    ),
    Code(
        "SW803",
        "CloudFormation refused the change set",
        "Correct what CloudFormation's message names.",
    ),
    Code(
        "SW804",
        "Change set was deleted by somebody else",
        "Find out who else works on the stack, then run it again.",
    ),
    Code(
        "SW805",
        "Plan file is not a saved plan, or is damaged",
        "Make a new plan with `plan --out`.",
        "The checksum finds damage only: whoever can write the file can change the plan.",
    ),
    Code(
        "SW806",
        "Preview left an empty stack behind",
        "Run `repair`, which removes it; it blocks nothing.",
        "A preview removes its stack where it is allowed to delete.",
    ),
    Code(
        "SW807",
        "Two resources would have one name",
        "Keep the logical ID and the stack of the live resource, or choose another name.",
        "CloudFormation creates before it deletes, so that the name is not available.",
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/"
        "using-cfn-updating-stacks-update-behaviors.html",
    ),
    Code(
        "SW808",
        "Custom-named resource cannot be replaced",
        "Change the name, too, or take back the change that replaces the resource.",
        "CloudFormation creates the new resource before it deletes the old one.",
        "https://repost.aws/knowledge-center/cloudformation-custom-name",
    ),
    Code(
        "SW809",
        "Export in use would go or change",
        "Deploy the importing stacks first, and keep the Output for one release.",
        "CloudFormation neither deletes nor changes an export that is imported.",
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html",
    ),
    Code(
        "SW810",
        "Name exists outside of the stacks",
        "Add --import-existing, or choose another name.",
        "CloudFormation cannot create a resource whose name exists; it can import it.",
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/"
        "import-resources-automatically.html",
    ),
    Code(
        "SW811",
        "Imported export does not exist",
        "Correct the name in Fn::ImportValue, or deploy the stack that exports it first.",
        "CloudFormation creates no change set with such an import.",
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/"
        "intrinsic-function-reference-importvalue.html",
    ),
    Code(
        "SW820",
        "Unapproved replacement or removal",
        "Change the resource without replacing it, or approve with --approve.",
        "The old resource goes, with its name and its data.",
    ),
    Code(
        "SW821",
        "Unapproved loss of data",
        "Keep the data with DeletionPolicy and UpdateReplacePolicy, or approve with --approve.",
        "Deleted data cannot be restored.",
    ),
    Code(
        "SW822",
        "Unapproved broader access",
        "Narrow the permission or range, or approve with --approve.",
        "Access granted by mistake is hard to notice afterwards.",
    ),
    Code(
        "SW823",
        "Unapproved weaker protection",
        "Keep the encryption or logging, or approve with --approve.",
        "Data that was stored or sent unprotected stays exposed; events not recorded stay unknown.",
    ),
    Code(
        "SW824",
        "Operation can no longer be followed",
        "Follow it again with `watch`.",
        "CloudFormation continues without this tool.",
    ),
    Code(
        "SW825", "Change set can no longer be executed", "Run it again: it makes a new change set."
    ),
    Code("SW826", "No operation in progress", "Deploy first, or check the environment's name."),
    Code(
        "SW827",
        "Deletion not confirmed",
        "Read what would be deleted, then confirm with the option that the message names.",
    ),
    Code(
        "SW828",
        "Export is imported by another stack",
        "Remove the import from the other stack first.",
        "CloudFormation does not delete a stack whose exports are imported.",
        ""
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html",
    ),
    Code(
        "SW829",
        "Unapproved loss of availability",
        "Keep the redundancy or protection, or approve with --approve.",
        "The difference shows only in the next outage.",
    ),
    Code(
        "SW830",
        "Approval of a resource or kind that does not exist",
        "Correct the name after --approve, or remove the option.",
        "A misspelt approval would approve nothing, or later something else.",
    ),
    Code("SW840", "Release not found", "Run `history`, which lists the releases."),
    Code(
        "SW841",
        "Release record cannot be read",
        "Restore another release, or repair the record in the artifact bucket.",
        "The stacks do not depend on the record; restoring the release does.",
    ),
    Code(
        "SW842",
        "Release cannot be restored",
        "Restore another release, or deploy a commit that renders the same build.",
        "A template, zip, image or secret version is gone or altered.",
    ),
    Code(
        "SW843",
        "Release was not deployed",
        "Restore a release that was deployed, or approve with --allow-failed-release.",
        "Restoring it restores what failed.",
    ),
    Code(
        "SW844",
        "Drift cannot be detected or reverted",
        "Run it again later, or deploy once and revert the drift then.",
    ),
    Code(
        "SW845",
        "Resource cannot be imported",
        "Correct the entry in imports: or the resource's template as the message says.",
    ),
    Code("SW846", "Environment is not deployed", "Deploy it first with `deploy`."),
    Code(
        "SW847",
        "Output not found, or found in several stacks",
        "Name one of the Outputs listed, as <stack>.<Output>.",
    ),
    Code(
        "SW848",
        "Stack was changed outside of this tool",
        "Read what `drift` and `plan` show before the next deployment.",
        "The last release no longer describes what runs.",
    ),
    Code(
        "SW860",
        "Policies need an account or repository",
        "Name it with the option or parameter that the message shows.",
    ),
    Code(
        "SW861",
        "Permissions of a resource type are unknown",
        "Add the type's permissions to the CloudFormation role by hand.",
    ),
    Code("SW862", "Root stack not found", "Name one of the root stacks listed."),
    Code(
        "SW863",
        "Stacks have no service role",
        "Set deploy.role_arn to a role that CloudFormation may assume.",
        "Without it, whoever deploys needs every permission.",
    ),
    Code(
        "SW881",
        "Template too large to send without a bucket",
        "Deploy the bucket with an earlier root stack of its own.",
        "CloudFormation accepts at most 51,200 bytes in a request.",
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html",
    ),
    Code(
        "SW882",
        "Root stack's Parameter has no value",
        "Give it a Default, or a value in deploy.parameters.",
    ),
    Code("SW883", "Not a terminal: no question can be asked", "Read the plan, then add --yes."),
    Code("SW884", "Secret has another version than planned", "Make a new plan."),
    Code(
        "SW885",
        "Plan file cannot be written",
        "Name a file in a folder that exists and can be written.",
    ),
    Code(
        "SW886",
        "Root stack lacks a value of an earlier stack",
        "Give the earlier stack the Output or parameter that the message names.",
    ),
    Code("SW887", "No release to restore", "Deploy first; a rollback needs an earlier release."),
    Code(
        "SW888",
        "Saved plan no longer applies",
        "Make a new plan.",
        "The stacks, inputs or target have changed since it was approved.",
    ),
    Code(
        "SW889",
        "Stack belongs to another environment",
        "Give the environments different prefixes.",
        "Two environments with one prefix would undo each other's stacks.",
    ),
)
