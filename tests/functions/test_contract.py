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
    found = properties.get("Environment", {}).get("Variables", {})
    return {name: str(value) for name, value in found.items()}


def told(environment: str) -> dict[str, str]:
    """What the autoscaler is told: its variables, or in files mode the environment's files."""
    rendered = variables(environment, "Autoscaler")
    return settings(rendered, Path("/nonexistent") if rendered else PROJECT / "env" / environment)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_variable_of_the_autoscaler_is_one_that_it_reads(environment: str) -> None:
    assert variables(environment, "Autoscaler").keys() <= {*NUMBERS, *REQUIRED, *TEXTS}
    assert configure(told(environment)).max_workers >= 1


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_variable_of_queue_metrics_is_one_that_it_reads(
    environment: str, queue_metrics: ModuleType
) -> None:
    rendered = variables(environment, "QueueMetrics")
    assert rendered.keys() <= {*queue_metrics.REQUIRED, *queue_metrics.DEFAULTS, *OPTIONAL}
    queue_metrics.settings(rendered)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_both_functions_name_the_same_metric(environment: str, queue_metrics: ModuleType) -> None:
    publisher = queue_metrics.settings(variables(environment, "QueueMetrics"))
    reader = told(environment)
    assert queue_metrics.dimensions(publisher) == dimensions(reader)
    assert publisher["METRIC_NAMESPACE"] == reader["METRIC_NAMESPACE"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_old_points_do_not_scale_in_where_readings_are_handed_over(environment: str) -> None:
    age = configure(told(environment)).scale_in_max_age_seconds
    assert age == (90 if "AUTOSCALER_FUNCTION" in variables(environment, "QueueMetrics") else 300)


def test_alarms_and_dashboard_name_metrics_that_are_published(queue_metrics: ModuleType) -> None:
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
