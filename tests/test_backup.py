"""Backup and restore: a restored home goes on as if nothing had happened; what is damaged, half written, in
use or not empty is refused with a sentence.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from operations import backup
from operations.backup import BackupDamaged, BackupRefused, make_backup, restore, verify_backup
from pipeline import steps
from tests.shared_homes import HomeAfter
from tests.small_market import (
    built_digests,
    context,
    fetch_all,
    published_digests,
    run_to_build,
    run_unaudited,
    small_settings,
)
from warehouse.database import LAYOUT, HomeError, pipeline_database
from warehouse.settings import Settings, SettingsError

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def market(small_market_files: Path) -> Path:
    """Files of the small market."""
    return small_market_files


@pytest.fixture(scope="module")
def filled(home_after: HomeAfter) -> Path:
    """A home after one session, to be copied."""
    return home_after("2024-07-16").home


@pytest.fixture
def settings(market: Path, filled: Path, tmp_path: Path) -> Settings:
    """A copy of the filled home without its publication, for a test to work on."""
    shutil.copytree(filled, tmp_path / "home", ignore=shutil.ignore_patterns("published"))
    return small_settings(market, tmp_path / "home")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where the backups go."""
    return tmp_path / "backups"


def to_home(settings: Settings, home: Path) -> Settings:
    """The same settings with another home."""
    assert settings.files_dir is not None
    return small_settings(settings.files_dir, home)


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def next_backup(settings: Settings, target: Path, number: int) -> backup.Made:
    """A backup with a name of its own; two within a second would be refused."""
    made = make_backup(settings, target)
    made.folder = made.folder.rename(target / f"2000010{number}T000000Z")
    return made


@contextmanager
def python(code: str, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that prints `ready` and then waits for its standard input to close."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ROTATION_")}
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**clean, "PYTHONPATH": str(REPOSITORY), **environment},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
    ) as process:
        yield process


def as_environment(settings: Settings) -> dict[str, str]:
    """The settings as a user would set them."""
    return {
        "ROTATION_SOURCE": "files",
        "ROTATION_FILES_DIR": str(settings.files_dir),
        "ROTATION_HOME": str(settings.home),
        "ROTATION_HISTORY_START": str(settings.history_start),
    }


@pytest.mark.slow
def test_a_restored_home_goes_on_like_an_undisturbed_one(
    market: Path, filled: Path, target: Path, tmp_path: Path
) -> None:
    """The backup is taken in the middle of the next session's run: between its load and its build."""
    shutil.copytree(filled, tmp_path / "home", symlinks=True)
    undisturbed = small_settings(market, tmp_path / "home")
    before = published_digests(undisturbed)
    run = context(undisturbed, "2024-07-17", "next")
    fetch_all(run)
    steps.load(run)
    made = make_backup(undisturbed, target)
    steps.build(run)

    restored = to_home(undisturbed, tmp_path / "restored")
    told = restore(restored, made.folder)
    assert told.high_water_session == "2024-07-16"
    assert content(restored.landing) == content(undisturbed.landing)
    # The briefs of past sessions come back; a publication is made by the next run.
    assert [path.name for path in restored.published.iterdir()] == ["briefs"]
    run_unaudited(restored, "2024-07-16", "again")
    assert published_digests(restored) == before
    run_to_build(restored, "2024-07-17", "next-again")
    assert built_digests(restored) == built_digests(undisturbed)
    with pipeline_database(restored, read_only=True) as connection:
        runs = connection.execute(
            "select run_id from ops.runs where step = 'plan' order by started_at_utc"
        ).fetchall()
    assert runs == [("test-2024-07-16",), ("next",), ("again",), ("next-again",)]


