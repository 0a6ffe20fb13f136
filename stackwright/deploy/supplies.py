"""What a deployment needs beside the templates: artifacts in the bucket, images in the registry,
versions of secrets.

Each class looks after one of them: it reads what is there, and brings what is missing. Reading
changes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from msgspec import Struct

from ..core import AwsError, Bundle, InputError, S3Folder
from ..plan import Environment, Plan, SecretChange
from .user import Say

if TYPE_CHECKING:
    from ..artifacts import ImageRegistry, KeyValues


@dataclass
class ArtifactSupply:
    """Templates and zips, packaged once for each bucket and uploaded once in a run."""

    environment: Environment
    say: Say
    _bundles: dict[str | None, Bundle] = field(default_factory=dict)
    sent: int = 0
    """Artifacts that the bucket lacked."""
    _uploaded: set[str] = field(default_factory=set)
    _uploading: Lock = field(default_factory=Lock)

    def bundle(self, bucket: str | None) -> Bundle:
        """Templates and zips with addresses in the bucket, or relative ones without a bucket."""
        if bucket not in self._bundles:
            from ..artifacts import package_rendering

            folder = S3Folder(bucket, self.environment.config.region) if bucket else None
            self._bundles[bucket] = package_rendering(self.environment.rendering, folder)
        return self._bundles[bucket]

    def names(self, bucket: str | None) -> tuple[str, ...]:
        """Names of the artifacts in the bucket; none without a bucket, or where nothing was
        rendered, as for a release that is restored."""
        if bucket is None or self.environment.rendered is None:
            return ()
        return tuple(artifact.name for artifact in self.bundle(bucket).artifacts)

    def upload(self) -> None:
        """Upload the artifacts that the bucket lacks; nothing without a bucket. Raises AwsError."""
        from ..artifacts import Transfer, upload_bundle

        with self._uploading:
            for bucket, bundle in self._bundles.items():
                if bucket is None or bucket in self._uploaded:
                    continue
                account = self.environment.caller.account
                uploaded = upload_bundle(bundle, account, self.environment.aws)
                self._uploaded.add(bucket)
                count = len(uploaded.transfers)
                if sent := count - uploaded.count(Transfer.PRESENT):
                    self.sent += sent
                    self.say(f"uploaded {sent} of {count} artifacts")


@dataclass
class ImageSupply:
    """Container images, by their names in the parameters."""

    environment: Environment
    say: Say

    @property
    def names(self) -> list[str]:
        """Names of the images that the parameters have."""
        return list(self.environment.config.parameters.get("images") or ())

    def registry(self) -> ImageRegistry:
        """The registry of the environment's images."""
        from ..artifacts import ImageRegistry
        from ..emulator import REGISTRY

        registry = self.environment.variables.get(REGISTRY)
        return ImageRegistry(self.environment.config, self.environment.aws, registry)

    def read(self) -> dict[str, str]:
        """References by digest of the images that the registry has, for the right platform."""
        if not self.names:
            return {}
        from ..artifacts import ImageState, list_images

        states = self.registry().status(list_images(self.environment.config))
        return {
            status.image.name: status.reference
            for status in states
            if status.state is ImageState.OK
        }

    def read_tagged(self) -> dict[str, str]:
        """References by digest of the images that the registry has under their tags. The platform
        is not read: an image that is deployed has the right one."""
        from ..artifacts import find_tagged_images
        from ..emulator import REGISTRY, is_local_endpoint

        if not self.names:
            return {}
        registry = self.environment.variables.get(REGISTRY)
        if registry and not is_local_endpoint(registry):
            return self.read()
        return find_tagged_images(self.environment.config, self.environment.aws)

    def push_missing(self) -> dict[str, str]:
        """Build, push and mirror the images that the registry lacks, where their repositories
        exist; returns references by digest of those that are there then.

        The local CloudFormation runs no containers: it gets placeholders. Raises ImageError.
        """
        if not self.names:
            return {}
        from ..artifacts import (
            ContainerEngine,
            ImageState,
            build_images,
            list_images,
            mirror_images,
            push_images,
            push_placeholders,
        )

        config, registry = self.environment.config, self.registry()
        states = registry.status(list_images(config))
        missing = [status.image for status in states if status.state is ImageState.MISSING]
        if missing:
            self.say(f"pushing images: {', '.join(image.name for image in missing)}")
            if registry.is_local:
                states += push_placeholders(missing, registry)
            else:
                engine = ContainerEngine.find()
                build_images(config, [image for image in missing if image.context], engine)
                states += push_images(missing, registry, engine)
                states += mirror_images(missing, registry, engine)
        return {
            status.image.name: status.reference
            for status in states
            if status.state is ImageState.OK
        }


