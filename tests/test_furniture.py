"""What a public repository has besides its code: the hooks, the workflow and the templates agree with the
project.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def read(path: str) -> Any:
    """A YAML file of the repository."""
    return yaml.safe_load((REPOSITORY / path).read_text(encoding="utf-8"))


def commands_of_make_check() -> set[str]:
    """The tools that `make check` calls, with their subcommand."""
    recipe = (REPOSITORY / "Makefile").read_text(encoding="utf-8").split("\ncheck:")[1].split("\n\n")[0]
    return set(re.findall(r"\$\(BIN\)/([\w-]+(?: (?:check|format|lint))?)", recipe))


def test_the_hooks_are_valid_and_call_what_make_check_calls() -> None:
    tool = Path(sys.executable).parent / "pre-commit"
    result = subprocess.run(
        [tool, "validate-config"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    (local,) = read(".pre-commit-config.yaml")["repos"]
    assert local["repo"] == "local", "a hook from elsewhere has a version of its own and needs the network"
    called = {
        found.group(1)
        for hook in local["hooks"]
        if (found := re.match(r"\.venv/bin/([\w-]+(?: (?:check|format|lint))?)", hook["entry"]))
    }
    assert called == commands_of_make_check()


def test_the_workflow_calls_ci_run_on_every_python_that_the_project_supports() -> None:
    (job,) = read(".github/workflows/ci.yml")["jobs"].values()
    assert "bash .ci/run" in [step.get("run") for step in job["steps"]]
    low, high = re.findall(r"3\.(\d+)", PROJECT["project"]["requires-python"])
    supported = [f"3.{minor}" for minor in range(int(low), int(high))]
    assert job["strategy"]["matrix"]["python"] == supported


def test_ci_runs_every_test_and_coverage_has_a_floor() -> None:
    assert "FULL=1 SLOW=1 make test" in (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    assert 0 < PROJECT["tool"]["coverage"]["report"]["fail_under"] <= 100
    assert PROJECT["tool"]["coverage"]["run"]["source"] == PROJECT["tool"]["importlinter"]["root_packages"]


@pytest.mark.parametrize("name", ["bug", "wrong_number", "new_source"])
def test_an_issue_template_has_what_the_form_needs(name: str) -> None:
    form = read(f".github/ISSUE_TEMPLATE/{name}.yml")
    assert form["name"]
    assert form["description"]
    ids = [field["id"] for field in form["body"]]
    assert len(set(ids)) == len(ids)
    assert all(field["attributes"]["label"] for field in form["body"])


def test_the_devcontainer_installs_by_make_what_the_checks_need() -> None:
    container = json.loads((REPOSITORY / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    assert container["image"].startswith("python:3.11")
    target = container["onCreateCommand"].removeprefix("make ")
    assert re.search(
        rf"^\$\(VENV\)/{Path(target).name}:", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.M
    )


def test_nothing_names_the_address_of_a_package_registry() -> None:
    places = [
        *REPOSITORY.glob("*.lock"),
        *REPOSITORY.glob("*.toml"),
        *(REPOSITORY / ".github").rglob("*.yml"),
        REPOSITORY / "Makefile",
        REPOSITORY / "Dockerfile",
        REPOSITORY / ".pre-commit-config.yaml",
    ]
    for place in places:
        text = place.read_text(encoding="utf-8")
        assert not re.search(r"pypi\.org|pythonhosted|npmjs|--(extra-)?index-url", text)
