"""Answers about the account as a whole that moto lacks: quotas, Lambda's limits, and owners of
buckets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Request, Response

from ...cfn import Pseudo

CONCURRENCY = 1000
_QUOTAS: Mapping[str, Mapping[str, tuple[str, float]]] = {
    # docs.aws.amazon.com/general/latest/gr/: the defaults of each service's quotas
    "cloudformation": {"L-0485CB21": ("Stack count", 2000)},
    "ec2": {"L-0263D0A3": ("EC2-VPC Elastic IPs", 5)},
    "ecs": {
        "L-21C621EB": ("Clusters per account", 10_000),
        "L-9EF96962": ("Services per cluster", 5_000),
    },
    "elasticloadbalancing": {"L-53DA6B97": ("Application Load Balancers per Region", 50)},
    "fargate": {"L-3032A538": ("Fargate On-Demand vCPU resource count", 6)},
    "lambda": {"L-B99A9384": ("Concurrent executions", CONCURRENCY)},
    "vpc": {
        "L-F678F1CE": ("VPCs per Region", 5),
        "L-FE5A380F": ("NAT gateways per Availability Zone", 5),
    },
}
_RAISED: Mapping[str, float] = {"L-3032A538": 1000}
"""Quotas that were raised for this account; the default of a new one allows only a few tasks."""


class EmulatedAccount:
    """The account in one Region."""

    def __init__(self, pseudo: Pseudo) -> None:
        self._pseudo = pseudo

    def answer(self, service: str, action: str, request: Request) -> Response | None:
        """The answer to a request that moto cannot answer; None for other requests."""
        if service == "servicequotas" and action in (
            "GetServiceQuota",
            "GetAWSDefaultServiceQuota",
        ):
            return self._quota(request, default="Default" in action)
        if service == "servicequotas" and action in (
            "ListServiceQuotas",
            "ListAWSDefaultServiceQuotas",
        ):
            name = str(_body(request).get("ServiceCode", ""))
            codes = _QUOTAS.get(name, ())
            quotas = [self._shape_quota(name, code, "Default" in action) for code in codes]
            return _json({"Quotas": quotas}) if quotas else _missing()
        if service == "lambda" and request.path.rstrip("/") == "/2016-08-19/account-settings":
            return self._settings()
        return _check_owner(request, self._pseudo.account_id) if service == "s3" else None

    def _quota(self, request: Request, default: bool) -> Response:
        body = _body(request)
        service, code = str(body.get("ServiceCode", "")), str(body.get("QuotaCode", ""))
        known = code in _QUOTAS.get(service, {})
        return _json({"Quota": self._shape_quota(service, code, default)}) if known else _missing()

    def _shape_quota(self, service: str, code: str, default: bool) -> dict[str, Any]:
        name, value = _QUOTAS[service][code]
        value = value if default else _RAISED.get(code, value)
        pseudo = self._pseudo
        place = f"{pseudo.partition}:servicequotas:{pseudo.region}:{pseudo.account_id}"
        named = {
            "ServiceCode": service,
            "QuotaArn": f"arn:{place}:{service}/{code}",
            "QuotaCode": code,
        }
        return {
            **named,
            "QuotaName": name,
            "Value": value,
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }

    def _settings(self) -> Response:
        """docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html"""
        from moto.awslambda.models import lambda_backends

        functions = list(
            lambda_backends[self._pseudo.account_id][self._pseudo.region].list_functions()
        )
        reserved = sum(int(function.reserved_concurrency or 0) for function in functions)
        free = {
            "ConcurrentExecutions": CONCURRENCY,
            "UnreservedConcurrentExecutions": CONCURRENCY - reserved,
        }
        sizes = {
            "TotalCodeSize": 80_530_636_800,
            "CodeSizeUnzipped": 262_144_000,
            "CodeSizeZipped": 52_428_800,
        }
        usage = {
            "TotalCodeSize": sum(int(function.code_size) for function in functions),
            "FunctionCount": len(functions),
        }
        return _json({"AccountLimit": {**sizes, **free}, "AccountUsage": usage})


def _check_owner(request: Request, account: str) -> Response | None:
    """S3's refusal where the caller expects another account to own the bucket; else None."""
    if request.headers.get("X-Amz-Expected-Bucket-Owner", account) == account:
        return None
    text = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    return Response(text, 403, mimetype="application/xml")


def _body(request: Request) -> Mapping[str, Any]:
    body = request.get_json(force=True, silent=True)
    return body if isinstance(body, dict) else {}


def _json(document: Any, status: int = 200) -> Response:
    return Response(json.dumps(document), status, content_type="application/x-amz-json-1.1")


def _missing() -> Response:
    text = "The request failed because the specified quota does not exist."
    return _json({"__type": "NoSuchResourceException", "Message": text, "message": text}, 400)
