"""The forms of credentials in values of dotenv files and templates."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

import pytest

from stackwright.core.credentials import is_public_token, looks_secret


def token(claims: object) -> str:
    """A JSON Web Token with the claims, signed by nobody."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}.c2lnbmF0dXJl"


def test_token_of_the_anonymous_role_is_public() -> None:
    assert is_public_token(token({"role": "anon"}))
    assert looks_secret(f"key={token({'role': 'anon'})}") == ""


@pytest.mark.parametrize(
    "claims",
    [{"role": "service_role"}, {"role": "authenticated"}, {"role": ""}, {"sub": "anon"}],
)
def test_token_of_any_other_role_is_secret(claims: Mapping[str, str]) -> None:
    assert not is_public_token(token(claims))
    assert looks_secret(token(claims)) == "a JSON Web Token"


def test_public_token_does_not_hide_a_secret_one() -> None:
    both = f"{token({'role': 'anon'})} {token({'role': 'service_role'})}"
    assert looks_secret(both) == "a JSON Web Token"


def test_text_that_is_no_token_is_not_public() -> None:
    assert not is_public_token("anon")
    assert not is_public_token("eyJhbGciOi.eyJ!!!.x")
