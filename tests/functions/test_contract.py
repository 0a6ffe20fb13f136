"""The rendered templates and the handlers mean the same variables, metrics and dimensions."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest
from configuration import NUMBERS, REQUIRED, TEXTS, configure, dimensions, settings

from tests.functions.test_iam import BUILD, ENVIRONMENTS, template

PROJECT = Path(__file__).parents[2]
OPTIONAL = {"AUTOSCALER_FUNCTION", "CLOUD_MAP_NAMESPACE", "CLOUD_MAP_SERVICE", "RABBITMQ_CA_FILE"}


def variables(environment: str, function: str) -> dict[str, str]:
    properties = template(environment, "autoscaler")[function]["Properties"]
    declared = properties.get("Environment", {}).get("Variables", {})
    return {name: str(value) for name, value in declared.items()}


def autoscaler_settings(environment: str) -> dict[str, str]:
    """Settings of the autoscaler: its variables, or in files mode the environment's files."""
    rendered = variables(environment, "Autoscaler")
    return settings(rendered, Path("/nonexistent") if rendered else PROJECT / "env" / environment)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_autoscaler_reads_every_variable_it_gets(environment: str) -> None:
    assert variables(environment, "Autoscaler").keys() <= {*NUMBERS, *REQUIRED, *TEXTS}
    assert configure(autoscaler_settings(environment)).max_workers >= 1


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_queue_metrics_reads_every_variable_it_gets(
    environment: str, queue_metrics: ModuleType
) -> None:
    rendered = variables(environment, "QueueMetrics")
    assert rendered.keys() <= {*queue_metrics.REQUIRED, *queue_metrics.DEFAULTS, *OPTIONAL}
    queue_metrics.settings(rendered)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_both_functions_use_one_metric(environment: str, queue_metrics: ModuleType) -> None:
    publisher = queue_metrics.settings(variables(environment, "QueueMetrics"))
    reader = autoscaler_settings(environment)
    assert queue_metrics.dimensions(publisher) == dimensions(reader)
    assert publisher["METRIC_NAMESPACE"] == reader["METRIC_NAMESPACE"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_scale_in_age_limit_depends_on_the_trigger(environment: str) -> None:
    age = configure(autoscaler_settings(environment)).scale_in_max_age_seconds
    assert age == (90 if "AUTOSCALER_FUNCTION" in variables(environment, "QueueMetrics") else 300)


def test_alarms_and_dashboard_use_published_metrics(queue_metrics: ModuleType) -> None:
    text = (BUILD / "prod" / "app" / "observability.yaml").read_text()
    published = {name for name, _ in queue_metrics.METRICS.values()} | {
        "ReadFailure",
        "Desired",
        "Need",
        "Held",
    }
    for name in ("MessagesReady", "MessagesUnacknowledged", "ReadFailure", "Desired", "Need"):
        assert name in published
        assert re.search(rf"\b{name}\b", text)
