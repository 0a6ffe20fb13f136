"""Text from outside shows, and does, nothing that the reader does not see."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackwright.core import escape_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\nof two lines", "plain\ttext\nof two lines"),
        ("Grüße, 日本, 🚀", "Grüße, 日本, 🚀"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("a\rb\x08\x07\x00\x7f", "a\\rb\\x08\\x07\\x00\\x7f"),
        ("\x9b2J", "\\x9b2J"),
        ("access\u202e ⁦// admin\u2069", "access\\u202e \\u2066// admin\\u2069"),
        ("zero\u200bwidth\ufeff\u2060", "zero\\u200bwidth\\ufeff\\u2060"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("line\u2028paragraph\u2029", "line\\u2028paragraph\\u2029"),
        ("lone \udc80", "lone \\udc80"),
        ("no\xa0break", "no\\xa0break"),
        ("::error::x", "| ::error::x"),
        ("failed\n  ::add-mask::x\nAWS::S3::Bucket", "failed\n  | ::add-mask::x\nAWS::S3::Bucket"),
        ("x ##[error]y", "x ## [error]y"),
    ],
)
def test_text_that_does_not_print_is_escaped(text: str, shown: str) -> None:
    assert escape_text(text) == shown


@given(st.text())
def test_escaped_text_prints_and_stays(text: str) -> None:
    shown = escape_text(text)
    assert all(line.isprintable() for line in shown.replace("\t", "").split("\n"))
    assert not any(line.lstrip().startswith("::") for line in shown.split("\n"))
    assert escape_text(shown) == shown
