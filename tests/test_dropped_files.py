"""Files that other programs drop into a folder while runs go on: what becomes of a half-written, late,
changed or replaced one.

Each case runs fetch and load as the tasks do, with the file as it is at that moment, and again when it is
complete: nothing wrong is in raw in between, nothing is missing afterwards.
"""

from __future__ import annotations

import gzip
import os
import threading
import time
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import pytest

import sources.files
from sources.files import FilesFutures, FilesPrices
from sources.protocol import NotServed, SourceUnavailable, Unreadable
from sources.registry import parse_payload
from sources.simulated import simulated_market
from tests.faults.home import LiveHome
from warehouse.database import pipeline_database, prepare_home
from warehouse.payloads import Payload, Request
from warehouse.reference_data import load_reference
from warehouse.settings import Settings

SERVED = datetime(2024, 7, 17)
START, BEFORE, DAY = date(2024, 6, 3), date(2024, 7, 15), date(2024, 7, 16)
# Optional inputs, one of each kind; the first day ends on the 15th, the file that is dropped then on the
# 16th.
INPUTS = [("prices", "JPM"), ("futures", "ZQU24"), ("fred", "VIXCLS")]
FILES = {"prices": "prices/JPM.csv", "futures": "futures/ZQU24.csv", "fred": "fred/VIXCLS.csv"}
RAW_OF = {"prices": "raw.equity_prices", "futures": "raw.fed_funds_futures", "fred": "raw.fred_observations"}


def content_of(dataset: str, end: date) -> bytes:
    """The complete file of a dataset's input up to a day."""
    market = simulated_market()
    make = {"prices": market.prices_csv, "futures": market.futures_csv, "fred": market.fred_csv}[dataset]
    return make(dict(INPUTS)[dataset], START, end)


def drop(path: Path, content: bytes) -> None:
    """Write a file that has come to rest: its last change is a minute old."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    settle(path)


def settle(path: Path) -> None:
    """Make the last change a minute old."""
    os.utime(path, (time.time() - 60, time.time() - 60))


@pytest.fixture
def home(tmp_path: Path) -> LiveHome:
    """A home that has loaded the files up to the 15th."""
    folder = tmp_path / "files"
    for dataset, name in FILES.items():
        drop(folder / name, content_of(dataset, BEFORE))
    settings = Settings.from_environment(
        {
            "ROTATION_SOURCE": "files",
            "ROTATION_FILES_DIR": str(folder),
            "ROTATION_HOME": str(tmp_path / "home"),
            "ROTATION_HISTORY_START": str(START),
        }
    )
    prepare_home(settings)
    with pipeline_database(settings) as connection:
        load_reference(connection)
    home = LiveHome(settings)
    home.run(INPUTS, BEFORE)
    assert not home.errors and home.stopped is None
    return home


def path_of(home: LiveHome, dataset: str) -> Path:
    assert home.settings.files_dir is not None
    return home.settings.files_dir / FILES[dataset]


def quarantined(home: LiveHome, dataset: str) -> list[str]:
    """The rules by which rows of the last run were set aside."""
    return sorted(home.summary[dataset]["quarantine_by_rule"])


def complete(home: LiveHome, *datasets: str) -> None:
    """The whole files have come: the next run takes the rows of the 16th, once, and nothing else."""
    before = home.raw()
    for dataset in datasets:
        path = path_of(home, dataset)
        path.with_suffix(".csv.gz").unlink(missing_ok=True)
        if path.is_dir():
            path.rmdir()
        drop(path, content_of(dataset, DAY))
    home.run(INPUTS, DAY)
    assert not home.errors and home.missing == []
    after = home.raw()
    for dataset in datasets:
        new = content_of(dataset, DAY).count(b"\n") - content_of(dataset, BEFORE).count(b"\n")
        assert new >= 1 and quarantined(home, dataset) == []
        assert len(after[RAW_OF[dataset]]) == len(before[RAW_OF[dataset]]) + new
    home.run(INPUTS, DAY)
    assert home.raw() == after, "and nothing twice"


def latin(content: bytes) -> bytes:
    lines = content.split(b"\n")
    return b"\n".join([lines[0], "# geprüft".encode("latin-1"), *lines[1:]])


# what lies in the folder: the file's bytes, made from the complete ones, and what the message says
DAMAGED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda content: b"", "the file is empty"),
    "the header alone, cut": (lambda content: content[:8], "is missing; the header reads"),
    "changed header": (lambda content: content.replace(b"date", b"day", 1), "is missing; the header reads"),
    "column twice": (
        lambda content: content.replace(
            content.split(b"\n")[0], content.split(b"\n")[0] + b",Date", 1
        ).replace(b"Date", content.split(b",")[0], 1),
        "is duplicated",
    ),
    "two separators": (
        lambda content: content.replace(b",", b";", content.split(b"\n")[0].count(b",")),
        "no line has as many fields as the header",
    ),
    "Latin-1": (latin, "not UTF-8"),
    "UTF-16": (lambda content: content.decode().encode("utf-16"), "not UTF-8"),
    "a hole of NUL bytes": (lambda content: content[:-200] + bytes(200), "NUL bytes"),
    "a web page": (
        lambda content: b"<!DOCTYPE html><html><body>Sign in</body></html>",
        "is missing; the header reads",
    ),
    "an endless cell": (
        lambda content: content + b"2024-07-17," + b"9" * 140_000 + b"\n",
        "not readable CSV",
    ),
}


def test_what_is_no_such_file_is_refused_with_a_sentence(home: LiveHome) -> None:
    """One damage after the other, to all three files at once; raw stays as it is until the whole files
    come.
    """
    before = home.raw()
    for name, (damage, said) in DAMAGED.items():
        for dataset in FILES:
            drop(path_of(home, dataset), damage(content_of(dataset, DAY)))
        home.run(INPUTS, DAY)
        assert home.raw() == before and home.stopped is None, name
        assert len(home.missing) == 3 and all(said in text for text in home.missing), (name, home.missing)
        for dataset, item in INPUTS:
            assert any(f"{dataset}/{item}" in text for text in home.missing), name
    for dataset in FILES:
        path = path_of(home, dataset)
        path.unlink()
        drop(path.with_suffix(".csv.gz"), gzip.compress(content_of(dataset, DAY))[:-9])
    home.run(INPUTS, DAY)
    assert home.raw() == before and all("half written" in text for text in home.missing)
    complete(home, *FILES)


def test_a_last_line_without_a_line_end_is_read(home: LiveHome) -> None:
    """Many programs join lines and end without one; the file is at rest, so its last line is a whole one."""
    before = home.raw()
    for dataset in FILES:
        drop(path_of(home, dataset), content_of(dataset, DAY)[:-1])
    home.run(INPUTS, DAY)
    assert not home.errors and all(quarantined(home, dataset) == [] for dataset in FILES)
    after = home.raw()
    assert all(len(after[name]) > len(before[name]) for name in after)
    for dataset in FILES:
        drop(path_of(home, dataset), content_of(dataset, DAY))
    home.run(INPUTS, DAY)
    assert home.raw() == after, "with the line end it is the same file"


def test_a_writer_that_pauses_within_a_line_is_waited_for(
    home: LiveHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a number reads as a number: a file that stops within a line is looked at for longer."""
    monkeypatch.setattr(sources.files, "SETTLED_SECONDS", 0.2)
    monkeypatch.setattr(sources.files, "SETTLED_WITHIN_A_LINE_SECONDS", 1.5)
    path, content = path_of(home, "futures"), content_of("futures", DAY)
    path.write_bytes(content[:-3])

    def write() -> None:
        time.sleep(0.7)
        with path.open("ab") as stream:
            stream.write(content[-3:])

    writer = threading.Thread(target=write)
    writer.start()
    assert home.settings.files_dir is not None
    payload = FilesFutures(home.settings.files_dir).fetch(Request("futures", "ZQU24", START, DAY))
    writer.join()
    assert payload.content == content


