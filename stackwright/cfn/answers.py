"""Texts as CloudFormation answers them."""

from __future__ import annotations

import re

_NON_ASCII = re.compile("[^\\x00-\\x7f]")


def replace_non_ascii(text: str) -> str:
    """The text with a question mark for each character beyond ASCII, as GetTemplate answers a
    template and DescribeStacks an Output.

    CloudFormation deploys the characters all the same. Sources:
    https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/1220 (GetTemplate),
    https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/814 (both)
    """
    return _NON_ASCII.sub("?", text)
