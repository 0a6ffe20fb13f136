#!/usr/bin/env python3
"""Render, check and deploy Jinja-templated CloudFormation; ``python render.py --help`` lists the verbs."""

import atexit
import gc

if __name__ == "__main__":
    # A command keeps nearly all that it makes until it ends: looking for garbage as often as Python does by default
    # takes a third of its time.
    gc.set_threshold(200_000, 20, 100)
    atexit.register(gc.freeze)  # nor look once more while the process ends

    from stackwright.cli import main

    main(prog_name="render.py")
