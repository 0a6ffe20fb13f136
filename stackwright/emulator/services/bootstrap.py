"""The program of a function's process: it calls the handler once.

The process gets this source text, not this module, and runs in the folder of the function's code,
so that the function can import nothing of the emulator. The event comes on stdin; the outcome goes
to the file that the argument names.

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
    """The context that a handler gets."""

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


def call_handler() -> dict[str, Any]:
    """Call the handler: ``payload`` is the JSON of its return value, ``error`` Lambda's error."""
    context, event = LambdaContext(), json.load(sys.stdin)
    module, _, name = os.environ["_HANDLER"].rpartition(".")
    try:
        handler = getattr(importlib.import_module(module.replace("/", ".")), name)
        return {"payload": json.dumps(handler(event, context))}
    except (Exception, SystemExit) as error:
        trace = [
            line for line in traceback.format_tb(error.__traceback__) if '"<string>"' not in line
        ]
        shape = {
            "errorMessage": str(error),
            "errorType": type(error).__name__,
            "requestId": context.aws_request_id,
        }
        traceback.print_exc()
        return {"error": {**shape, "stackTrace": trace}}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(call_handler()), encoding="utf-8")
