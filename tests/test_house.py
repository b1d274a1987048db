"""The house keeps its order: who may ask what a kind of input is called, and who may call what."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from datasets.registry import DATASETS
from sources.registry import PROVIDERS
from warehouse.settings import REPOSITORY

PACKAGES = (
    "alerts",
    "brief",
    "cli",
    "dags",
    "deploy",
    "doors",
    "expectations",
    "market_calendar",
    "operations",
    "orchestration",
    "pipeline",
    "plugins",
    "sources",
    "transforms",
    "warehouse",
)
PROVIDER_NAMES = {provider for _, provider in PROVIDERS} | {"live"}


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py"))]


def names_in(node: ast.AST) -> set[str]:
    return {
        child.value
        for child in ast.walk(node)
        if isinstance(child, ast.Constant) and isinstance(child.value, str)
    }


def decisions(tree: ast.AST, names: set[str]) -> list[int]:
    """Lines that compare something with one of the names, or match or look it up by one."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(
            names_in(side) & names for side in (node.left, *node.comparators)
        ):
            lines.append(node.lineno)
        if isinstance(node, ast.match_case) and names_in(node.pattern) & names:
            lines.append(node.pattern.lineno)
        if isinstance(node, ast.Subscript) and names_in(node.slice) & names:
            lines.append(node.lineno)
    return lines


def test_nobody_outside_datasets_asks_for_a_kind_of_input() -> None:
    found = {
        f"{path.relative_to(REPOSITORY)}:{line}"
        for path in modules()
        for line in decisions(ast.parse(path.read_text(encoding="utf-8")), set(DATASETS))
    }
    assert found == set()


def test_the_search_for_kinds_of_input_finds_them() -> None:
    planted = "if dataset == 'prices':\n    pass\nx = {'fred': 1}['fred']\nif a in ('futures', 'b'): pass\n"
    assert sorted(decisions(ast.parse(planted), set(DATASETS))) == [1, 3, 4]


def test_only_settings_and_the_registry_know_what_live_means() -> None:
    """A provider's name is compared in two places: where `live`, `files` or `simulated` is chosen."""
    found = {
        str(path.relative_to(REPOSITORY))
        for path in modules()
        if decisions(ast.parse(path.read_text(encoding="utf-8")), PROVIDER_NAMES)
    }
    # The kind of a home, and what its users are told about it.
    told = {"alerts/checks.py", "brief/page.py", "cli/run.py", "cli/run_summary.py", "warehouse/database.py"}
    told |= {"doors/answering.py", "doors/opened.py"}
    told |= {"expectations/data_contract.py"}
    migrated = {"warehouse/migrations/layout_2.py"}
    assert found - told - migrated <= {"warehouse/settings.py", "sources/registry.py"}


def test_the_type_checker_refuses_a_wrong_call_of_a_step(tmp_path: Path) -> None:
    """A task that called a step that does not exist once passed the strict type checker."""
    path = REPOSITORY / "orchestration" / "operators.py"
    text = path.read_text(encoding="utf-8")
    wrong = {
        "steps.fetch(run)": "steps.fetsch(run)",
        "steps.plan(run)": "steps.plan(run, 3)",
        "steps.publish(run).generation": "steps.publish(run).generations",
    }
    for right, other in wrong.items():
        assert right in text
        text = text.replace(right, other)
    (tmp_path / "operators_with_wrong_calls.py").write_text(text, encoding="utf-8")
    found = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--config-file",
            "pyproject.toml",
            str(tmp_path / "operators_with_wrong_calls.py"),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert 'has no attribute "fetsch"' in found.stdout
    assert 'Too many arguments for "plan"' in found.stdout
    assert '"Published" has no attribute "generations"' in found.stdout
    assert found.returncode == 1
