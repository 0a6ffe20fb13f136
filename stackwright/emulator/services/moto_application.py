"""moto's services as one application for one account, with corrections where moto differs from AWS.

The corrections replace methods of moto's classes, once for this process.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from copy import copy
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from importlib import import_module
from threading import RLock
from typing import Any

import botocore.session

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_IMPORTING = RLock()
"""Held while moto's code is imported: a reset walks through the classes that imports add, and
threads that import at once could meet half-imported modules."""


@cache
def session() -> botocore.session.Session:
    """One session for every client and for moto, so that botocore's data is read once."""
    botocore_session = botocore.session.Session()
    botocore_session.set_credentials("emulator", "emulator")
    return botocore_session


class MotoApplication:
    """Every service of moto. Every request is of the one account; moto would take the account from
    the access key."""

    def __init__(self, account_id: str) -> None:
        with _IMPORTING:
            from moto import settings
            from moto.core.config import default_user_config
            from moto.moto_server.werkzeug_app import DomainDispatcherApplication

            settings.ACM_VALIDATION_WAIT = 0  # certificates are issued at once
            default_user_config["iam"]["load_aws_managed_policies"] = True  # roles attach them
            _share_data()
            _ignore_policy_conditions()
            _digest_manifests()
            _show_target_states()
            _name_linked_roles()
            _extend_registry_logins()
            _keep_secret_labels()
            _show_selectors()
        self._account_id = account_id
        self._services = DomainDispatcherApplication(_application_of)
        # moto searches its folders for every request.
        cached: Any = cache(self._services.get_backend_for_host)
        self._services.get_backend_for_host = cached  # type: ignore[method-assign]

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        body: Iterable[bytes] = self._services(
            {**environ, "HTTP_X_MOTO_ACCOUNT_ID": self._account_id}, start
        )
        return body

    def reset(self) -> None:
        """Forget the state of all services, which belongs to the process."""
        with _IMPORTING:
            from moto.moto_api._internal.models import moto_api_backend

            moto_api_backend.reset()

    def load(self, signing_name: str, region: str) -> None:
        """Create a service's application, as its first request would."""
        scope = f"AWS4-HMAC-SHA256 Credential=x/x/{region}/{signing_name}/aws4_request,"
        self._services.get_application(
            {
                "PATH_INFO": "/",
                "HTTP_HOST": "127.0.0.1",
                "HTTP_AUTHORIZATION": scope,
                "HTTP_X_AMZ_TARGET": "DynamoDB_20120810.ListTables",  # moto reads its version
            }
        )


def read_server() -> None:
    """Import moto's own server."""
    with _IMPORTING:
        import moto.moto_server.werkzeug_app  # noqa: F401


def read_service(service: str, signing_name: str) -> None:
    """Import moto's code for a service, and read botocore's model of it."""
    with _IMPORTING:
        from moto.backend_index import backend_url_patterns
        from moto.core.utils import get_service_model

        host = f"https://{signing_name}.us-east-1.amazonaws.com"
        for name in {name for name, pattern in backend_url_patterns if pattern.match(host)}:
            import_module(f"moto.{name}.urls")
    get_service_model(service)


def _application_of(service: Any) -> Any:
    """moto's application of one service. Its creation draws random numbers; the state of the source
    is restored, so that those of later requests do not depend on the time of the creation."""
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
    """Let moto share botocore's data with our clients; it would read all of it once more."""
    from moto.core import utils

    module: Any = utils
    module.create_loader = lambda: session().get_component("data_loader")


def _ignore_policy_conditions() -> None:
    """Let buckets apply only the policy statements without conditions.

    moto evaluates bucket policies as if they had no conditions: "deny requests without TLS" would
    deny every request. The policy is still read back as it was put.
    """
    from moto.s3.models import FakeBucket

    original = FakeBucket.get_permission
    if getattr(original, "ignores_conditions", False):
        return

    def get_permission(self: Any, action: str, resource: str) -> Any:
        policy = self.policy
        try:
            self.policy = _drop_conditional(policy)
            return original(self, action, resource)
        finally:
            self.policy = policy

    get_permission.ignores_conditions = True  # type: ignore[attr-defined]
    FakeBucket.get_permission = get_permission  # type: ignore[method-assign]