def test_payloads_are_held_once_and_every_folder_is_whole(settings: Settings, target: Path) -> None:
    first = next_backup(settings, target, 1)
    payloads = len(content(settings.landing))
    assert (first.linked, first.copied) == (0, payloads + 2)
    (settings.landing / "prices" / "new.csv.gz").write_bytes(b"new")
    (settings.landing / "prices" / "half.csv.gz.tmp").write_bytes(b"half")
    second = next_backup(settings, target, 2)
    assert (second.linked, second.copied) == (payloads, 3)
    shutil.rmtree(first.folder)
    verify_backup(second.folder)
    assert "landing/prices/half.csv.gz.tmp" not in content(second.folder)
    result = subprocess.run(
        ["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=second.folder, check=False, capture_output=True
    )
    assert result.returncode == 0, result.stdout


def test_a_payload_that_the_backup_before_has_lost_is_copied_again(settings: Settings, target: Path) -> None:
    first = next_backup(settings, target, 1)
    damaged = next(path for path in sorted(first.folder.glob("landing/**/*.gz")))
    size = damaged.stat().st_size
    damaged.chmod(0o644)
    damaged.write_bytes(b"\0" * size)
    second = next_backup(settings, target, 2)
    assert second.copied == 3
    verify_backup(second.folder)
    with pytest.raises(BackupDamaged, match=damaged.name):
        verify_backup(first.folder)


def test_the_backups_of_another_home_are_not_linked_to(
    settings: Settings, target: Path, tmp_path: Path
) -> None:
    next_backup(settings, target, 1)
    shutil.copytree(settings.home, tmp_path / "other")
    assert next_backup(to_home(settings, tmp_path / "other"), target, 2).linked == 0


def test_links_lead_nowhere(settings: Settings, target: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (settings.landing / "prices" / "linked.json").symlink_to(tmp_path / "secret")
    made = make_backup(settings, target)
    assert b"secret" not in content(made.folder).values()


def test_a_payload_that_landing_has_lost_is_a_warning(settings: Settings, target: Path) -> None:
    lost = next(path for path in sorted(settings.landing.glob("**/*.gz")))
    lost.unlink()
    made = make_backup(settings, target)
    assert made.description.warnings == [
        "1 loaded payloads are no longer in landing/ (the first:"
        f" landing/{lost.relative_to(settings.landing)}); take them from an older backup."
    ]


def test_no_backup_while_somebody_writes(settings: Settings, target: Path) -> None:
    holding = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('ready', flush=True); sys.stdin.read()"
    )
    with python(holding, str(settings.warehouse)) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        with pytest.raises(HomeError, match="Another process has it open; wait for the other run to end"):
            make_backup(settings, target)
    locking = (
        "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print('ready',"
        " flush=True); sys.stdin.read()"
    )
    with python(locking, str(settings.home / ".run.lock")) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        with pytest.raises(BackupRefused, match="A run is in progress"):
            make_backup(settings, target)
    assert [path.name for path in target.iterdir()] == [".lock"]
    with python(locking, str(target / ".lock")) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        with pytest.raises(BackupRefused, match="Another backup"):
            make_backup(settings, target)
    make_backup(settings, target)


def test_nobody_writes_while_the_warehouse_is_copied(
    settings: Settings, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading the file must not give up the lock that DuckDB holds on it."""
    copy, answers = backup._copy_stream, []

    def copy_and_ask(source: object, path: Path) -> str:
        digest = copy(source, path)  # type: ignore[arg-type]
        if path.name == "warehouse.duckdb":
            with python(
                "import duckdb, sys; duckdb.connect(sys.argv[1])", str(settings.warehouse)
            ) as process:
                answers.append(process.communicate()[1])
        return digest

    monkeypatch.setattr(backup, "_copy_stream", copy_and_ask)
    make_backup(settings, target)
    assert len(answers) == 1 and "Could not set lock" in answers[0]


def test_what_is_only_in_the_log_of_the_warehouse_is_in_the_backup(settings: Settings, target: Path) -> None:
    """A writer that was killed leaves its last rows in the write-ahead log."""
    code = (
        'import duckdb, sys, os, signal; c = duckdb.connect(sys.argv[1]);c.execute("insert into ops.runs'
        " (run_id, step, started_at_utc, outcome) values ('killed', 'load', now()::timestamp,"
        " 'failed')\");os.kill(os.getpid(), signal.SIGKILL)"
    )
    with python(code, str(settings.warehouse)) as process:
        process.wait()
    assert settings.warehouse.with_name("warehouse.duckdb.wal").stat().st_size > 0
    made = make_backup(settings, target)
    with duckdb.connect(str(made.folder / "warehouse.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) from ops.runs where run_id = 'killed'").fetchone() == (1,)


KILLED_WHEN_A_FILE_GROWS = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
from cli import {module}
sys.exit({module}.main({arguments}))
"""


def test_a_backup_killed_half_way_leaves_no_backup_and_the_next_one_tidies_up(
    settings: Settings, target: Path
) -> None:
    code = KILLED_WHEN_A_FILE_GROWS.format(module="backup", arguments="")
    with python(code, ROTATION_BACKUP_DIR=str(target), **as_environment(settings)) as process:
        _, errors = process.communicate()
    assert process.returncode == -signal.SIGXFSZ, errors
    left = [path for path in target.iterdir() if path.name != ".lock"]
    assert [path.name.endswith(".partial") for path in left] == [True]
    made = make_backup(settings, target)
    assert {path.name for path in target.iterdir()} == {".lock", made.folder.name}


def test_a_restore_killed_half_way_lets_no_run_start_and_is_ended_by_the_next(
    settings: Settings, target: Path, tmp_path: Path
) -> None:
    made = next_backup(settings, target, 0)
    restored = to_home(settings, tmp_path / "restored")
    code = KILLED_WHEN_A_FILE_GROWS.format(module="restore", arguments=f"[{str(made.folder)!r}]")
    with python(code, **as_environment(restored)) as process:
        _, errors = process.communicate()
    assert process.returncode == -signal.SIGXFSZ, errors
    assert content(restored.landing) == content(settings.landing)
    assert not restored.warehouse.exists()
    with pytest.raises(HomeError, match=r"home\.json cannot be read"):
        steps.plan(context(restored, "2024-07-16", "too-early"))
    another = next_backup(settings, target, 1)
    with pytest.raises(BackupRefused, match="needs an empty home"):
        restore(restored, another.folder)
    restore(restored, made.folder)
    assert json.loads((restored.home / "home.json").read_text()) == {
        "kind": "real",
        "layout": LAYOUT,
    }
    assert [path for path in restored.home.rglob("*.tmp")] == []
    with pipeline_database(restored, read_only=True) as connection:
        assert connection.execute("select count(*) from ops.publication").fetchone() == (1,)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: flip(folder / "warehouse.duckdb"),
        lambda folder: flip(next(iter(sorted(folder.glob("landing/**/*.gz"))))),
        lambda folder: next(iter(sorted(folder.glob("landing/**/*.json")))).unlink(),
        lambda folder: (folder / "landing" / "added.gz").write_bytes(b"x"),
        lambda folder: (folder / "landing" / "added.gz").symlink_to("/etc/hostname"),
        lambda folder: flip(folder / "SHA256SUMS"),
        lambda folder: rewrite(folder / "SHA256SUMS", f"{'0' * 64}  landing/../../escaped\n"),
        lambda folder: (folder / "SHA256SUMS").unlink(),
        lambda folder: (folder / "backup.json").unlink(),
        lambda folder: change(folder, format=99),
        lambda folder: change(folder, tables={"raw.equity_prices": 1}),
    ],
)
def test_a_damaged_backup_is_refused_and_the_home_stays_empty(
    settings: Settings, target: Path, tmp_path: Path, damage: object
) -> None:
    folder = make_backup(settings, target).folder
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
    assert callable(damage)
    damage(folder)
    restored = to_home(settings, tmp_path / "restored")
    with pytest.raises(BackupDamaged):
        restore(restored, folder)
    assert not restored.home.exists()
    assert not (tmp_path / "escaped").exists()


