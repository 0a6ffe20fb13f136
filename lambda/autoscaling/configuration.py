"""What the function is told: the environment over `.env` over `aws.env`, all checked before any
call."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from policy import Config

REQUIRED = ("ECS_CLUSTER", "ECS_SERVICE", "METRIC_ENVIRONMENT")
TEXTS = {"AGENT_INPUT_QUEUE": "agent.mandates", "METRIC_NAMESPACE": "Euglena/Queue"}
NUMBERS: dict[str, tuple[type[int] | type[float], float, float]] = {  # defaults are those of Config
    "MIN_WORKERS": (int, 0, 1000),
    "MAX_WORKERS": (int, 1, 1000),
    "MESSAGES_PER_WORKER": (float, 0.001, 1000),
    "TARGET_WAIT_SECONDS": (float, 0, 3600),
    "SCALE_WINDOW_SECONDS": (int, 120, 3600),
    "HEADROOM": (float, 0, 5),
    "SCALE_IN_MIN_STEP": (int, 1, 100),
    "SCALE_IN_MAX_BUSY": (float, 0, 1),
    "SCALE_IN_MAX_AGE_SECONDS": (int, 30, 3600),
    "MAX_METRIC_AGE_SECONDS": (int, 60, 3600),
    "FALLBACK_WORKERS": (int, 0, 1000),
}


class AutoscalerError(Exception):
    """What stopped a tick, or a part of it, in words for the operator."""


def settings(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The environment over `.env` over `aws.env` beside the handler; an empty value counts as not
    set."""
    values = dict(TEXTS)
    for path in (folder / "aws.env", folder / ".env"):
        if path.is_file():
            from dotenv import dotenv_values

            values |= {
                name: value
                for name, value in dotenv_values(path, interpolate=False).items()
                if value
            }
    return values | {name: value for name, value in environment.items() if value.strip()}


def configure(values: Mapping[str, str]) -> Config:
    """Read the numbers. Raises AutoscalerError naming every missing, malformed or out-of-bounds
    value."""
    wrong = [f"{name} is not set" for name in REQUIRED if name not in values]
    numbers: dict[str, Any] = {}
    for name in NUMBERS.keys() & values.keys():
        kind, low, high = NUMBERS[name]
        try:
            numbers[name.lower()] = number = kind(values[name])
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            expected = "a whole number" if kind is int else "a number"
            wrong.append(f"{name}={values[name]!r}: give {expected}, {low} to {high}")
    maximum = numbers.get("max_workers", Config.max_workers)
    age = numbers.get("max_metric_age_seconds", Config.max_metric_age_seconds)
    derived = {"fallback_workers": math.ceil(maximum / 2), "scale_in_max_age_seconds": age}
    config = Config(**derived | numbers)
    if config.min_workers > maximum:
        wrong.append(f"MIN_WORKERS={config.min_workers} is above MAX_WORKERS={maximum}")
    if config.fallback_workers > maximum:
        wrong.append(f"FALLBACK_WORKERS={config.fallback_workers} is above MAX_WORKERS={maximum}")
    if wrong:
        raise AutoscalerError("configuration: " + "; ".join(sorted(wrong)))
    return config


def dimensions(values: Mapping[str, str]) -> dict[str, str]:
    return {"Queue": values["AGENT_INPUT_QUEUE"], "Environment": values["METRIC_ENVIRONMENT"]}
