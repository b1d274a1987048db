"""Every model from given to expected rows: the cases in `tests/models/` (see `tests/models_harness.py`)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.models_harness import FOLDER, Case, CaseError, check_case, find_cases, read_case
from transforms.runner import ModelError, models_to_build
from warehouse.catalog import load_catalog

CASES = find_cases()
EXAMPLE = FOLDER / "staging" / "equity_prices" / "latest_version_within_the_cutoff"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    check_case(case)


def test_every_model_has_a_case() -> None:
    without = {table.full_name for table in load_catalog().models()} - {
        case.table.full_name for case in CASES
    }
    assert without == set()


def _changed(folder: Path, old: str, new: str, file: str = "expect.csv") -> Case:
    """The example with one piece of text of a file replaced."""
    copy = folder / "staging" / "equity_prices" / "changed"
    shutil.copytree(EXAMPLE, copy)
    text = (copy / file).read_text()
    assert old in text
    (copy / file).write_text(text.replace(old, new))
    return read_case(copy)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("AAA,2024-07-15,103", "AAA,2024-07-15,104", "close: expected 104.0, got 103.0"),
        ("AAA,2024-07-15,103", "AAA,2024-07-17,103", "the model has no such row"),
        ("AAA,2024-07-15,103", "AAA,2024-07-17,103", "not expected"),
        ("AAA,2024-07-15,103", "AAA,2024-07-15,", "close: expected None, got 103.0"),
    ],
)
def test_a_difference_is_shown(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_case(_changed(tmp_path, old, new))


@pytest.mark.parametrize(
    ("old", "new", "file", "message"),
    [
        ("session_date", "session", "expect.csv", "unknown columns"),
        ("session:", "sesion:", "case.yml", "unknown keys"),
    ],
)
def test_a_wrong_case_is_refused(tmp_path: Path, old: str, new: str, file: str, message: str) -> None:
    with pytest.raises(CaseError, match=message):
        check_case(_changed(tmp_path, old, new, file))


def test_one_model_with_its_ancestors() -> None:
    names = [table.full_name for table in models_to_build("marts.instrument_daily")]
    assert names == [
        "staging.price_findings",
        "staging.equity_prices",
        "staging.instrument_returns",
        "staging.instrument_history",
        "marts.instrument_daily",
    ]
    given = {"staging.instrument_returns", "staging.equity_prices"}
    names = [table.full_name for table in models_to_build("marts.instrument_daily", given)]
    assert names == ["staging.instrument_history", "marts.instrument_daily"]
    assert models_to_build() == load_catalog().models()
    with pytest.raises(ModelError, match=r"marts\.instrument is not a model; the models are marts\."):
        models_to_build("marts.instrument")
