"""Every name, number and rule of the deployment guide stands in ``build/guide``, or its deviation
does."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.guide.claims import BUILD, MISSING, PROJECT, Claim, claims, follow, problem, steps
from tests.guide.deviations import table


@pytest.mark.parametrize("claim", claims(), ids=str)
def test_claim_holds(claim: Claim) -> None:
    assert problem(claim, claim.data) is None


@pytest.mark.parametrize("claim", claims(), ids=str)
def test_broken_claim_is_detected(claim: Claim) -> None:
    """What the row points at is removed, or put there where it must be absent: then the row does
    not hold."""
    assert problem(claim, without(claim.data, claim)) is not None


def without(data: Any, claim: Claim) -> Any:
    if isinstance(data, str):
        return data.replace(claim.expected[1], "")
    path = steps(claim.at.partition(":")[2])
    changed = copy.deepcopy(data)
    if claim.expected[0] == "absent":
        parent = follow(changed, path[:-1])
        put = {"Name": path[-1].strip("[]").partition("=")[2]}
        parent.append(put) if isinstance(parent, list) else parent.__setitem__(path[-1], put)
        return changed
    # After a * the values sit in many places: what the * goes through is emptied.
    stop = next((n for n, step in enumerate(path) if "*" in step), len(path) - 1)
    parent = follow(changed, path[:stop])
    if "*" in path[stop]:
        parent.clear()
    elif isinstance(parent, list):
        parent.remove(follow(changed, path))
    else:
        del parent[path[stop]]
    return changed


def test_claims_are_unique() -> None:
    names = [str(claim) for claim in claims()]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_every_section_of_the_guide_has_claims() -> None:
    sections = {claim.section.partition(".")[0] for claim in claims()}
    assert sections == {"Prerequisites", *"12345678"}


def test_missing_value_matches_nothing() -> None:
    claim = Claim("x", "y", "app/gateway:Service.Properties.Nowhere.At[Name=all]", ("value", None))
    assert follow(claim.data, steps(claim.at.partition(":")[2])) is MISSING
    assert problem(claim, claim.data) is not None


def test_claims_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    missing = [str(claim) for claim in claims() if problem(claim, claim.data) is not None]
    deviations = sum(claim.deviation is not None for claim in claims())
    with capsys.disabled():
        fulfilled = len(claims()) - deviations - len(missing)
        print(
            f"\n{len(claims())} claims: {fulfilled} found, {deviations} deviations, {len(missing)} missing"
        )
    assert missing == []


def test_deviations_page_has_the_generated_table() -> None:
    page = (PROJECT / "docs/deviations.md").read_text(encoding="utf-8")
    _, begin, rest = page.partition("<!-- deviations:begin -->\n")
    text, end, _ = rest.partition("<!-- deviations:end -->")
    assert begin, "docs/deviations.md has no <!-- deviations:begin -->"
    assert end, "docs/deviations.md has no <!-- deviations:end -->"
    assert text.strip() == table().strip(), "paste what python -m tests.guide.deviations prints"


def test_committed_build_is_found() -> None:
    assert (BUILD / "app.yaml").is_file(), "run make render ENV=guide"
