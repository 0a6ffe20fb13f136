"""moto's services as one application: of one account, with bucket policies that do not lock
everyone out, and images that have their own digests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from importlib import import_module
from threading import RLock
from typing import Any

import botocore.session

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_IMPORTING = RLock()
"""Held while moto's code is imported: a reset goes through the classes that imports add, and
threads that import at once could find each other's modules half made."""


@cache
def session() -> botocore.session.Session:
    """One session for every client and for moto, so that botocore's data is read once."""
    made = botocore.session.Session()
    made.set_credentials("emulator", "emulator")
    return made


class MotoApplication:
    """Every service of moto, for whoever asks in the one account; moto would take the account from
    the access key."""

    def __init__(self, account_id: str) -> None:
        with _IMPORTING:
            from moto import settings
            from moto.core.config import default_user_config
            from moto.moto_server.werkzeug_app import DomainDispatcherApplication

            settings.ACM_VALIDATION_WAIT = 0  # certificates are issued at once
            default_user_config["iam"]["load_aws_managed_policies"] = True  # roles attach them
            _share_data()
            _leave_conditions_out()
            _digest_manifests()
            _tell_health()
            _name_linked_roles()
            _let_tokens_hold()
            _keep_labels()
        self._account_id = account_id
        self._services = DomainDispatcherApplication(_application_of)
        known: Any = cache(
            self._services.get_backend_for_host
        )  # moto looks through its folders for every request
        self._services.get_backend_for_host = known  # type: ignore[method-assign]

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        found: Iterable[bytes] = self._services(
            {**environ, "HTTP_X_MOTO_ACCOUNT_ID": self._account_id}, start
        )
        return found

    def reset(self) -> None:
        """Forget all that moto holds, which is the process's."""
        with _IMPORTING:
            from moto.moto_api._internal.models import moto_api_backend

            moto_api_backend.reset()

    def load(self, signing_name: str, region: str) -> None:
        """Make a service's application, as its first request would."""
        scope = f"AWS4-HMAC-SHA256 Credential=x/x/{region}/{signing_name}/aws4_request,"
        self._services.get_application(
            {"PATH_INFO": "/", "HTTP_HOST": "127.0.0.1", "HTTP_AUTHORIZATION": scope}
        )


def read_server() -> None:
    """Import what moto's services are served by."""
    with _IMPORTING:
        import moto.moto_server.werkzeug_app  # noqa: F401


def read(service: str, signing_name: str) -> None:
    """Import moto's code for a service, and botocore's model of it for moto."""
    with _IMPORTING:
        from moto.backend_index import backend_url_patterns
        from moto.core.utils import get_service_model

        host = f"https://{signing_name}.us-east-1.amazonaws.com"
        for name in {name for name, pattern in backend_url_patterns if pattern.match(host)}:
            import_module(f"moto.{name}.urls")
    get_service_model(service)


def _application_of(service: Any) -> Any:
    """moto's application of one service. Its making draws from the source of randomness of what is
    made by requests, which must not depend on when that is."""
    from moto.moto_api._internal import mock_random
    from moto.moto_server.werkzeug_app import create_backend_app

    state = mock_random.getstate()
    mock_random.seed(f"application {service}")
    try:
        with _IMPORTING:
            return create_backend_app(service)
    finally:
        mock_random.setstate(state)


def _share_data() -> None:
    """Let moto read botocore's data where our clients do; for this process. It would read all of it
    once more."""
    from moto.core import utils

    module: Any = utils
    module.create_loader = lambda: session().get_component("data_loader")


