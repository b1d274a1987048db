"""Landing: payloads exactly as they were fetched, compressed, never deleted.

In: a `Payload`. Out: `landing/<dataset>/<input>/<fetched at>-<hash>.<ext>.gz` and beside it a JSON file
with source, request, time, SHA-256 and size. Bytes equal to the newest ones of their input are not stored
twice (asked for over another range, they get a JSON file of their own that names the bytes there are);
bytes that come back after others are, because that is a change. A payload that was refused keeps its file and
says so in the JSON (`set_aside`), so that it is not loaded later on. Caveat: the compressed file is written
without its time stamp, so equal payloads give equal files.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from warehouse.durable import replace_durably
from warehouse.payloads import Payload, Request


class PayloadDamaged(RuntimeError):
    """A landed payload cannot be read back as it was stored; names the file and says what to do."""


LOG = logging.getLogger(__name__)
STAMP = "%Y%m%dT%H%M%S%f"


@dataclass(frozen=True)
class Landed:
    """One landed payload; `path` is relative to the landing folder."""

    dataset: str
    input: str
    source: str
    start: date
    end: date
    path: str
    extension: str
    sha256: str
    byte_count: int
    fetched_at_utc: datetime
    set_aside: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values for the side file and for hand-over between tasks."""
        return {
            "dataset": self.dataset,
            "input": self.input,
            "source": self.source,
            "start": str(self.start),
            "end": str(self.end),
            "path": self.path,
            "extension": self.extension,
            "sha256": self.sha256,
            "byte_count": self.byte_count,
            "fetched_at_utc": self.fetched_at_utc.isoformat(),
        } | ({"set_aside": self.set_aside} if self.set_aside else {})

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> Landed:
        """The reverse of `to_json`."""
        return cls(
            **{
                **entry,
                "start": date.fromisoformat(entry["start"]),
                "end": date.fromisoformat(entry["end"]),
                "fetched_at_utc": datetime.fromisoformat(entry["fetched_at_utc"]),
            }
        )


def land(folder: Path, payload: Payload) -> Landed:
    """Keep a payload; equal bytes of the same input are kept once."""
    digest = hashlib.sha256(payload.content).hexdigest()
    request = payload.request
    target = folder / request.dataset / safe_name(request.input)
    stamp = payload.fetched_at_utc.strftime(STAMP)
    path = target / f"{stamp}-{digest[:16]}.{payload.extension}.gz"
    names = os.listdir(target) if target.is_dir() else []
    newest = max((name for name in names if name.endswith(".json")), default=None)
    held = _read_entry(target / newest) if newest else None
    if held is not None and (
        (held.sha256, held.source) != (digest, payload.source) or not is_whole(folder, held)
    ):
        held = None
    if held is not None and (held.start, held.end) == (request.start, request.end):
        return held
    landed = Landed(
        request.dataset,
        request.input,
        payload.source,
        request.start,
        request.end,
        held.path if held else str(path.relative_to(folder)),
        payload.extension,
        digest,
        len(payload.content),
        payload.fetched_at_utc,
    )
    target.mkdir(parents=True, exist_ok=True)
    if held is None:
        replace_durably(path, gzip.compress(payload.content, compresslevel=5, mtime=0))
    replace_durably(_description(folder, landed), _as_json(landed))
    return landed


def landed_since(inputs: Path, since: datetime | None) -> Iterator[Landed]:
    """What was landed in the folder of an input after a moment, oldest first; all of it when there is no
    moment.

    Left out, and logged: what was refused, and a description that cannot be read.
    """
    stamp = since.strftime(STAMP) if since else ""
    for path in sorted(inputs.glob("*.json")):
        if path.name.split("-", 1)[0] <= stamp:
            continue
        entry = _read_entry(path)
        if entry is not None and not entry.set_aside:
            yield entry
        else:
            why = entry.set_aside if entry else "its description cannot be read"
            LOG.warning("landing: %s is left out: %s", path.relative_to(inputs.parent.parent), why)


def set_aside(folder: Path, landed: Landed, reason: str) -> None:
    """Mark a payload as refused, or with an empty reason as accepted after all; the bytes do not change."""
    path = _description(folder, landed)
    entry = _read_entry(path)
    if entry is not None and entry.set_aside != reason:
        replace_durably(path, _as_json(replace(entry, set_aside=reason)))


def read_landed(folder: Path, landed: Landed) -> Payload:
    """Read a payload back and check it against its hash.

    Raises:
        PayloadDamaged: it cannot be read or has another hash.
    """
    try:
        content = gzip.decompress((folder / landed.path).read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise PayloadDamaged(
            f"landing/{landed.path} cannot be read ({error}); run again to fetch it once more"
        ) from None
    if hashlib.sha256(content).hexdigest() != landed.sha256:
        raise PayloadDamaged(
            f"landing/{landed.path} does not have the hash that it was stored with; run again to fetch it"
            " once more"
        )
    request = Request(landed.dataset, landed.input, landed.start, landed.end)
    return Payload(request, landed.source, content, landed.extension, landed.fetched_at_utc)


def _read_entry(path: Path) -> Landed | None:
    """The description of a payload, or None where it cannot be read: then the payload counts as not there
    and is fetched again.
    """
    try:
        return Landed.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _description(folder: Path, landed: Landed) -> Path:
    name = f"{landed.fetched_at_utc.strftime(STAMP)}-{landed.sha256[:16]}.{landed.extension}.json"
    return folder / landed.dataset / safe_name(landed.input) / name


def _as_json(landed: Landed) -> bytes:
    return (json.dumps(landed.to_json(), indent=1) + "\n").encode()


def is_whole(folder: Path, landed: Landed) -> bool:
    """Whether the bytes are there and have the hash that they were stored with."""
    try:
        read_landed(folder, landed)
    except PayloadDamaged:
        return False
    return True


def safe_name(item: str) -> str:
    """An input as the name of a folder; nothing leaves the landing folder."""
    return re.sub(r"[^A-Za-z0-9.-]", "_", item).lstrip(".") or "_"