def test_a_file_that_stays_within_a_line_is_read_after_a_longer_look(
    home: LiveHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources.files, "SETTLED_SECONDS", 0.1)
    monkeypatch.setattr(sources.files, "SETTLED_WITHIN_A_LINE_SECONDS", 0.6)
    assert home.settings.files_dir is not None
    source, path, content = FilesFutures(home.settings.files_dir), path_of(home, "futures"), b"date,settle\n"
    waits = []
    for line in (b"2024-07-15,94.675\n", b"2024-07-15,94.675"):
        path.write_bytes(content + line)
        started = time.monotonic()
        assert source.fetch(Request("futures", "ZQU24", START, DAY)).content == content + line
        waits.append(time.monotonic() - started)
    assert waits[1] >= 0.5


def test_a_cut_anywhere_changes_no_row_but_the_last(home: LiveHome) -> None:
    """Every byte of two lines at which a write can stop, for each layout: of the lines before, no row
    that the complete file does not have.
    """
    for dataset, item in INPUTS:
        content = content_of(dataset, DAY)
        payload = Payload(Request(dataset, item, START, DAY), "files", content, "csv", SERVED)
        whole = parse_payload(payload).frame
        known = set(map(tuple, whole.astype(object).where(whole.notna(), None).to_numpy()))
        two_lines = len(b"".join(content.splitlines(keepends=True)[-2:]))
        for end in range(len(content) - two_lines, len(content)):
            try:
                part = parse_payload(Payload(payload.request, "files", content[:end], "csv", SERVED)).frame
            except Unreadable:
                continue
            rows = list(map(tuple, part.astype(object).where(part.notna(), None).to_numpy()))
            assert set(rows[:-1]) <= known, end


def test_a_file_of_other_columns_order_or_line_ends_is_the_same(home: LiveHome) -> None:
    before = home.raw()
    lines = content_of("prices", BEFORE).decode().splitlines()
    turned = "\r\n".join(",".join(reversed(line.split(","))) for line in lines) + "\r\n"
    drop(path_of(home, "prices"), turned.encode("utf-8-sig"))
    home.run(INPUTS, BEFORE)
    assert home.raw() == before and home.missing == []


