"""What a function's process runs: the handler, once. It is started with this source text, in the
folder of the function's code, so that nothing of ours is importable there; the event comes on
stdin, the outcome goes to the file that is named.

docs.aws.amazon.com/lambda/latest/dg/python-context.html and .../python-exceptions.html
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any


class LambdaContext:
    """What a handler is told of its invocation."""

    function_version = "$LATEST"
    client_context = identity = None

    def __init__(self) -> None:
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.invoked_function_arn = os.environ.pop("_INVOKED_ARN")
        self.aws_request_id = os.environ.pop("_REQUEST_ID")
        self._deadline = time.monotonic() + float(os.environ.pop("_TIMEOUT"))

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function times out."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def outcome() -> dict[str, Any]:
    """``payload``, the JSON of what the handler returned; or ``error``, as Lambda answers one."""
    context, event = LambdaContext(), json.load(sys.stdin)
    module, _, name = os.environ["_HANDLER"].rpartition(".")
    try:
        handler = getattr(importlib.import_module(module.replace("/", ".")), name)
        return {"payload": json.dumps(handler(event, context))}
    except (Exception, SystemExit) as error:
        trace = [
            line for line in traceback.format_tb(error.__traceback__) if '"<string>"' not in line
        ]
        told = {
            "errorMessage": str(error),
            "errorType": type(error).__name__,
            "requestId": context.aws_request_id,
        }
        traceback.print_exc()
        return {"error": {**told, "stackTrace": trace}}


if __name__ == "__main__":
    found = outcome()
    Path(sys.argv[1]).write_text(json.dumps(found), encoding="utf-8")
