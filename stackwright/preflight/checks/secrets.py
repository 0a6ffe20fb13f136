"""Secrets of the parameters."""

from __future__ import annotations

from collections.abc import Iterator

from ...core import command_line
from ..model import PreflightCheck
from .base import Check


class Secrets(Check):
    """Compares the keys of each secret's current version with ``keys.env.example``."""

    id = "secrets"
    title = "Secrets have a value for every key, or keys.env on this machine has"
    reason = "A task that names a key without a value does not start."
    source = (
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/"
        "secrets-envvar-secrets-manager.html"
    )

    def run(self) -> Iterator[PreflightCheck]:
        """A result for each secret. Raises InputError where keys.env lacks a key."""
        if not self.config.parameters.get("secrets") or not self.config.dotenv.secret_names:
            return
        from ...artifacts import KEYS, read_keys, read_secret_status

        push = command_line(f"secrets push --env {self.config.environment}")
        for status in read_secret_status(self.config, self.aws):
            name = f"secret {status.name}"
            if status.ready:
                yield self.ok(f"version {status.version} has every key", name=name)
            elif (self.inputs.env_dir / KEYS).is_file():
                read_keys(self.config, self.inputs.env_dir)  # raises where it lacks a key itself
                yield self.skip(f"the deployment pushes the values of {KEYS}", name=name)
            elif status.exists:
                lacking = f"lacks {', '.join(status.lacking)}" if status.version else "has no value"
                yield self.fail(lacking, push, name=name)
            elif "AWS::SecretsManager::Secret" in self.inputs.types:
                detail = "the deployment creates it first, and then needs its value"
                yield self.skip(detail, f"{push}, after the secret is created", name=name)
            else:
                yield self.fail("does not exist", push, name=name)
