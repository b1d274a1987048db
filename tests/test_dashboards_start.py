"""`make dashboards` before Superset is started: secrets, ports, publications, and one form for the bundle.

In: `dashboards.start`, `dashboards.bundle`, `dashboards/requirements.in` and its lock. No Superset is needed.
"""

from __future__ import annotations

import copy
import os
import re
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from dashboards import bundle, start
from warehouse.settings import Settings

REPOSITORY = Path(__file__).resolve().parent.parent
CHART = "1eb50352-9052-56aa-a236-72aa45c2cab3"


def test_secrets_are_made_once_for_their_owner_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "secrets"
    before = os.umask(0)
    try:
        start.make_secrets(folder)
    finally:
        os.umask(before)
    made = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(made) == set(start.SECRETS)
    assert len(set(made.values())) == len(made) and min(map(len, made.values())) > 16
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    (folder / "dashboards_analyst_password").write_text("my own\n")
    (folder / "superset_secret_key").unlink()
    start.make_secrets(folder)
    assert (folder / "dashboards_analyst_password").read_text() == "my own\n"
    assert (folder / "superset_secret_key").read_text() != made["superset_secret_key"]
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")


def test_a_taken_port_and_a_wrong_one_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = listener.getsockname()[1]
        monkeypatch.setenv("ROTATION_DASHBOARDS_PORT", str(taken))
        with pytest.raises(start.StartError, match=f"Port {taken} is taken.*ROTATION_DASHBOARDS_PORT="):
            start.wanted_port()
    assert start.wanted_port() == taken
    for wrong in ("0", "65536", "http", "-1"):
        monkeypatch.setenv("ROTATION_DASHBOARDS_PORT", wrong)
        with pytest.raises(start.StartError, match="is no port"):
            start.wanted_port()


def test_without_a_publication_it_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROTATION_SOURCE", "simulated")
    monkeypatch.setenv("ROTATION_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ROTATION_DASHBOARDS_HOME", str(tmp_path / "superset"))
    assert start.main([]) == 1
    assert "make run" in capsys.readouterr().err
    assert start.main(["--export"]) == 1
    assert "make dashboards" in capsys.readouterr().err


def test_no_secret_is_in_the_environment_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRED_API_KEY", "0123456789canary")
    monkeypatch.setenv("ROTATION_DASHBOARDS_SECONDS", "7")
    start.make_secrets(tmp_path / "secrets")
    settings = Settings.from_environment({"ROTATION_SOURCE": "simulated", "ROTATION_HOME": str(tmp_path)})
    env = start.superset_environment(settings, tmp_path)
    assert env["ROTATION_PUBLISHED"] == str(tmp_path / "published")
    assert env["ROTATION_DASHBOARDS_SECONDS"] == "7"
    assert "0123456789canary" not in env.values()
    for path in (tmp_path / "secrets").iterdir():
        assert path.read_text().strip() not in env.values()


def test_what_the_metadata_is_made_from_is_noticed(tmp_path: Path) -> None:
    start.make_secrets(tmp_path / "secrets")
    before = start.inputs(tmp_path)
    assert start.inputs(tmp_path) == before
    (tmp_path / "secrets" / "dashboards_admin_password").write_text("another\n")
    assert start.inputs(tmp_path) != before


def _dashboard(number: int, **metadata: Any) -> dict[str, Any]:
    chart = {"type": "CHART", "id": "CHART-1", "meta": {"chartId": number, "uuid": CHART, "width": 4}}
    scope = {"rootPath": ["ROW-1"], "excluded": [number]}
    return {
        "slug": "rotation",
        "uuid": "f",
        "position": {"DASHBOARD_VERSION_KEY": "v2", "CHART-1": chart},
        "metadata": {
            "native_filter_configuration": [{"id": "NATIVE_FILTER-1", "scope": scope}],
            "timed_refresh_immune_slices": [number],
            "expanded_slices": {str(number): True},
            **metadata,
        },
    }


