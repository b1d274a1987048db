"""The briefs of all sessions: `published/briefs/<session>.html`, with links to the days around, and an index.

In: the brief of a publication. Out: its page, the pages of the sessions before and after it with their links
renewed, and `index.html`. A page holds no file of its generation, so it stays when that is deleted. All is
written beside its place first (`prepare`), while the run can still stop without a trace, and put there by
renames (`put_in_place`). Both can be repeated. The folder itself is the list: nothing else knows which pages
there are.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path

from brief.blocks import Links
from brief.rendering import environment
from warehouse.durable import sync
from warehouse.settings import Settings

FOLDER, INDEX = "briefs", "index.html"
PAGE = re.compile(r"(\d{4}-\d{2}-\d{2})\.html")
# What this module puts into a page: for the index, and to find its own links again.
HEADLINE = re.compile(r'<meta name="description" content="([^"]*)">')
SIMULATED = '<meta name="rotation-data" content="simulated">'
DAYS = re.compile(r'<nav class="days".*?</nav>\n?', re.DOTALL)
# Whatever stands before the first section's data; the first words of a page are enough for the index.
HEAD_BYTES = 4_096
CHARSET, END_OF_MAST = '<meta charset="utf-8">', "</header>"
VALIDATION_LINK = re.compile(r'<a href="validation\.html[^"]*">(.*?)</a>', re.DOTALL)


@dataclass(frozen=True)
class Kept:
    """A page of the archive, as the index shows it."""

    session: date
    headline: str
    simulated: bool

    @property
    def file(self) -> str:
        """Its name."""
        return page_name(self.session)


@dataclass(frozen=True)
class Month:
    """The pages of one month, newest first."""

    first: date
    pages: list[Kept]


class Unsuitable(ValueError):
    """A page has no place for what the archive puts into it."""


def page_name(session: date) -> str:
    """The file of a session."""
    return f"{session}.html"


def archived_brief(settings: Settings, session: date) -> Path:
    """Where the page of a session is, or will be."""
    return settings.published / FOLDER / page_name(session)


def prepare(folder: Path, brief: Path, page: Kept) -> dict[Path, Path]:
    """Write everything that changes beside its place.

    Args:
        folder: of the archive; made when it is not there.
        brief: the page of the publication.
        page: what the index says of it.

    Returns:
        The written files and their places, for `put_in_place`.

    Raises:
        OSError: a file cannot be read or written; nothing that readers see has changed.
        Unsuitable: the brief has no place for the links.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = {found.session: found for found in pages(folder)} | {page.session: page}
    texts = {page_name(page.session): _archived(_read(brief), page)}
    for neighbour in _neighbours(page.session, kept).values():
        if neighbour is not None:
            texts[page_name(neighbour)] = _read(folder / page_name(neighbour))
    changes = {
        name: _linked(text, _links(date.fromisoformat(name.removesuffix(".html")), kept))
        for name, text in texts.items()
    }
    changes[INDEX] = _index(kept)
    return {_written_beside(folder / name, text): folder / name for name, text in changes.items()}


def _read(page: Path) -> str:
    try:
        return page.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Unsuitable(f"{page} is no page of this program; move it out of the folder") from None


def put_in_place(written: Mapping[Path, Path]) -> None:
    """Rename the written files, each in one step, the index last."""
    for temporary, target in written.items():
        os.replace(temporary, target)
    for folder in {target.parent for target in written.values()}:
        sync(folder)


def pages(folder: Path) -> list[Kept]:
    """The pages of the archive, by session."""
    found = [
        _kept(path, match[1])
        for path in folder.glob("*.html")
        if (match := PAGE.fullmatch(path.name)) and path.is_file()
    ]
    return sorted((page for page in found if page), key=lambda page: page.session)


def _kept(path: Path, session: str) -> Kept | None:
    """What a page says of itself; None when its name is no day."""
    try:
        day = date.fromisoformat(session)
    except ValueError:
        return None
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES).decode("utf-8", "replace")
    headline = HEADLINE.search(head)
    return Kept(day, html.unescape(headline[1]) if headline else "", SIMULATED in head)


def _archived(text: str, page: Kept) -> str:
    """The brief with what the index needs, and without the link to a page that goes with its generation."""
    if CHARSET not in text or END_OF_MAST not in text:
        raise Unsuitable(f"the page of {page.session} has no {CHARSET} or no {END_OF_MAST}")
    marks = f'{CHARSET}\n<meta name="description" content="{html.escape(page.headline)}">'
    marks += f"\n{SIMULATED}" if page.simulated else ""
    return VALIDATION_LINK.sub(r"\1", text).replace(CHARSET, marks, 1)


def _linked(text: str, links: Links) -> str:
    """A page with links to the days around it in place of those that it has."""
    days = environment().get_template("days.html").render(links=links).strip()
    before, end, after = DAYS.sub("", text, count=1).partition(END_OF_MAST)
    return f"{before.rstrip()}\n{days}\n{end}{after}"


def _links(session: date, kept: Mapping[date, Kept]) -> Links:
    around = _neighbours(session, kept)
    return Links(
        previous=page_name(around["previous"]) if around["previous"] else None,
        next=page_name(around["next"]) if around["next"] else None,
        index=INDEX,
        validation=None,
    )


def _neighbours(session: date, kept: Mapping[date, Kept]) -> dict[str, date | None]:
    return {
        "previous": max((day for day in kept if day < session), default=None),
        "next": min((day for day in kept if day > session), default=None),
    }


def _index(kept: Mapping[date, Kept]) -> str:
    newest_first = [kept[day] for day in sorted(kept, reverse=True)]
    by_month = groupby(newest_first, lambda page: page.session.replace(day=1))
    months = [Month(first, list(group)) for first, group in by_month]
    simulated = any(page.simulated for page in newest_first)
    return environment().get_template("archive.html").render(months=months, simulated=simulated)


def _written_beside(target: Path, text: str) -> Path:
    temporary = target.with_name(f".{target.name}.tmp")
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    return temporary
