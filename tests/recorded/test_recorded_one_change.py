"""Append-only raw on recorded files: the same again gives no row, one changed value gives one."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from tests.recorded_data import RECORDED
from tests.test_one_change import home_on, twice_and_one_change

pytestmark = pytest.mark.replay


def test_recorded_files_twice_and_one_value_changed(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    inputs = [
        *(("prices", name) for name in ("IWM", "SPY", "KRE", "^RUT")),
        *(("futures", name) for name in ("ZQQ24", "ZQU24")),
        *(("fred", name) for name in ("DGS2", "DGS10", "VIXCLS")),
    ]
    for dataset, name in inputs:
        (folder / dataset).mkdir(parents=True, exist_ok=True)
        shutil.copy(RECORDED / dataset / f"{name.replace('^', '_')}.csv", folder / dataset)
    twice_and_one_change(
        home_on(folder, tmp_path / "home", date(2024, 1, 3)), folder, inputs, date(2024, 7, 16)
    )
