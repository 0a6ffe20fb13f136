"""botocore's data as it is read here: the same as botocore reads, but for documentation."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader

from stackwright.aws import Boto
from stackwright.aws.data_loader import FastLoader
from stackwright.core.cache import Cache
from tests.support.aws import REGION

pytestmark = pytest.mark.usefixtures("cache")

SERVICES = ("cloudformation", "ecr", "ecs", "lambda", "s3", "secretsmanager", "sts")


def silent(data: Any) -> Any:
    """Without the texts of ``documentation``."""
    if isinstance(data, dict):
        return {
            key: "" if key == "documentation" and isinstance(value, str) else silent(value)
            for key, value in data.items()
        }
    return [silent(value) for value in data] if isinstance(data, list) else data


@pytest.mark.parametrize("service", SERVICES)
def test_models_equal_those_of_botocore(service: str) -> None:
    kept, theirs = Cache("botocore"), Loader()
    for kind in ("service-2", "endpoint-rule-set-1"):
        expected = theirs.load_service_model(service, kind)
        assert FastLoader(theirs, None).load_service_model(service, kind) == expected
        for _ in ("read", "kept"):
            assert silent(FastLoader(theirs, kept).load_service_model(service, kind)) == silent(
                expected
            )
    assert list(kept.folder.iterdir())


def test_other_files_equal_those_of_botocore() -> None:
    theirs = Loader()
    for _ in ("read", "kept"):
        ours = FastLoader(theirs, Cache("botocore"))
        for name in ("endpoints", "partitions", "_retry", "sdk-default-configuration"):
            assert ours.load_data(name) == theirs.load_data(name)


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff"])
def test_damaged_cache_entry_is_read_again(damage: bytes) -> None:
    kept, theirs = Cache("botocore"), Loader()
    expected = FastLoader(theirs, kept).load_service_model("ecr", "service-2")
    for entry in kept.folder.iterdir():
        entry.write_bytes(damage)
    assert FastLoader(theirs, kept).load_service_model("ecr", "service-2") == expected


def test_changed_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "data/made-up/2026-01-01/service-2.json.gz"
    file.parent.mkdir(parents=True)
    theirs = Loader([str(tmp_path / "data")], include_default_search_paths=False)
    for version in ("1", "22"):
        # noise that does not pack, so that the file is worth keeping
        shapes = {f"{number * 7919 % 100_003}": {} for number in range(10_000)}
        file.write_bytes(gzip.compress(json.dumps({"version": version, "shapes": shapes}).encode()))
        assert file.stat().st_size > 20_000
        loader = FastLoader(theirs, Cache("botocore"))
        assert loader.load_service_model("made-up", "service-2")["version"] == version


def test_models_of_the_user_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "made-up/2026-01-01/service-2.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"metadata": {}}')
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    loader = Boto(REGION)._open_session().get_component("data_loader")
    assert loader.load_service_model("made-up", "service-2") == {"metadata": {}}
    assert {"made-up", *SERVICES} <= set(loader.list_available_services("service-2"))


def test_services_equal_those_of_botocore() -> None:
    theirs = Loader()
    assert set(theirs.list_available_services("service-2")) <= set(
        FastLoader(theirs, None).list_available_services("service-2")
    )
    for service, kind in (("no-service", "service-2"), ("ecr", "no-kind")):
        with pytest.raises(UnknownServiceError, match=f"Unknown service: '{service}'"):
            FastLoader(theirs, None).load_service_model(service, kind)
