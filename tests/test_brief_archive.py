"""The briefs of past sessions: their pages, the links between them, the index; kept over generations, in the
backup, and written before readers see a new publication or not at all.
"""

from __future__ import annotations

import os
import re
import shutil
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brief import archive
from operations.backup import make_backup, restore
from operations.housekeeping import clean_home
from orchestration.pages import NoSuchPage, session_page
from pipeline import steps
from pipeline.endings import StepFailed
from tests.shared_homes import HomeAfter, copied_home
from tests.small_market import context, run_to_build, run_unaudited, small_settings
from warehouse.publication import current_generation
from warehouse.settings import Settings

BRIEF = (
    '<html><head>\n<meta charset="utf-8">\n<style>x{}</style></head><body>'
    '<header class="mast"><p>name</p>\n</header>\n'
    'All of them: <a href="validation.html">the validation page</a>. {text}</body></html>'
)


class Links(HTMLParser):
    """The address of each link, by its relation or its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a" and not str(given["href"]).startswith("#"):
            self.found[given.get("rel") or str(given["href"])] = str(given["href"])


def links_of(path: Path) -> dict[str, str]:
    return Links(path.read_text(encoding="utf-8")).found


def put(
    folder: Path, session: str, text: str = "", headline: str = "Small caps led", *, simulated: bool = False
) -> None:
    brief = folder.parent / "brief.html"
    brief.write_text(BRIEF.replace("{text}", text), encoding="utf-8")
    page = archive.Kept(date.fromisoformat(session), headline, simulated)
    archive.put_in_place(archive.prepare(folder, brief, page))


def test_a_page_leads_to_the_days_around_it_in_whatever_order_they_came(tmp_path: Path) -> None:
    folder = tmp_path / "briefs"
    for session in ("2024-07-16", "2024-07-18", "2024-07-17"):
        put(folder, session)
    assert links_of(folder / "2024-07-16.html") == {"next": "2024-07-17.html", "index.html": "index.html"}
    assert links_of(folder / "2024-07-17.html") == {
        "prev": "2024-07-16.html",
        "next": "2024-07-18.html",
        "index.html": "index.html",
    }
    assert links_of(folder / "2024-07-18.html") == {"prev": "2024-07-17.html", "index.html": "index.html"}
    assert sorted(os.listdir(folder)) == [
        "2024-07-16.html",
        "2024-07-17.html",
        "2024-07-18.html",
        "index.html",
    ]


@given(st.lists(st.dates(date(2024, 1, 1), date(2024, 3, 31)), min_size=1, max_size=8))
def test_following_next_from_the_first_page_meets_every_page_once(
    tmp_path_factory: pytest.TempPathFactory, days: list[date]
) -> None:
    folder = tmp_path_factory.mktemp("days") / "briefs"
    for day in days:
        put(folder, str(day))
    met, name = [], str(min(days)) + ".html"
    while name:
        met.append(name.removesuffix(".html"))
        name = links_of(folder / name).get("next", "")
    assert met == sorted({str(day) for day in days})


def test_the_index_lists_the_months_with_the_headline_of_each_session(tmp_path: Path) -> None:
    folder = tmp_path / "briefs"
    put(folder, "2024-06-28", headline='A "quiet" day & <b>no news</b>')
    put(folder, "2024-07-01", headline="Banks fell")
    index = (folder / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<h2 [^>]*>(.*?)</h2>", index) == ["July 2024", "June 2024"]
    assert '<a href="2024-07-01.html">Monday, 1 July 2024</a>: Banks fell</li>' in index
    assert "A &#34;quiet&#34; day &amp; &lt;b&gt;no news&lt;/b&gt;</li>" in index
    assert "SIMULATED" not in index
    put(folder, "2024-07-02", simulated=True)
    assert "SIMULATED MARKET" in (folder / "index.html").read_text(encoding="utf-8")


def test_a_session_published_again_replaces_its_page_alone(tmp_path: Path) -> None:
    folder = tmp_path / "briefs"
    for session in ("2024-07-16", "2024-07-17"):
        put(folder, session, "first", "Old")
    put(folder, "2024-07-16", "second", "New")
    assert "second" in (folder / "2024-07-16.html").read_text(encoding="utf-8")
    assert "first" in (folder / "2024-07-17.html").read_text(encoding="utf-8")
    assert [(str(page.session), page.headline) for page in archive.pages(folder)] == [
        ("2024-07-16", "New"),
        ("2024-07-17", "Old"),
    ]


def test_a_page_has_no_link_that_goes_with_its_generation(tmp_path: Path) -> None:
    put(tmp_path / "briefs", "2024-07-16")
    text = (tmp_path / "briefs" / "2024-07-16.html").read_text(encoding="utf-8")
    assert "All of them: the validation page." in text and "validation.html" not in text


def test_what_is_no_page_of_a_session_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "briefs"
    folder.mkdir()
    for name in ("notes.html", "2024-13-01.html"):
        (folder / name).write_text("mine")
    put(folder, "2024-07-16")
    assert [str(page.session) for page in archive.pages(folder)] == ["2024-07-16"]
    assert (folder / "notes.html").read_text() == "mine"


def test_a_page_that_is_no_text_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "briefs"
    folder.mkdir()
    (folder / "2024-07-15.html").write_bytes(b"\xff\xfe")
    with pytest.raises(archive.Unsuitable, match=r"2024-07-15\.html is no page of this program"):
        put(folder, "2024-07-16")


@pytest.fixture
def home(home_after: HomeAfter, tmp_path: Path) -> Settings:
    """A home that has published 2024-07-16, to be changed."""
    return copied_home(home_after("2024-07-16"), tmp_path / "home")


def test_a_run_puts_its_brief_into_the_archive_and_it_outlives_its_generation(
    home: Settings, tmp_path: Path
) -> None:
    folder = home.published / "briefs"
    published = (home.published / "current" / "brief.html").read_text(encoding="utf-8")
    page = archive.archived_brief(home, date(2024, 7, 16))
    kept = page.read_text(encoding="utf-8")
    # The same page but for the links and what the index needs.
    assert (
        re.sub(r"<[^>]*>", "", archive.DAYS.sub("", kept)).split()
        == re.sub(r"<[^>]*>", "", published).split()
    )
    assert len(kept) < len(published) + 1_000
    assert [found.session for found in archive.pages(folder)] == [date(2024, 7, 16)]
    assert archive.pages(folder)[0].headline

    run_unaudited(home, "2024-07-17")
    shutil.rmtree(home.published / "generations" / "1")
    clean_home(home)
    assert links_of(page)["next"] == "2024-07-17.html"
    assert session_page(home.published, "2024-07-16.html") == page.read_text(encoding="utf-8")
    assert "July 2024" in session_page(home.published, "index.html")
    with pytest.raises(NoSuchPage):
        session_page(home.published, "notes.html")


def test_a_backup_has_the_briefs_and_a_restore_puts_them_back(home: Settings, tmp_path: Path) -> None:
    made = make_backup(home, tmp_path / "backups")
    assert home.files_dir is not None
    other = small_settings(home.files_dir, tmp_path / "other")
    restore(other, made.folder)
    for name in ("2024-07-16.html", "index.html"):
        assert (other.published / "briefs" / name).read_bytes() == (
            home.published / "briefs" / name
        ).read_bytes()
    run_unaudited(other, "2024-07-17")
    assert [str(page.session) for page in archive.pages(other.published / "briefs")] == [
        "2024-07-16",
        "2024-07-17",
    ]


@pytest.fixture(scope="module")
def waiting(home_after: HomeAfter, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home whose second session is built and not published yet; to be copied only."""
    settings = copied_home(home_after("2024-07-16"), tmp_path_factory.mktemp("waiting") / "home")
    run_to_build(settings, "2024-07-17")
    return settings


