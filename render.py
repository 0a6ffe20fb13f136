#!/usr/bin/env python3
"""Render, check and deploy Jinja-templated CloudFormation; ``python render.py --help`` lists the verbs."""

from stackwright.cli import main

if __name__ == "__main__":
    main(prog_name="render.py")