def test_a_temporary_name_is_no_file(home: LiveHome) -> None:
    before = home.raw()
    for dataset in FILES:
        path = path_of(home, dataset)
        for name in (
            *(path.stem + suffix for suffix in (".csv.tmp", ".csv.part", ".csv~", ".csv.crdownload")),
            f".{path.name}",
        ):
            drop(path.with_name(name), content_of(dataset, DAY))
    assert home.settings.files_dir is not None
    assert FilesFutures(home.settings.files_dir).contracts(START, DAY) == ["ZQU24"]
    home.run(INPUTS, DAY)
    assert home.raw() == before and home.missing == []
    complete(home, *FILES)


def test_a_late_file_is_had_by_the_next_run(home: LiveHome) -> None:
    before = home.raw()
    for dataset in FILES:
        path_of(home, dataset).unlink()
    home.run(INPUTS, DAY)
    assert home.raw() == before and all("has no file; expected" in text for text in home.missing)
    complete(home, *FILES)


def test_a_file_that_grows_is_waited_for(home: LiveHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that is at work: the fetch waits until the file stands still and takes all of it."""
    monkeypatch.setattr(sources.files, "SETTLED_SECONDS", 0.6)
    path, content = path_of(home, "prices"), content_of("prices", DAY)
    before = len(home.raw()["raw.equity_prices"])
    begun = threading.Event()

    def write() -> None:
        with path.open("wb", buffering=0) as stream:
            for start in range(0, len(content), 400):
                stream.write(content[start : start + 400])
                begun.set()
                time.sleep(0.15)

    writer = threading.Thread(target=write)
    writer.start()
    begun.wait()
    home.run(INPUTS, DAY)
    writer.join()
    assert not home.errors and quarantined(home, "prices") == []
    assert len(home.raw()["raw.equity_prices"]) == before + 1


def test_a_file_that_never_rests_is_refused_and_tried_again(
    home: LiveHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources.files, "PATIENCE_SECONDS", 0.5)
    path, stop = path_of(home, "futures"), threading.Event()
    before = home.raw()

    def write() -> None:
        while not stop.wait(0.02):
            path.write_bytes(content_of("futures", DAY)[:-30])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        time.sleep(0.1)
        home.run(INPUTS, DAY)
    finally:
        stop.set()
        writer.join()
    assert home.errors["ZQU24"]["kind"] == "SourceUnavailable" and SourceUnavailable.retryable
    assert "still being written" in home.missing[0] and ".part" in home.missing[0]
    assert home.raw() == before
    complete(home, "futures")


def test_a_file_replaced_between_listing_and_reading(home: LiveHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old or new, whole: the second look after reading finds another file, so the new one is read."""
    path, content = path_of(home, "prices"), content_of("prices", DAY)
    read_bytes, reads = Path.read_bytes, []

    def replaced_while_read(self: Path) -> bytes:
        old = read_bytes(self)
        if self == path and not reads:
            drop(path.with_suffix(".part"), content)
            os.replace(path.with_suffix(".part"), path)
        reads.append(self)
        return old

    monkeypatch.setattr(Path, "read_bytes", replaced_while_read)
    assert home.settings.files_dir is not None
    payload = FilesPrices(home.settings.files_dir).fetch(Request("prices", "JPM", START, DAY))
    assert payload.content == content and reads.count(path) == 2


def test_a_file_removed_between_listing_and_reading(home: LiveHome, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home.settings.files_dir is not None
    source, path = FilesFutures(home.settings.files_dir), path_of(home, "futures")
    assert source.contracts(START, DAY) == ["ZQU24"]
    state = sources.files._state

    def gone(path: Path) -> tuple[int, int, int]:
        path.unlink()
        return state(path)

    monkeypatch.setattr(sources.files, "_state", gone)
    with pytest.raises(SourceUnavailable, match=r"futures/ZQU24\.csv disappeared while it was read"):
        source.fetch(Request("futures", "ZQU24", START, DAY))
    assert not path.exists()
    with pytest.raises(NotServed, match="has no file"):
        source.fetch(Request("futures", "ZQU24", START, DAY))


def test_a_folder_in_the_place_of_a_file(home: LiveHome) -> None:
    before = home.raw()
    path_of(home, "fred").unlink()
    path_of(home, "fred").mkdir()
    settle(path_of(home, "fred"))
    home.run(INPUTS, DAY)
    assert home.raw() == before and "cannot be read" in home.missing[0]
    complete(home, "fred")


def test_a_time_in_the_future_does_not_hold_a_file_up(home: LiveHome) -> None:
    drop(path_of(home, "prices"), content_of("prices", DAY))
    os.utime(path_of(home, "prices"), (time.time() + 7200, time.time() + 7200))
    started = time.monotonic()
    home.run([("prices", "JPM")], DAY)
    # Not the two hours until that time; a busy machine needs its seconds for the load.
    assert home.summary["prices"]["new_rows"] == 1 and time.monotonic() - started < 120