def test_an_archive_that_cannot_be_written_stops_the_run_with_the_last_publication_in_place(
    waiting: Settings, tmp_path: Path
) -> None:
    home = copied_home(waiting, tmp_path / "home")
    folder = home.published / "briefs"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / ".index.html.tmp").mkdir()
    with pytest.raises(
        StepFailed, match=r"could not be put into the archive: IsADirectoryError.*then run again"
    ):
        steps.publish(context(home, "2024-07-17"))
    assert {
        path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")
    } == before
    assert (current_generation(home) or home.home).name == "1"
    (folder / ".index.html.tmp").rmdir()
    run_unaudited(home, "2024-07-17")
    assert [str(page.session) for page in archive.pages(folder)] == ["2024-07-16", "2024-07-17"]
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize("renamed", [0, 1, 3])
def test_a_run_that_is_killed_between_archive_and_link_is_made_good_by_the_next(
    waiting: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renamed: int
) -> None:
    """After so many renames of the archive, or, after the last of them, before the link."""
    home = copied_home(waiting, tmp_path / "home")
    replace, left = os.replace, [renamed]

    def killed(source: Path, target: Path) -> None:
        if Path(target).parent.name == "briefs" or Path(target).name == "current":
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("os.replace", killed)
        steps.publish(context(home, "2024-07-17"))
    assert (current_generation(home) or home.home).name == "1"
    run_unaudited(home, "2024-07-17")
    folder = home.published / "briefs"
    assert [str(page.session) for page in archive.pages(folder)] == ["2024-07-16", "2024-07-17"]
    assert links_of(folder / "2024-07-16.html")["next"] == "2024-07-17.html"
    assert "2024-07-17.html" in (folder / "index.html").read_text(encoding="utf-8")
    assert not list(folder.glob(".*"))