def _digest_manifests() -> None:
    """Give images the digest of their manifest, as registries do; moto's is that of the layers."""
    from moto.ecr.models import Image

    def digest(self: Any) -> None:
        self._image_digest = f"sha256:{sha256(self.image_manifest.encode()).hexdigest()}"

    Image._create_digest = digest  # type: ignore[method-assign]


def _show_target_states() -> None:
    """Show the states that rollouts give to targets; in moto all targets are healthy at once."""
    from moto.elbv2.models import FakeHealthStatus, FakeTargetGroup

    original = FakeTargetGroup.health_for
    if getattr(original, "shows_states", False):
        return

    def health_for(self: Any, target: Any, ec2_backend: Any) -> Any:
        known = self.targets.get(target["Id"], {})
        if "State" not in known:
            return original(self, target, ec2_backend)
        state = (known["State"], known["Reason"], known["Description"])
        return FakeHealthStatus(known["Id"], known["Port"], self.health_check_port, *state)

    health_for.shows_states = True  # type: ignore[attr-defined]
    FakeTargetGroup.health_for = health_for  # type: ignore[method-assign]


def _name_linked_roles() -> None:
    """Give service-linked roles the names that AWS gives them."""
    from moto.iam import models

    names = {"ecs": "ECS", "elasticloadbalancing": "ElasticLoadBalancing"}
    models.SERVICE_NAME_CONVERSION |= {**names, "elasticfilesystem": "AmazonElasticFileSystem"}


def _extend_registry_logins() -> None:
    """Let logins to the registry expire after twelve hours, as ECR's do; moto's expired in
    2015."""
    from moto.ecr.responses import ECRResponse

    original = ECRResponse.get_authorization_token
    if getattr(original, "extends_logins", False):
        return

    def get_authorization_token(self: Any) -> Any:
        answer: Any = original(self)
        for login in answer.result["authorizationData"]:
            login["expiresAt"] = datetime.now(UTC) + timedelta(hours=12)
        return answer

    get_authorization_token.extends_logins = True  # type: ignore[attr-defined]
    ECRResponse.get_authorization_token = get_authorization_token  # type: ignore[method-assign]


def _keep_secret_labels() -> None:
    """Let a version of a secret keep its own labels when another becomes current; in moto it loses
    all of them."""
    from moto.secretsmanager.models import FakeSecret

    original = FakeSecret.reset_default_version
    if getattr(original, "keeps_labels", False):
        return

    def reset_default_version(self: Any, secret_version: dict[str, Any], version_id: str) -> None:
        before = self.versions.get(self.default_version_id or "")
        labels = before["version_stages"] if before else []
        own_labels = [label for label in labels if not label.startswith("AWS")]
        original(self, secret_version, version_id)
        if before:
            before["version_stages"] += own_labels

    reset_default_version.keeps_labels = True  # type: ignore[attr-defined]
    FakeSecret.reset_default_version = reset_default_version  # type: ignore[method-assign]


def _drop_conditional(policy: bytes | None) -> bytes | None:
    """The policy without its conditional statements; None where none is left."""
    if policy is None:
        return None
    data = json.loads(policy)
    statements = data.get("Statement", [])
    if not isinstance(statements, list):
        statements = [statements]
    kept = [statement for statement in statements if "Condition" not in statement]
    return json.dumps({**data, "Statement": kept}).encode() if kept else None


def _show_selectors() -> None:
    """Answer the selector (``:2``) of a parameter that was asked for by version or label.

    Source: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_Parameter.html
    """
    from moto.ssm.models import Parameter, SimpleSystemManagerBackend

    find, describe = SimpleSystemManagerBackend.get_parameter, Parameter.response_object
    if getattr(find, "shows_selectors", False):
        return

    def get_parameter(self: Any, name: str) -> Any:
        parameter = find(self, name)
        _, colon, selector = self._strip_parameter_arn(name).partition(":")
        if parameter is None or not colon:
            return parameter
        selected: Any = copy(parameter)
        selected.selector = f":{selector}"
        return selected

    def response_object(self: Any, *arguments: Any, **options: Any) -> dict[str, Any]:
        selector = getattr(self, "selector", None)
        answer = describe(self, *arguments, **options)
        return {**answer, "Selector": selector} if selector else answer

    get_parameter.shows_selectors = True  # type: ignore[attr-defined]
    SimpleSystemManagerBackend.get_parameter = get_parameter  # type: ignore[method-assign]
    Parameter.response_object = response_object  # type: ignore[method-assign]
