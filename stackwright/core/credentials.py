"""The forms of credentials: keys, tokens and URLs with a password, as their issuers write them."""

from __future__ import annotations

import base64
import binascii
import json
import re

_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.(eyJ[A-Za-z0-9_-]{5,})\.[A-Za-z0-9_-]*")
SECRET_VALUES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("a PEM private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("a JSON Web Token", _JWT),
    (
        "a URL with a password",
        re.compile(r"[a-z][a-z0-9+.-]*://[^\s/:@\"'<>{}]+:(?![\"'<>{}$])[^\s/@\"'<>]{3,}@"),
    ),
    ("an AWS access key", re.compile(r"(?<![A-Z0-9])(AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])")),
    (
        "an API key",
        re.compile(r"(?<![A-Za-z0-9])(sk|pk|rk)[-_](live|test|proj|ant)?[-_]?[A-Za-z0-9_-]{20,}"),
    ),
    (
        "a GitHub token",
        re.compile(r"(?<![A-Za-z0-9])(gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})"),
    ),
    ("a Slack token", re.compile(r"xox[abprs]-[A-Za-z0-9-]{10,}")),
    ("a Google API key", re.compile(r"AIza[0-9A-Za-z_-]{35}")),
)
"""Description and form of credentials; messages show the description, never the value."""


def looks_secret(value: str) -> str:
    """Return the kind of credential that ``value`` looks like; empty for none or a public token."""
    for kind, pattern in SECRET_VALUES:
        if any(not is_public_token(match.group(0)) for match in pattern.finditer(value)):
            return kind
    return ""


def is_public_token(value: str) -> bool:
    """Return whether ``value`` is a JWT that is meant to be public: its claim ``role`` is ``anon``.

    Source: https://supabase.com/docs/guides/api/api-keys
    """
    match = _JWT.fullmatch(value)
    if match is None:
        return False
    body = match.group(1)
    try:
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, binascii.Error):
        return False
    return isinstance(claims, dict) and claims.get("role") == "anon"
