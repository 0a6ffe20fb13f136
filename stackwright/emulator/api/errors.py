"""Error answers."""

from __future__ import annotations


class ApiError(Exception):
    """An error answer: CloudFormation's code, text and HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def invalid(message: str) -> ApiError:
    """A ``ValidationError``."""
    return ApiError("ValidationError", message)
