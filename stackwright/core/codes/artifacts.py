"""Codes of AWS calls, secrets, images, comparing builds and packaging: SW4, SW5 and SW6."""

from __future__ import annotations

from .model import Code

ARTIFACT_CODES = (
    Code(
        "SW401",
        "No AWS credentials, or unknown ones",
        "Log in, for example with `aws sso login`, and set AWS_PROFILE to the profile to use.",
    ),
    Code(
        "SW402", "AWS credentials have expired", "Log in again, for example with `aws sso login`."
    ),
    Code(
        "SW403",
        "AWS call not allowed",
        "Give the deploying role the permission that the message names; `permissions` prints "
        "all of them.",
    ),
    Code(
        "SW404",
        "Credentials of another account",
        "Use a profile of the account that the parameters name, or correct account_id.",
        "Checked before anything is read or changed.",
    ),
    Code(
        "SW405",
        "AWS configuration names another Region",
        "Set AWS_REGION to the Region of the parameters, or correct the parameter region.",
        "Checked before anything is read or changed.",
    ),
    Code(
        "SW406",
        "AWS cannot be reached",
        "Check the network, the proxy and AWS_ENDPOINT_URL, then run it again.",
    ),
    Code(
        "SW407",
        "AWS is busy or failing",
        "Wait a minute, then run it again.",
        "The retries of botocore's standard mode were not enough.",
    ),
    Code(
        "SW408",
        "AWS refused a call",
        "Read AWS's own message, which follows the code, and correct the value it names.",
    ),
    Code(
        "SW409",
        "Invalid AWS configuration",
        "Check ~/.aws/config, AWS_PROFILE and AWS_ENDPOINT_URL.",
    ),
    Code(
        "SW410",
        "Artifact bucket not found",
        "Deploy the root stack that makes the bucket, or name an existing one in deploy.bucket.",
    ),
    Code(
        "SW411",
        "Clock of this machine is wrong",
        "Synchronize the clock, then run it again.",
        "AWS refuses signatures that are minutes old or in the future.",
    ),
    Code(
        "SW420", "keys.env not found", "Copy keys.env.example to keys.env and fill in the values."
    ),
    Code("SW421", "Secret without a value in keys.env", "Give the name a value in keys.env."),
    Code(
        "SW422",
        "keys.env exceeds the size of a secret",
        "Keep files and certificates outside keys.env.",
        "A secret holds at most 64 KB.",
        "https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html",
    ),
    Code("SW423", "Parameters name no secret", "Add an entry to secrets: in params/defaults.yaml."),
    Code("SW424", "Secret not found in Secrets Manager", "Deploy the root stack that creates it."),
    Code(
        "SW425",
        "Secret is scheduled for deletion",
        "Restore it with `aws secretsmanager restore-secret`.",
    ),
    Code("SW440", "Neither podman nor docker is installed", "Install podman or docker."),
    Code(
        "SW441", "podman or docker failed", "Read its message, correct the cause, and run it again."
    ),
    Code(
        "SW442",
        "Registry answered unexpectedly",
        "Run it again; if it fails again, push the image under a new tag.",
    ),
    Code(
        "SW443",
        "Image not in the parameters",
        "Add an entry with the missing fields to images: in params/defaults.yaml.",
    ),
    Code(
        "SW444", "Image repository not found", "Deploy the root stack that creates the repository."
    ),
    Code(
        "SW445",
        "Image not in the registry",
        "Push it with `images push`, or copy it with `images mirror`.",
    ),
    Code(
        "SW446",
        "Image for another platform than the tasks",
        "Build it for the platform shown, and give it a new tag.",
    ),
    Code(
        "SW447",
        "Source folder of an image not found",
        "Put the service's sources there, or correct images.<name>.context.",
    ),
    Code("SW448", "Image not built on this machine", "Build it with `images build`."),
    Code(
        "SW449",
        "Tag already holds another image",
        "Give the new image a new tag.",
        "A release restores its images by tag and digest.",
    ),
    Code(
        "SW501",
        "Build folder cannot be read",
        "Run `render` first, or name a folder that holds a build.",
    ),
    Code(
        "SW502",
        "git revision cannot be read",
        "Name a branch, tag or commit that holds build/<env>.",
    ),
    Code(
        "SW503",
        "Build cannot be compared: CloudFormation would refuse it",
        "Correct the template at the line shown.",
    ),
    Code(
        "SW601",
        "Function with requirements and a Runtime other than Python",
        "Set Runtime, for example to python3.13, or remove requirements.txt.",
    ),
    Code(
        "SW602",
        "Function requirement not pinned, or with an option of pip",
        "Write name==version --hash=sha256:… on the line shown.",
        "Equal inputs must give an equal zip, and a package must be the one that was reviewed.",
        "https://pip.pypa.io/en/stable/topics/secure-installs/",
    ),
    Code(
        "SW603",
        "pip cannot install a function's requirements",
        "Read pip's message; each package needs a wheel for the function's platform.",
    ),
    Code(
        "SW604",
        "Function exceeds Lambda's size limit",
        "Remove files or packages from the function's folder.",
        "Lambda refuses a larger zip.",
        "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html",
    ),
    Code(
        "SW605",
        "Local path in a template not found",
        "Correct the path, or add the file or folder.",
    ),
    Code(
        "SW606",
        "Function asks for a file that is not packaged",
        "Ask for aws.env or .env only.",
        "keys.env is never packaged: its values belong in Secrets Manager.",
    ),
    Code(
        "SW607",
        "Artifact folder cannot be written",
        "Name a folder that can be written, or free some space.",
    ),
    Code(
        "SW608", "Invalid bucket name", "Use 3 to 63 lower-case letters, digits, dots and hyphens."
    ),
)