class SecretVersions(Struct, frozen=True):
    """What keys.env changes in the secrets, and the version that each secret has after that, by its
    key under ``secrets`` of the parameters. A secret without a version is left out."""

    changes: tuple[SecretChange, ...] = ()
    versions: Mapping[str, str] = {}


@dataclass
class SecretSupply:
    """The values of keys.env, as versions of secrets."""

    environment: Environment
    say: Say

    def names(self) -> dict[str, str]:
        """Names of the secrets that hold keys.env, by their key under ``secrets``."""
        from ..artifacts import secret_names

        config = self.environment.config
        used = bool(config.parameters.get("secrets")) and bool(config.dotenv.secret_names)
        return secret_names(config) if used else {}

    def keys(self) -> KeyValues | None:
        """The values of keys.env; None where there is no such file, as in a pipeline. Raises
        InputError where a value is missing."""
        from ..artifacts import KEYS, read_keys

        folder = self.environment.env_folder
        return read_keys(self.environment.config, folder) if (folder / KEYS).is_file() else None

    def read(self) -> SecretVersions:
        """Compare keys.env with the secrets; without it, read their current versions."""
        names = self.names()
        if not names:
            return SecretVersions()
        keys = self.keys()
        return self._compare(keys, names) if keys is not None else self._current(names)

    def _current(self, names: Mapping[str, str]) -> SecretVersions:
        secrets = {key: self.environment.aws.secret(name) for key, name in names.items()}
        return SecretVersions(
            (),
            {
                key: secret.current
                for key, secret in secrets.items()
                if secret and secret.current and not secret.deleted
            },
        )

    def _compare(self, keys: KeyValues, names: Mapping[str, str]) -> SecretVersions:
        from ..artifacts import compare_secrets

        config, aws = self.environment.config, self.environment.aws
        compared = {
            difference.name: difference
            for difference in compare_secrets(config, keys, aws, absent=True)
        }
        changes = {
            name: SecretChange(
                name,
                str(uuid.uuid4()),
                difference.version,
                difference.added,
                difference.changed,
                difference.removed,
            )
            for name, difference in compared.items()
            if not difference.empty
        }
        versions = {
            key: changes[name].version if name in changes else str(compared[name].version)
            for key, name in names.items()
        }
        return SecretVersions(tuple(changes.values()), versions)

    def put(self, plan: Plan) -> None:
        """Put the versions that a plan announces; those that exist already stay.

        Raises InputError: SW420, keys.env is missing; AwsError: SW884, somebody changed the secret
        since the plan was made.
        """
        from ..artifacts import put_version, require_usable

        keys = self.keys()
        for change in plan.secret_changes:
            secret = require_usable(change.name, self.environment.aws.secret(change.name))
            if change.version in secret.versions:
                continue  # put by a run that was interrupted
            if keys is None:
                raise InputError.of(
                    "SW420", f"there is no keys.env, and the plan puts a version of {change.name}"
                )
            # A secret that the deployment itself has made comes with a first, generated version.
            if change.before is not None and secret.current != change.before:
                raise AwsError.of(
                    "SW884",
                    f"the secret {change.name} has another version than planned",
                    hint="make a new plan",
                )
            put_version(secret, change.version, keys, self.environment.aws)
            self.say(f"secret {change.name}: version {change.version}")


@dataclass(frozen=True)
class Supplies:
    """Artifacts, images and secrets of one environment."""

    artifacts: ArtifactSupply
    images: ImageSupply
    secrets: SecretSupply

    @classmethod
    def of(cls, environment: Environment, say: Say) -> Supplies:
        """The supplies of an environment; ``say`` shows what is uploaded, pushed and put."""
        return cls(
            ArtifactSupply(environment, say),
            ImageSupply(environment, say),
            SecretSupply(environment, say),
        )
