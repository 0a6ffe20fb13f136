"""Reasons why an ECS task does not start: its image is not in this account's registry, or a secret
or parameter is missing.

The texts are those of a stopped task: containers-roadmap 2687 and
docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ....cfn import Pseudo
from ...world.provider import Refused
from ..moto_services import MotoServices

_RESOURCE = (
    "ResourceInitializationError: unable to pull secrets or registry auth: "
    "execution resource retrieval failed:"
)
_ASM = f"{_RESOURCE} unable to retrieve secret from asm: service call has been retried 1 time(s):"
_SSM = f"{_RESOURCE} unable to retrieve secrets from ssm: service call has been retried 1 time(s):"


def find_obstacle(
    services: MotoServices, pseudo: Pseudo, containers: Iterable[Mapping[str, Any]]
) -> str | None:
    """The stopped reason of a task with these container definitions (as ECS shows them); None where
    it starts.

    Secrets come first, as on Fargate, which fetches them before it pulls images.
    """
    given = list(containers)
    for container in given:
        for secret in container.get("secrets") or ():
            if reason := _check_secret(services, secret["valueFrom"]):
                return reason
    for container in given:
        if reason := _check_image(services, pseudo, str(container.get("image", ""))):
            return reason
    return None


def _check_image(services: MotoServices, pseudo: Pseudo, image: str) -> str | None:
    host = f"{pseudo.account_id}.dkr.ecr.{pseudo.region}.{pseudo.url_suffix}"
    match = re.fullmatch(rf"{re.escape(host)}/([^:@]+)(?::([^@]+))?(?:@(.+))?", image)
    if match is None:
        return None
    repository, tag, digest = match.groups()
    image_id = {"imageDigest": digest} if digest else {"imageTag": tag or "latest"}
    try:
        services.call(
            "ecr", "describe_images", {"repositoryName": repository, "imageIds": [image_id]}
        )
    except Refused:
        text = "CannotPullContainerError: pull image manifest has been retried 1 time(s):"
        return f"{text} failed to resolve ref {image}: not found"
    return None


def _check_secret(services: MotoServices, value_from: str) -> str | None:
    if ":secretsmanager:" not in value_from:
        return _check_parameter(services, value_from)
    parts = value_from.split(":")
    arn, (key, stage, version) = ":".join(parts[:7]), [*parts[7:], "", "", ""][:3]
    version_id = {"SecretId": arn, "VersionStage": stage or None, "VersionId": version or None}
    try:
        text = str(
            services.call("secretsmanager", "get_secret_value", version_id).get("SecretString", "")
        )
    except Refused:
        reason = "ResourceNotFoundException: Secrets Manager can't find the specified secret."
        return f"{_ASM} failed to fetch secret {arn} from secrets manager: {reason}"
    try:
        if not key or key in json.loads(text):
            return None
    except (ValueError, TypeError):
        return f"{_ASM} invalid character {text[:1]!r} looking for beginning of value"
    return f"{_ASM} retrieved secret from Secrets Manager did not contain json key {key}"


def _check_parameter(services: MotoServices, value_from: str) -> str | None:
    name = value_from.partition(":parameter")[2] or value_from
    try:
        services.call("ssm", "get_parameter", {"Name": name, "WithDecryption": True})
    except Refused:
        return f"{_SSM} invalid ssm parameters: {name}"
    return None
