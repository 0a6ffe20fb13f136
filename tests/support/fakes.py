"""`Aws` in memory: it keeps every change it was asked for, for tests to inspect."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from stackwright.aws import Caller, Login, Secret
from stackwright.core.errors import AwsError


@dataclass
class FakeSecret:
    """A secret's values by version, newest last; the last two are AWSCURRENT and AWSPREVIOUS."""

    values: dict[str, str] = field(default_factory=dict)
    deleted: datetime | None = None
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def versions(self) -> dict[str, list[str]]:
        stages = ["AWSCURRENT", "AWSPREVIOUS"]
        labels = {version: [stages.pop(0)] if stages else [] for version in reversed(self.values)}
        for label, version in self.labels.items():
            labels[version].append(label)
        return labels


@dataclass
class FakeAws:
    """An account with secrets and repositories; ``puts`` counts the versions that were put,
    ``sent`` lists objects."""

    account: str = "123456789012"
    secrets: dict[str, FakeSecret] = field(default_factory=dict)
    existing: dict[str, str] = field(default_factory=dict)
    login: Login = field(default_factory=lambda: Login("AWS", "token", "https://registry"))
    puts: int = 0
    objects: dict[str, bytes] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    fail_after: int | None = None

    def caller(self) -> Caller:
        return Caller(self.account, f"arn:aws:iam::{self.account}:user/tester")

    def secret(self, name: str) -> Secret | None:
        secret = self.secrets.get(name)
        return secret and Secret(f"arn:{name}", name, secret.versions, secret.deleted)

    def secret_value(self, name: str, version: str) -> str:
        return self.secrets[name].values[version]

    def put_secret_value(self, name: str, version: str, value: str) -> None:
        self.secrets[name].values.setdefault(version, value)
        self.puts += 1

    def label_secret_version(
        self, name: str, version: str | None, label: str, *, holder: str | None = None
    ) -> None:
        labels = self.secrets[name].labels
        assert labels.get(label) == holder
        if version is None:
            del labels[label]
        else:
            labels[label] = version
        assert (
            sum(len(stages) for stages in self.secrets[name].versions.values()) <= 20
        )  # AWS's quota for a secret

    def object_checksum(self, bucket: str, key: str, account: str) -> str | None:
        self.owns(bucket, account)
        data = self.objects.get(f"{bucket}/{key}")
        return None if data is None else hashlib.sha256(data).hexdigest()

    def put_object(self, bucket: str, key: str, data: bytes, sha256: str, account: str) -> None:
        self.owns(bucket, account)
        assert hashlib.sha256(data).hexdigest() == sha256
        if self.fail_after is not None and len(self.sent) >= self.fail_after:
            raise AwsError.of("SW406", "no answer to s3:PutObject")
        self.objects[f"{bucket}/{key}"] = data
        self.sent.append(key)

    def owns(self, bucket: str, account: str) -> None:
        if account != self.account:
            raise AwsError.of("SW403", f"not allowed: s3 in {bucket}")

    def registry_login(self) -> Login:
        return self.login

    def repositories(self, names: Sequence[str]) -> Mapping[str, str]:
        return {name: self.existing[name] for name in names if name in self.existing}