def flip(path: Path) -> None:
    """Change one byte in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def rewrite(path: Path, text: str) -> None:
    """Put other text into a file."""
    path.write_text(text)


def change(folder: Path, **values: object) -> None:
    """Change the description of a backup."""
    path = folder / "backup.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_only_an_empty_home_of_the_same_kind_is_restored_into(
    settings: Settings, target: Path, tmp_path: Path
) -> None:
    folder = make_backup(settings, target).folder
    before = content(settings.home)
    with pytest.raises(BackupRefused, match="needs an empty home"):
        restore(settings, folder)
    assert content(settings.home) == before
    simulated = Settings.from_environment(
        {"ROTATION_SOURCE": "simulated", "ROTATION_HOME": str(tmp_path / "other")}
    )
    with pytest.raises(BackupRefused, match="holds real data and ROTATION_SOURCE=simulated"):
        restore(simulated, folder)
    assert not simulated.home.exists()
    # A mounted folder for the publications is there before anything else; it is empty and does not count.
    mounted = to_home(settings, tmp_path / "mounted")
    mounted.published.mkdir(parents=True)
    restore(mounted, folder)
    assert {name: data for name, data in content(mounted.home).items() if name.startswith("landing")} == {
        name: data for name, data in before.items() if name.startswith("landing")
    }


def test_where_backups_go_must_be_said(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROTATION_BACKUP_DIR", raising=False)
    with pytest.raises(SettingsError, match="ROTATION_BACKUP_DIR is not set"):
        backup.backup_folder(settings)
    monkeypatch.setenv("ROTATION_BACKUP_DIR", str(settings.home / "backups"))
    with pytest.raises(SettingsError, match="lies inside ROTATION_HOME"):
        backup.backup_folder(settings)


def test_an_empty_home_has_nothing_to_back_up(settings: Settings, target: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="holds no warehouse yet"):
        make_backup(to_home(settings, tmp_path / "none"), target)


def test_the_commands_speak_in_sentences(settings: Settings, target: Path, tmp_path: Path) -> None:
    environment = {**as_environment(settings), "ROTATION_BACKUP_DIR": str(target), "FRED_API_KEY": "canary"}
    run = "import sys; from cli import backup; sys.exit(backup.main())"
    with python(run, **environment) as process:
        output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert "real data up to session 2024-07-16" in output and "each read back and verified" in output
    folder = next(path for path in target.iterdir() if path.name != ".lock")
    assert not any(b"canary" in data for data in content(folder).values())
    run = "import sys; from cli import restore; sys.exit(restore.main(sys.argv[1:]))"
    for arguments, home, code, told in (
        ([], "restored", 2, "name one dated folder"),
        ([str(target)], "restored", 2, "is not a backup"),
        ([str(folder)], "restored", 0, "There is no publication yet. Make it: run session 2024-07-16"),
        ([str(folder)], "restored", 2, "needs an empty home"),
    ):
        with python(run, *arguments, **{**environment, "ROTATION_HOME": str(tmp_path / home)}) as process:
            output, errors = process.communicate()
        assert (process.returncode, told in output + errors) == (code, True), output + errors