def _leave_conditions_out() -> None:
    """Let buckets decide by the statements without conditions; for this process, once.

    moto evaluates bucket policies as if they had no conditions: "deny what does not come over TLS"
    would deny every request. The policy is read back as it was put.
    """
    from moto.s3.models import FakeBucket

    whole = FakeBucket.get_permission
    if getattr(whole, "leaves_conditions_out", False):
        return

    def get_permission(self: Any, action: str, resource: str) -> Any:
        policy = self.policy
        try:
            self.policy = _unconditional(policy)
            return whole(self, action, resource)
        finally:
            self.policy = policy

    get_permission.leaves_conditions_out = True  # type: ignore[attr-defined]
    FakeBucket.get_permission = get_permission  # type: ignore[method-assign]


def _digest_manifests() -> None:
    """Give images the digest of their manifest, as registries do; for this process. moto makes one
    of the layers'."""
    from moto.ecr.models import Image

    def digest(self: Any) -> None:
        self._image_digest = f"sha256:{sha256(self.image_manifest.encode()).hexdigest()}"

    Image._create_digest = digest  # type: ignore[method-assign]


def _tell_health() -> None:
    """Let targets that have a state be in it; for this process, once. In moto all are healthy at
    once."""
    from moto.elbv2.models import FakeHealthStatus, FakeTargetGroup

    usual = FakeTargetGroup.health_for
    if getattr(usual, "tells_states", False):
        return

    def health_for(self: Any, target: Any, ec2_backend: Any) -> Any:
        held = self.targets.get(target["Id"], {})
        if "State" not in held:
            return usual(self, target, ec2_backend)
        told = (held["State"], held["Reason"], held["Description"])
        return FakeHealthStatus(held["Id"], held["Port"], self.health_check_port, *told)

    health_for.tells_states = True  # type: ignore[attr-defined]
    FakeTargetGroup.health_for = health_for  # type: ignore[method-assign]


def _name_linked_roles() -> None:
    """Give service-linked roles the names that AWS gives them; for this process."""
    from moto.iam import models

    names = {"ecs": "ECS", "elasticloadbalancing": "ElasticLoadBalancing"}
    models.SERVICE_NAME_CONVERSION |= {**names, "elasticfilesystem": "AmazonElasticFileSystem"}


def _let_tokens_hold() -> None:
    """Let logins to the registry hold for twelve hours, as ECR's do; for this process, once. moto's
    expired in 2015."""
    from moto.ecr.responses import ECRResponse

    usual = ECRResponse.get_authorization_token
    if getattr(usual, "lets_tokens_hold", False):
        return

    def get_authorization_token(self: Any) -> Any:
        answer: Any = usual(self)
        for each in answer.result["authorizationData"]:
            each["expiresAt"] = datetime.now(UTC) + timedelta(hours=12)
        return answer

    get_authorization_token.lets_tokens_hold = True  # type: ignore[attr-defined]
    ECRResponse.get_authorization_token = get_authorization_token  # type: ignore[method-assign]


def _keep_labels() -> None:
    """Let versions of secrets keep their labels when another becomes current; for this process,
    once. In moto the one that was current loses all of them."""
    from moto.secretsmanager.models import FakeSecret

    usual = FakeSecret.reset_default_version
    if getattr(usual, "keeps_labels", False):
        return

    def reset_default_version(self: Any, secret_version: dict[str, Any], version_id: str) -> None:
        before = self.versions.get(self.default_version_id or "")
        kept = (
            [each for each in before["version_stages"] if not each.startswith("AWS")]
            if before
            else []
        )
        usual(self, secret_version, version_id)
        if before:
            before["version_stages"] += kept

    reset_default_version.keeps_labels = True  # type: ignore[attr-defined]
    FakeSecret.reset_default_version = reset_default_version  # type: ignore[method-assign]


def _unconditional(policy: bytes | None) -> bytes | None:
    """The policy without its conditional statements; None where no other is left."""
    if policy is None:
        return None
    data = json.loads(policy)
    given = data.get("Statement", [])
    kept = [
        each for each in (given if isinstance(given, list) else [given]) if "Condition" not in each
    ]
    return json.dumps({**data, "Statement": kept}).encode() if kept else None
