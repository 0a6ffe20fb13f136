"""The codes that problems carry: title, next step and reason of each, for ``explain``, SARIF and
``docs/rules.md``.

The codes of lint rules (SW301 to SW361) stand with their classes in ``lint/rules``.
"""

from .artifacts import ARTIFACT_CODES
from .deployment import DEPLOYMENT_CODES
from .model import Code
from .rendering import RENDERING_CODES

__all__ = ["CODES", "Code"]

CODES = (*RENDERING_CODES, *ARTIFACT_CODES, *DEPLOYMENT_CODES)
"""Every code but those of the lint rules."""