def test_a_dashboard_has_one_form_on_every_machine() -> None:
    path = "dashboards/rotation.yaml"
    clicked = _dashboard(12, chart_configuration={"12": {"id": 12}}, shared_label_colors=["x"])
    clicked["metadata"]["native_filter_configuration"][0]["chartsInScope"] = [12]
    elsewhere = _dashboard(345, global_chart_configuration={"chartsInScope": [345]})
    given = copy.deepcopy(clicked)
    one = bundle.normalised(path, clicked)
    assert clicked == given, "the argument was changed"
    assert one == bundle.normalised(path, elsewhere) == bundle.normalised(path, one)
    number = int(CHART[:7], 16)
    assert one["position"]["CHART-1"]["meta"]["chartId"] == number
    assert one["metadata"] == {
        "native_filter_configuration": [
            {"id": "NATIVE_FILTER-1", "scope": {"rootPath": ["ROW-1"], "excluded": [number]}}
        ],
        "timed_refresh_immune_slices": [number],
        "expanded_slices": {str(number): True},
    }


def test_a_chart_keeps_what_it_draws_and_loses_where_it_was_drawn() -> None:
    params = {"viz_type": "table", "row_limit": 10}
    clicked = {
        "slice_name": "A",
        "uuid": CHART,
        "params": {
            **params,
            "datasource": "7__table",
            "slice_id": 9,
            "annotation_layers": [],
            "dashboards": [1],
        },
        "query_context": "{}",
    }
    made = bundle.normalised("charts/A.yaml", clicked)
    assert made == {"slice_name": "A", "uuid": CHART, "params": params, "query_context": None}


def test_the_files_of_the_bundle_are_in_that_form() -> None:
    """Charts and dashboards: an export must not change a file in which nothing was edited."""
    for path, entry in bundle.bundle_files().items():
        if path.startswith(("charts/", "dashboards/")):
            assert bundle.parsed((bundle.BUNDLE / path).read_text()) == entry, path


def test_an_export_writes_what_changed_and_no_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chart(title: str) -> dict[str, Any]:
        return {"slice_name": title, "uuid": title, "params": {"row_limit": 1}, "query_context": None}

    monkeypatch.setattr(bundle, "BUNDLE", tmp_path)
    for name in ("kept", "changed", "gone"):
        (tmp_path / "charts").mkdir(exist_ok=True)
        (tmp_path / "charts" / f"{name}.yaml").write_text(bundle.text_of(chart(name)))
    dataset = {"table_name": "x", "columns": [], "metrics": [], "uuid": "d"}
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "x.yaml").write_text(bundle.text_of(dataset))
    said = bundle.write(
        {
            "charts/kept.yaml": chart("kept"),
            "charts/changed.yaml": chart("another title"),
            "charts/new.yaml": chart("new"),
            "datasets/x.yaml": {**dataset, "description": "clicked"},
        }
    )
    assert [line.split()[0] for line in said] == ["changed", "removed", "new", "not"]
    assert sorted(path.name for path in (tmp_path / "charts").iterdir()) == [
        "changed.yaml",
        "kept.yaml",
        "new.yaml",
    ]
    assert "another title" in (tmp_path / "charts" / "changed.yaml").read_text()
    assert bundle.parsed((tmp_path / "datasets" / "x.yaml").read_text()) == dataset


def test_every_requirement_is_in_the_lock_with_hashes_and_without_an_address() -> None:
    lock = (REPOSITORY / "requirements-dashboards.lock").read_text()
    entries = re.findall(r"(?m)^([a-z0-9.-]+)==(\S+)", lock)
    assert len(entries) > 100 and "://" not in lock
    assert lock.count("--hash=sha256:") >= len(entries)
    versions = dict(entries)
    for line in (REPOSITORY / "dashboards" / "requirements.in").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, version = line.partition("==")
            assert versions[re.split("[<>=]", name)[0]] == (
                version or versions[re.split("[<>=]", name)[0]]
            ), line
    main = (REPOSITORY / "requirements.lock").read_text()
    assert re.search(r"(?m)^duckdb==(\S+)", main).group(1) == versions["duckdb"], "two DuckDBs on one file"  # type: ignore[union-attr]
