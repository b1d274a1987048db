"""The floors of the house: the contract of import-linter holds, it is complete, and it fails on an import
that runs up.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
APART = {"benchmarks", "tests"}
LINTER = Path(sys.executable).parent / "lint-imports"


def contract() -> dict[str, list[str]]:
    """The packages that the linter reads and the floors of the contract."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    (layers,) = settings["importlinter"]["contracts"]
    return {"packages": settings["importlinter"]["root_packages"], "floors": layers["layers"]}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the linter as `make check` does."""
    return subprocess.run(
        [LINTER, "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The packages and the contract in a folder where something can be planted."""
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    for package in contract()["packages"]:
        unwanted = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / package, tmp_path / package, ignore=unwanted)
    return tmp_path


def test_no_import_runs_up() -> None:
    result = lint(REPOSITORY)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 kept, 0 broken" in result.stdout


def test_every_package_has_its_floor() -> None:
    folders = {
        path.parent.name
        for path in REPOSITORY.glob("*/*.py")
        if not path.parent.name.startswith(".") and path.parent.name not in APART
    }
    placed = [name.strip() for floor in contract()["floors"] for name in floor.split("|")]
    assert sorted(placed) == sorted(folders), "give the package a floor in pyproject.toml"
    assert sorted(contract()["packages"]) == sorted(folders)


@pytest.mark.parametrize(
    ("module", "planted", "arrow"),
    [
        ("warehouse/database.py", "import pipeline.turns\n", "warehouse is not allowed to import pipeline"),
        ("sources/fred.py", "from datasets import DATASETS\n", "sources is not allowed to import datasets"),
        (
            "market_calendar/sessions.py",
            "def late() -> None:\n    from warehouse.settings import Settings\n",
            "market_calendar is not allowed to import warehouse",
        ),
        ("alerts/checks.py", "import brief.page\n", "alerts is not allowed to import brief"),
    ],
    ids=["to the roof", "one floor up", "inside a function", "to the neighbour"],
)
def test_an_import_that_runs_up_fails(copy: Path, module: str, planted: str, arrow: str) -> None:
    path = copy / module
    path.write_text(path.read_text(encoding="utf-8") + "\n\n" + planted, encoding="utf-8")
    result = lint(copy)
    assert result.returncode == 1, result.stderr
    assert "0 kept, 1 broken" in result.stdout
    assert arrow in " ".join(result.stdout.split())
