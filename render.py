#!/usr/bin/env python3
"""Render, check and deploy Jinja-templated CloudFormation; ``python render.py --help`` lists the
verbs."""

import gc
import os
import sys
import threading

if __name__ == "__main__":
    # A command keeps nearly all that it makes until it ends: looking for garbage as often as Python
    # does by default takes a third of its time.
    gc.set_threshold(200_000, 20, 100)

    from stackwright.cli.main import main

    try:
        main(prog_name="render.py")
    except SystemExit as ended:
        if isinstance(ended.code, int) and threading.active_count() == 1:
            for stream in filter(None, (sys.stdout, sys.stderr)):
                stream.flush()
            os._exit(
                ended.code
            )  # all that it holds goes with a process: to take it apart first takes longer
        raise
