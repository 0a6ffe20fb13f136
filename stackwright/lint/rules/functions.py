"""Rules for Lambda functions."""

from __future__ import annotations

from collections.abc import Iterator

from ...config import FUNCTION_LIMIT
from ...core import Document
from .base import Path, Properties, ResourceRule, RuleFinding, as_mapping, read_properties


class FunctionEnvironment(ResourceRule):
    """A function's variables have no reserved name and take at most 4 KB."""

    id = "SW313"
    title = "Function variables with a reserved name, or above 4 KB"
    action = "Rename the variable, or keep large values in a file of the function."
    reason = "CreateFunction fails."
    source = "https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"
    types = ("AWS::Lambda::Function",)
    reserved = frozenset(
        [
            "_HANDLER",
            "_X_AMZN_TRACE_ID",
            "AWS_DEFAULT_REGION",
            "AWS_REGION",
            "AWS_EXECUTION_ENV",
            "AWS_LAMBDA_FUNCTION_NAME",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            "AWS_LAMBDA_FUNCTION_VERSION",
            "AWS_LAMBDA_INITIALIZATION_TYPE",
            "AWS_LAMBDA_LOG_GROUP_NAME",
            "AWS_LAMBDA_LOG_STREAM_NAME",
            "AWS_ACCESS_KEY",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_LAMBDA_RUNTIME_API",
            "LAMBDA_TASK_ROOT",
            "LAMBDA_RUNTIME_DIR",
        ]
    )

    def check_resource(
        self, document: Document, at: Path, resource: Properties
    ) -> Iterator[RuleFinding]:
        """Yield each reserved name, and the variables as a whole where they are too large."""
        variables = as_mapping(
            as_mapping(read_properties(resource).get("Environment")).get("Variables")
        )
        where = (*at, "Properties", "Environment", "Variables")
        for name in variables:
            if name in self.reserved:
                yield RuleFinding(
                    document, (*where, name), f"{name} is reserved by Lambda, which sets it itself"
                )
        size = sum(
            len(str(name).encode()) + len(value.encode())
            for name, value in variables.items()
            if isinstance(value, str)
        )
        if size > FUNCTION_LIMIT:
            yield RuleFinding(
                document,
                where,
                f"the variables take {size:,} bytes; Lambda allows {FUNCTION_LIMIT:,}",
            )


RULES = (FunctionEnvironment,)
