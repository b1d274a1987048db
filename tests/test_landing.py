"""Landing: bytes as fetched, once, found again, and checked against their hash."""

from __future__ import annotations

import gzip
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.landing import Landed, PayloadDamaged, land, read_landed, safe_name
from warehouse.payloads import Payload, Request

REQUEST = Request("prices", "^RUT", date(2024, 1, 2), date(2024, 7, 16))
NOW = datetime(2026, 11, 20, 12, 0, 0)


def test_payload_comes_back_byte_for_byte(tmp_path: Path) -> None:
    payload = Payload(REQUEST, "files", b"date,close\r\n\xff\x00", "csv", NOW)
    landed = land(tmp_path, payload)
    assert read_landed(tmp_path, landed) == payload
    assert Landed.from_json(landed.to_json()) == landed
    assert (tmp_path / landed.path).is_relative_to(tmp_path / "prices" / "_RUT")


def test_equal_payloads_are_kept_once_and_other_ones_beside_them(tmp_path: Path) -> None:
    first = land(tmp_path, Payload(REQUEST, "files", b"a", "csv", NOW))
    again = land(tmp_path, Payload(REQUEST, "files", b"a", "csv", NOW + timedelta(days=1)))
    other = land(tmp_path, Payload(REQUEST, "files", b"b", "csv", NOW + timedelta(days=2)))
    assert again == first
    assert other.path != first.path
    assert len(list(tmp_path.rglob("*.gz"))) == 2
    assert len(list(tmp_path.rglob("*.json"))) == 2


def test_a_damaged_payload_is_refused(tmp_path: Path) -> None:
    landed = land(tmp_path, Payload(REQUEST, "files", b"good", "csv", NOW))
    (tmp_path / landed.path).write_bytes(gzip.compress(b"evil"))
    with pytest.raises(PayloadDamaged, match="does not have the hash"):
        read_landed(tmp_path, landed)


@given(st.text(max_size=60))
def test_no_name_leaves_its_folder(name: str) -> None:
    safe = safe_name(name)
    assert safe not in ("", ".", "..")
    assert "/" not in safe
    assert (Path("/data") / safe).resolve().parent == Path("/data")
