"""Hide secrets in values that are shown: plans, differences, messages, parameters.

A value is hidden where a name on its path is that of a secret (``LoginProfile.Password``), or a
name beside it (``{Name: DB_PASSWORD, Value: …}``). Inside other text the parts are hidden that are
credentials by their form: passwords in URLs, private keys, tokens, ``PASSWORD=…``. References
(``{{resolve:…}}``, ``${Name}``, ARNs), booleans and empty text stay: they hold no secret.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from .credentials import SECRET_VALUES, is_public_token

HIDDEN = "(hidden)"
"""Shown in place of a secret."""

# --- names

_ENDINGS = (
    *("password", "passwords", "passwd", "pwd", "passphrase", "passphrases", "passcode"),
    *("requirepass", "secret", "token", "credential", "credentials", "keytab", "basicauth"),
    *("apikey", "accesskey", "secretkey", "privatekey", "sharedkey", "signingkey", "sshkey"),
    *("deploykey", "activationkey", "licensekey", "hostkey", "erlangcookie"),
    *("connectionstring", "masterkey", "accountkey"),
)
"""How names of secrets end, in lower case and without separators."""
_LAST_WORDS = frozenset(("pass", "dsn"))
"""Last words of names of secrets that have another word before: ``DB_PASS``."""
_CONTENT = frozenset(
    ("value", "string", "text", "plaintext", "binary", "data", "body", "pem", "base64", "hash")
)
"""Words after which a name is still that of a secret: ``SecretString``, ``PrivateKeyPem``."""
_HARMLESS = frozenset(
    (
        *("nexttoken", "clienttoken", "clientrequesttoken", "continuationtoken", "servicetoken"),
        *("paginationtoken", "idempotencytoken", "creationtoken", "registrycredential"),
        "masterusersecret",
    )
)
"""Names with such an ending whose values are no secrets: idempotency tokens, maps of references."""
_HARMLESS_MAPS = frozenset(("TokenValidityUnits", "MasterUserSecret"))
"""Properties whose keys read like names of secrets, and whose values are units or references."""
_HARMLESS_KEYS = frozenset(
    (
        *("public", "partition", "primary", "foreign", "sort", "cache", "object", "s3", "routing"),
        *("hash", "range", "row", "tag", "kms", "index", "dedup", "idempotency"),
    )
)
"""Words before KEY in names of environment variables that are no secrets."""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@lru_cache(4096)
def is_secret_name(name: str) -> bool:
    """Return whether a name of a property, parameter or variable is that of a secret, by its last
    words: ``MasterUserPassword`` is, ``PasswordPolicy``, ``SecretArn`` and ``KeyId`` are not."""
    words = [word.lower() for word in _WORD.findall(name)]
    while words and words[-1].isdigit():
        words.pop()
    if not words or words[0] == "generate" or "".join(words) in _HARMLESS:
        return False
    while words:
        if "".join(words).endswith(_ENDINGS) or _ends_as_variable(words, name.isupper()):
            return True
        if words.pop() not in _CONTENT:
            return False
    return False


def _ends_as_variable(words: list[str], upper: bool) -> bool:
    """Return whether the last words are those of a secret in an environment variable."""
    if len(words) < 2:
        return False
    if words[-1] in _LAST_WORDS:
        return True
    return upper and (
        words[-1] == "auth" or (words[-1] == "key" and words[-2] not in _HARMLESS_KEYS)
    )


# --- values

_NAME_KEYS = (
    *("Name", "Key", "ParameterName", "ParameterKey", "VariableName", "OptionName"),
    *("EnvironmentVariableName", "Field", "name", "key"),
)
_VALUE_KEYS = (*("Value", "ParameterValue", "DefaultValue", "Default", "StringValue", "value"),)
"""Keys of a map that names a value and gives it: ``{Name: DB_PASSWORD, Value: …}``."""
_STEP = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[\d+\]|\.?([^.\[\]]+)')
_REFERENCE = re.compile(r"(\{\{[^{}]*\}\}|\$\{[^{}]*\}|\(hidden\))")
_ARN = re.compile(r"arn:[\w-]+:\S+")
_REFERENCES = frozenset(("Ref", "Fn::GetAtt", "Fn::ImportValue", "Condition"))
_PLAIN = frozenset(("", "true", "false", "True", "False", "****", HIDDEN))


def mask(value: Any, path: str = "", *, secret: bool = False) -> Any:
    """Return a value for display, with secrets in it hidden.

    ``path`` is its place, such as ``Environment["DB_PASSWORD"].Value``; a value of a secret, known
    as one by its path or by ``secret``, is hidden as a whole. Maps, lists and JSON in text are
    searched to any depth.
    """
    names = [match.groups() for match in _STEP.finditer(path)]
    keys = [key for _, key in names if key]
    if _HARMLESS_MAPS.intersection(keys):
        return value
    label = names[-2][0] if len(names) > 1 and names[-1][1] in _VALUE_KEYS else None
    if secret or is_secret_name(label or "") or any(map(is_secret_name, keys)):
        return _hide(value)
    return _mask(value)


def mask_at(tree: Any, steps: Iterable[str | int]) -> Any:
    """Return the value at keys and indexes of a tree for display, hidden where a name on the way or
    beside it is that of a secret."""
    value, secret = tree, False
    for step in steps:
        if isinstance(value, Mapping):
            secret = secret or step in value_keys(value) or is_secret_name(str(step))
        value = value[step]
    return mask(value, secret=secret)


def value_keys(pair: Mapping[str, Any]) -> frozenset[str]:
    """Return the keys of a map whose values are secrets by the name beside them: ``Value`` of
    ``{Name: DB_PASSWORD, Value: …}``."""
    names = (pair.get(key) for key in _NAME_KEYS)
    if any(isinstance(name, str) and is_secret_name(name) for name in names):
        return frozenset(_VALUE_KEYS)
    return frozenset()


def secret_arguments(items: Sequence[Any]) -> frozenset[str]:
    """Return the arguments of a command that are secrets by the option before them: ``x`` of
    ``[run, --password, x]``."""
    return frozenset(
        item
        for option, item in pairwise(items)
        if isinstance(option, str) and isinstance(item, str)
        if option.startswith("-") and is_secret_name(option)
    )


def _mask(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(_mask_items(value))
    if isinstance(value, list):
        secrets = secret_arguments(value)
        return [
            _hide(item) if isinstance(item, str) and item in secrets else _mask(item)
            for item in value
        ]
    return _mask_string(value) if isinstance(value, str) else value


def _mask_items(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    secrets = value_keys(value)
    for key, item in value.items():
        if key in _HARMLESS_MAPS or (len(value) == 1 and key in _REFERENCES):
            yield key, item
        else:
            yield key, (_hide if key in secrets or is_secret_name(str(key)) else _mask)(item)


def _hide(value: Any) -> Any:
    """Return the value of a secret, with everything hidden but references."""
    if isinstance(value, Mapping):
        if len(value) == 1 and _REFERENCES.intersection(value):
            return value
        return {key: _hide(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_hide(item) for item in value]
    if value is None or isinstance(value, bool) or str(value) in _PLAIN:
        return value
    text = str(value)
    if _ARN.fullmatch(text):
        return text
    parts = _REFERENCE.split(text)
    shown = "".join(part if index % 2 or not part else HIDDEN for index, part in enumerate(parts))
    return re.sub(r"(\(hidden\)){2,}", HIDDEN, shown)


def _mask_string(text: str) -> str:
    if text.lstrip()[:1] in ("{", "["):
        try:
            data = json.loads(text)
        except ValueError:
            return mask_text(text)
        masked = _mask(data)
        return text if masked == data else json.dumps(masked, ensure_ascii=False)
    return HIDDEN if _holds_encoded_secret(text) else mask_text(text)


def _holds_encoded_secret(text: str) -> bool:
    """Return whether text is Base64 of text that holds a secret, as user data is."""
    if not 24 <= len(text) <= 65536 or len(text) % 4 or not _BASE64.fullmatch(text):
        return False
    try:
        decoded = base64.b64decode(text).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False
    return mask_text(decoded) != decoded


_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")

# --- text


def mask_text(text: str) -> str:
    """Return text with the credentials in it hidden."""
    for pattern, substitute in _FORMS:
        text = pattern.sub(substitute, text)
    return text


def _hide_named(match: re.Match[str]) -> str:
    """Hide the last group where the group ``name`` is that of a secret."""
    whole, value = match.group(), match.group("value")
    if not is_secret_name(match.group("name")) or _REFERENCE.match(value.strip("\"'")):
        return whole
    if value.strip("\"'") in _PLAIN or _ARN.fullmatch(value.strip("\"'")):
        return whole
    quote = value[0] if value[0] in "\"'" else ""
    start = match.start("value") - match.start()
    return f"{whole[:start]}{quote}{HIDDEN}{quote}{whole[start + len(value) :]}"


def _hide_credential(match: re.Match[str]) -> str:
    return match.group() if is_public_token(match.group()) else HIDDEN


_QUOTED = r"\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'"
_FORMS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (
        re.compile(
            r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?:(-----END [A-Z ]*PRIVATE KEY-----)|\Z)",
            re.DOTALL,
        ),
        rf"\1{HIDDEN}\2",
    ),
    (  # scheme://user:password@host
        re.compile(
            r"(?<![a-z0-9+.-])([a-z][a-z0-9+.-]*://[^\s/:@\"'<>{}]*):(?!\$\{|\{\{|\(hidden\))"
            r"[^\s/@\"'<>]+@",
            re.IGNORECASE,
        ),
        rf"\1:{HIDDEN}@",
    ),
    (  # https://token@host
        re.compile(r"(https?://)[^\s/:@\"'<>{}$()]{8,}@"),
        rf"\1{HIDDEN}@",
    ),
    (  # PASSWORD=…, ?token=…&
        re.compile(rf"(?<![\w.-])(?P<name>[\w.-]+)[\"']?[ ]?=[ ]?(?P<value>{_QUOTED}|[^\s\"'&;]+)"),
        _hide_named,
    ),
    (  # "password": "…" inside other text
        re.compile(rf"[\"'](?P<name>[\w.-]+)[\"']\s*:\s*(?P<value>{_QUOTED}|\d+)"),
        _hide_named,
    ),
    (  # a line of YAML
        re.compile(r"^[ \t]*(?:- )?(?P<name>[\w.-]+):[ \t]+(?P<value>\S.*)$", re.MULTILINE),
        _hide_named,
    ),
    (  # --password …
        re.compile(r"(?<!\S)(?P<name>--?[\w-]+)[ \t]+(?!-)(?P<value>\S+)"),
        _hide_named,
    ),
    (  # how services of AWS refuse a value
        re.compile(r"[Vv]alue (?P<value>'[^']*') at '(?P<name>[^']*)'"),
        _hide_named,
    ),
    (
        re.compile(r"(Bearer\s+|Basic\s+(?=\S+=))(?=\S*\d)[A-Za-z0-9._~+/=-]{12,}"),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(https://hooks\.slack\.com/\w+/)[\w/]+"), rf"\1{HIDDEN}"),
    (re.compile(r"([?&](?:sig|signature|X-Amz-Signature)=)[^\s&\"']+"), rf"\1{HIDDEN}"),
    *(
        (pattern, _hide_credential)
        for kind, pattern in SECRET_VALUES
        if kind not in ("a PEM private key", "a URL with a password", "an AWS access key")
    ),
)
"""The forms of credentials in text, and how they are hidden."""
