"""The morning brief of a small market: every number equal to SQL on the marts, self-contained, marked when
simulated, never half-drawn.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import html
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

from brief import figures
from brief.blocks import Links, Page
from brief.cells import Cell, ordinal, plain_number, plain_range
from brief.headlines import headline, headlines
from brief.page import build_brief, build_validation, write_pages
from brief.reader import Reader
from brief.rendering import plain_text
from brief.rotation import rotation
from orchestration.pages import HEADERS
from pipeline import steps
from pipeline.endings import StepFailed
from tests.small_market import run_day, run_to_build, small_settings, write_small_market
from warehouse.publication import current_generation
from warehouse.settings import REPOSITORY, Settings

SESSION = dt.date(2024, 8, 29)
VOID = {"meta", "link", "br", "img", "input", "hr"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A publication with a row that breaks a rule (a Saturday) and an input that ends too early (VIX)."""
    folder = write_small_market(tmp_path_factory.mktemp("market"))
    prices = folder / "prices" / "JPM.csv"
    lines = prices.read_text().rstrip("\n").split("\n")
    prices.write_text("\n".join([*lines, lines[-1].replace("2024-08-30", "2024-08-24")]) + "\n")
    vix = folder / "fred" / "VIXCLS.csv"
    vix.write_text(
        "\n".join(line for line in vix.read_text().split("\n") if line < "2024-08-05" or "VIX" in line)
    )
    settings = small_settings(folder, tmp_path_factory.mktemp("home"))
    run_day(settings, str(SESSION))
    return settings


@pytest.fixture(scope="module")
def folder(settings: Settings) -> Path:
    current = current_generation(settings)
    assert current is not None
    return current


@pytest.fixture(scope="module")
def warehouse(folder: Path) -> Any:
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        yield connection


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Any:
    """A publication that a test may break."""
    path = tmp_path / "warehouse.duckdb"
    shutil.copy(folder / "warehouse.duckdb", path)
    path.chmod(0o644)
    with duckdb.connect(str(path)) as connection:
        yield connection


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without drawings, which take most of the time."""
    monkeypatch.setattr(figures, "draw", lambda spec, name, *, simulated: "")


class Marked(HTMLParser):
    """Collects what carries a statement, and the text of headlines and cells that carries none."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[tuple[str, dict[str, str]]] = []
        self.found: list[dict[str, str]] = []
        self.loose: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        self.tags.append(tag)
        self.links += [given[key] for key in ("src", "href") if key in given]
        if tag not in VOID:
            self.stack.append((tag, given))
        if "data-sql" in given:
            self.found.append({"tag": tag, "shown": "", **given})

    def handle_endtag(self, tag: str) -> None:
        while self.stack and self.stack.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        marked = [attributes for _, attributes in self.stack if "data-sql" in attributes]
        if marked:
            self.found[-1]["shown"] += data
        elif any(tag in ("td", "h1") for tag, _ in self.stack):
            self.loose.append(data)


def parsed(text: str) -> Marked:
    parser = Marked()
    parser.feed(text)
    return parser


@pytest.fixture(scope="module")
def page_text(folder: Path) -> str:
    return (folder / "brief.html").read_text(encoding="utf-8")


def test_every_number_on_the_page_is_what_its_statement_gives(page_text: str, warehouse: Any) -> None:
    found = parsed(page_text).found
    kinds = {"data": 0, "time": 0, "span": 0}
    for item in found:
        row = warehouse.execute(item["data-sql"]).fetchall()
        assert len(row) == 1, item
        value = row[0][0]
        kinds[item["tag"]] += 1
        if item["tag"] == "data":
            assert float(item["value"]) == pytest.approx(float(value), rel=1e-12), item
            shown = item["shown"].replace("−", "-").replace("+", "").replace(",", "")
            decimals = len(shown.partition(".")[2])
            assert abs(float(shown) - float(value)) <= 0.5 * 10**-decimals + 1e-9, item
            assert ("−" in item["shown"]) == (round(float(value), decimals) < 0), item
        elif item["tag"] == "time":
            assert item["datetime"] == str(value), item
            assert item["shown"] in (
                f"{value.day} {value:%b %Y}",
                f"{value.day} {value:%b}",
                f"{value:%b %Y}",
                f"{value:%Y}",
            )
        else:
            assert item["data-text"] == str(value), item
    assert kinds["data"] > 300
    assert kinds["time"] > 50
    assert kinds["span"] > 20


def test_the_query_under_a_drawing_runs_and_gives_rows(page_text: str, warehouse: Any) -> None:
    queries = [html.unescape(words) for words in re.findall(r"<pre [^>]*>(.*?)</pre>", page_text, re.DOTALL)]
    assert len(queries) >= 8
    for query in queries:
        assert warehouse.execute(query).fetchall(), query


def test_texts_of_the_warehouse_are_escaped(copy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "draw", lambda spec, name, *, simulated: "")
    copy.execute("update marts.claim_checks set statement = '<script>x</script>' where part = 1")
    copy.execute("update ops.validation_results set sample = '<b>y</b>' where not passed")
    text, _ = build_brief(Page(Reader(copy), SESSION, False))
    assert text.count("<script") == 1, "the page's own"
    assert "&lt;script&gt;x&lt;/script&gt;</span>" in text
    assert "<b>" not in text + build_validation(Page(Reader(copy), SESSION, False))
    assert "&lt;b&gt;y&lt;/b&gt;" in text


def test_no_cell_and_no_headline_holds_a_digit_without_a_statement(page_text: str) -> None:
    before = page_text[: page_text.index('id="sources"')]
    loose = [text.replace("Nasdaq 100", "") for text in parsed(before).loose]
    loose = [
        text for text in loose if re.search(r"\d", text) and not re.match(r"(raw|staging|marts)\.\w+$", text)
    ]
    assert loose == []


def test_numbers_against_statements_of_our_own(page_text: str, warehouse: Any) -> None:
    text = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page_text))).replace(" ,", ",")
    spread, rank, count = warehouse.execute(
        "select spread_pp, spread_rank, history_sessions from marts.rotation_pair_daily where pair_id ="
        " 'IWM/QQQ' and window_sessions = 5 and session_date = '2024-08-29'"
    ).fetchone()
    shown = f"{abs(spread):.2f}"
    assert f"IWM/QQQ {'+' if spread > 0 else '−'}{shown} {rank} of {count}" in text
    moves, share = warehouse.execute(
        "select moves, 100 * prob from marts.fomc_probabilities where as_of_date = '2024-08-29' order by"
        " meeting_date, prob desc limit 1"
    ).fetchone()
    outcome = f"{25 * abs(moves)} bp {'lower' if moves < 0 else 'higher'}" if moves else "unchanged"
    assert re.search(rf"by the futures of 29 Aug 2024 : {outcome} {share:.0f} %", text)
    beta, error, when = warehouse.execute(
        "select beta_y2, std_error_y2, session_date from marts.bank_sensitivity_daily where entity_id = 'KRE'"
        " and beta_y2 is not null order by session_date desc limit 1"
    ).fetchone()
    bounds = [plain_number(beta + sign * 1.645 * error, 2, signed=True) for sign in (-1, 1)]
    assert f"90 % interval {bounds[0]} to {bounds[1]}, {when.day} {when:%b %Y}" in text
    rules, failed = warehouse.execute(
        "select count(*), count(*) filter (not passed) from ops.validation_results"
    ).fetchone()
    assert f"{rules:,} rules were checked, {failed} failed" in text
    assert "Nothing on this page is investment advice" in text


def test_what_failed_and_what_is_stale_are_named(page_text: str) -> None:
    checks = page_text[page_text.index('id="checks"') : page_text.index('id="stale"')]
    assert "session date is an nyse session" in checks
    assert "2024-08-24" in checks
    stale = page_text[page_text.index('id="stale"') : page_text.index('id="sources"')]
    assert re.search(r"VIXCLS</th><td><span[^>]*>fred</span></td><td><time[^>]*>2 Aug 2024</time>", stale)


def test_sections_stand_in_their_order(page_text: str) -> None:
    order = re.findall(r'<h2 id="(\w+)"', page_text)
    first = ["changed", "ahead", "short"]
    assert order == [
        *first,
        *["rotation", "fed", "banks", "curve", "claims", "macro", "checks", "stale", "sources"],
    ]


@pytest.mark.parametrize("name", ["brief.html", "validation.html"])
def test_pages_are_self_contained(folder: Path, name: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    page = parsed(text)
    assert len(text.encode()) < 3_000_000
    assert page.tags.count("script") == 1
    assert not page.stack
    assert all(link.startswith("#") or link in ("brief.html", "validation.html") for link in page.links)
    assert "@import" not in text
    assert "url(http" not in text
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", ["brief.html", "validation.html"])
def test_the_policy_allows_the_script_of_the_page_and_no_other(folder: Path, name: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    [policy] = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', text)
    [script] = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert rules["default-src"] == "'none'"
    assert script.count("\n") < 150
    assert policy in HEADERS["Content-Security-Policy"], "Airflow's web interface sends the same"
    assert not re.search(r"innerHTML|insertAdjacent|document\.write|eval\(|fetch\(|XMLHttp|Storage", script)
    assert not re.search(r"\son\w+=", re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL))


def test_other_days_are_linked_where_they_are_known(copy: Any, undrawn: None) -> None:
    page = Page(Reader(copy), SESSION, False)
    assert 'aria-label="Other days"' not in build_brief(page)[0]
    links = Links(previous="2024-08-28.html", index="index.html", validation=None)
    text = build_brief(replace(page, links=links))[0]
    assert '<a rel="prev" href="2024-08-28.html">' in text
    assert '<a href="index.html">' in text
    assert 'rel="next"' not in text
    assert "validation.html" not in text


def test_what_is_read_out_is_what_is_drawn(page_text: str, warehouse: Any) -> None:
    read = [json.loads(html.unescape(words)) for words in re.findall(r"data-readout='([^']*)'", page_text)]
    assert len(read) >= 6
    for one in read:
        places = [place for place, _ in one["points"]]
        assert places == sorted(places)
        assert places[0] >= 0 and places[-1] <= 1
        assert len(places) <= 260
        assert {"left", "top", "width", "height", "points"} == set(one)
    day = "from marts.fomc_probabilities where as_of_date = '2024-08-29'"
    [share] = warehouse.execute(
        f"select 100 * max(prob) {day} and meeting_date = (select min(meeting_date) {day})"
    ).fetchone()
    last = [one["points"][-1][1] for one in read if one["points"][-1][1].startswith("29 Aug 2024\n")]
    assert any(f": {share:.0f} %" in words for words in last)


def test_every_wide_table_can_be_scrolled_by_keyboard(page_text: str) -> None:
    tables = re.findall(
        r'<div class="scroll" role="region" tabindex="0" aria-label="[^"]+">\s*<table', page_text
    )
    assert len(tables) == page_text.count("<table")


def test_every_drawing_says_in_words_what_it_shows(page_text: str) -> None:
    drawings = re.findall(r'<div class="plot" role="img" aria-label="([^"]+)"', page_text)
    assert len(drawings) >= 9
    assert all(len(words) > 40 for words in drawings)
    assert page_text.count("<svg ") == page_text.count('<svg aria-hidden="true"') >= len(drawings)
    assert page_text.count("<figcaption>") == len(drawings)


def test_drawn_points_are_the_marts(warehouse: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, Any] = {}

    def keep(spec: Any, name: str, *, simulated: bool) -> str:
        drawn[name] = spec
        return ""

    monkeypatch.setattr(figures, "draw", keep)
    build_brief(Page(Reader(warehouse), SESSION, False))
    frame = (
        warehouse.execute(
            "select session_date, close, symbol from marts.instrument_daily where symbol in ('IWM', 'SPY')"
        )
        .df()
        .pivot(index="session_date", columns="symbol", values="close")
    )
    ratio = frame["IWM"] / frame["SPY"]
    drawdown = 100 * (ratio / ratio.cummax() - 1)
    points = {point["d"]: point for point in drawn["ratio"]["data"]["values"]}
    assert len(points) == len(
        set(zip(*(frame.index.isocalendar()[part] for part in ("year", "week")), strict=True))
    )
    for day, point in points.items():
        assert point["ratio"] == pytest.approx(ratio[day], abs=1e-5)
        assert point["drawdown"] == pytest.approx(drawdown[day], abs=1e-3)
    stack = drawn["stack"]["data"]["values"]
    for meeting in {point["meeting"] for point in stack}:
        own = [point for point in stack if point["meeting"] == meeting]
        assert own[0]["from"] == 0
        assert own[-1]["to"] == pytest.approx(100, abs=0.3)
        assert all(one["to"] == two["from"] for one, two in pairwise(own))
    moves = warehouse.execute(
        "select change_bp from marts.policy_repricing where horizon = 'year_end' and as_of_date ="
        " '2024-08-28'"
    ).fetchone()[0]
    [bar] = [point for point in drawn["repricing"]["data"]["values"] if point["d"] == "2024-08-28"]
    assert bar["v"] == pytest.approx(moves, abs=1e-3)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The specifications of the drawings by name, instead of drawings."""
    kept: dict[str, Any] = {}

    def keep(spec: Any, name: str, *, simulated: bool) -> str:
        kept[name] = spec
        return ""

    monkeypatch.setattr(figures, "draw", keep)
    return kept


def fed_words(connection: Any, session: dt.date = SESSION) -> str:
    """The Fed section as text, one space between words."""
    text = build_brief(Page(Reader(connection), session, False))[0]
    part = text[text.index('id="fed"') : text.index('id="banks"')]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", part))).replace("\u202f", " ")


def next_meeting_of(connection: Any, day: str = "2024-08-29") -> dt.date:
    found = connection.execute(
        "select min(meeting_date) from marts.fomc_meetings_daily where as_of_date = ?", [day]
    ).fetchone()
    assert isinstance(found[0], dt.date)
    return found[0]


def test_the_next_meeting_is_drawn_beside_earlier_days_and_through_time(
    warehouse: Any, drawn: dict[str, Any]
) -> None:
    build_brief(Page(Reader(warehouse), SESSION, False))
    meeting = next_meeting_of(warehouse)
    days = {
        "share": "2024-08-29",
        "share_1d": "2024-08-28",
        "share_1w": "2024-08-22",
        "share_1m": "2024-07-29",
    }
    held = {
        (field, f"{lower:.2f}–{lower + 0.25:.2f}"): 100 * prob
        for field, day in days.items()
        for lower, prob in warehouse.execute(
            "select target_lower_pct, prob from marts.fomc_probabilities where meeting_date = ? and"
            " as_of_date = ?",
            [meeting, day],
        ).fetchall()
    }
    bars = drawn["ranges"]["data"]["values"]
    assert {bar["look"] for bar in bars} == set(days)
    for bar in bars:
        assert bar["share"] == pytest.approx(held.get((bar["look"], bar["range"]), 0.0), abs=1e-3)
    areas = drawn["history"]["data"]["values"]
    assert {area["d"] for area in areas} >= set(days.values())
    for area in areas:
        if area["d"] == "2024-08-22":
            share = held.get(("share_1w", area["range"]), 0.0)
            assert area["to"] - area["from"] == pytest.approx(share, abs=0.02)


def test_path_and_changes_look_back_to_the_same_days(page_text: str) -> None:
    text = re.sub(r"<[^>]+>", "", page_text)
    assert "29 Jul 2024, a month before" in text, "a month is one of the calendar, not 30 days"
    assert "22 Aug 2024, a week before" in text
    assert "Over a week, from 22 Aug" in text
    assert "Over a month, from 29 Jul" in text


def test_a_day_compared_with_that_has_no_settlements_is_named(copy: Any, undrawn: None) -> None:
    copy.execute(
        "update marts.fomc_probability_changes set prob_1w_ago = null where as_of_date = '2024-08-29'"
    )
    copy.execute(
        "update marts.fomc_meetings_daily set change_1w_reason = 'compared_day_missing',"
        " expected_rate_change_1w_bp = null where as_of_date = '2024-08-29'"
    )
    text = fed_words(copy)
    assert "No bars for 22 Aug 2024 , a week before: no settlements on that day." in text
    assert re.search(
        r"Change over a week \(22 Aug 2024\), meeting of [^:]*: no settlements on that day\.", text
    )


def test_a_meeting_that_lacks_a_contract_says_so_wherever_it_stands(copy: Any, undrawn: None) -> None:
    meeting = next_meeting_of(copy)
    for table in ("fomc_meetings_daily", "fomc_probabilities", "fomc_probabilities_by_method"):
        copy.execute(f"update marts.{table} set missing_contract = 'ZQV24' where meeting_date = ?", [meeting])
    copy.execute(
        "update marts.fomc_meetings_daily set reason = 'later_contract_missing' where meeting_date = ?",
        [meeting],
    )
    copy.execute(
        "update marts.policy_repricing set missing_contract = 'ZQV24', reason = 'later_contract_missing'"
        " where as_of_date >= '2024-08-27' and horizon = 'year_end'"
    )
    copy.execute("update marts.policy_path_daily set year_end_missing_contract = 'ZQV24'")
    text = fed_words(copy)
    words = "no usable price of ZQV24 (Oct 2024), so worked out another way than CME would"
    day = f"{meeting.day} {meeting:%b %Y}"
    assert text.count(f"{day} : {words}; not FedWatch’s figures.") == 2, "stack and path"
    assert text.count(f"{words}: not FedWatch’s figure") == 2, "table and bars"
    assert "On 3 days a contract is missing" in text
    assert "The year's end without a price of ZQV24" in text
    assert re.search(r"On (\d+) of \1 days a contract is missing", text)
    [first, _] = [sentence for sentence in headlines(copy, SESSION) if sentence.startswith("Fed")]
    assert f"({words}: not FedWatch’s figure)" in first


def test_a_whole_strip_lacks_nothing(page_text: str) -> None:
    part = page_text[page_text.index('id="fed"') : page_text.index('id="banks"')]
    assert "not FedWatch" not in part
    assert "as CME published then" not in part


def test_what_cme_published_stands_beside_where_it_counted_another_way(copy: Any, undrawn: None) -> None:
    meeting = next_meeting_of(copy)
    for name in ("fomc_meetings_by_method", "fomc_probabilities_by_method"):
        day = f"from marts.{name} where as_of_date = '2024-08-29' and method_version = 'cme_2023plus'"
        copy.execute(f"insert into marts.{name} select * replace ('cme_2022' as method_version) {day}")
        copy.execute(f"update marts.{name} set as_published = (method_version = 'cme_2022')")
    other = "as_of_date = '2024-08-29' and method_version = 'cme_2022'"
    copy.execute(
        f"update marts.fomc_meetings_by_method set cut_prob = 0.123, implied_change_bp = -31.4 where {other}"
    )
    copy.execute(f"update marts.fomc_probabilities_by_method set prob = 0.123, moves = -3 where {other}")
    copy.execute(
        f"delete from marts.fomc_probabilities_by_method where {other} and meeting_date != ?", [meeting]
    )
    text = fed_words(copy)
    assert "; as CME published then: 75 bp lower 12 %" in text
    assert re.search(rf"{meeting.day} {meeting:%b %Y} \S+ 12\.3 .*? −31\.4 ", text)
    assert "Small: as CME published then" in text
    [first, _] = [sentence for sentence in headlines(copy, SESSION) if sentence.startswith("Fed")]
    assert "; as CME published then: 75 bp lower 12 %" in first
    copy.execute(f"update marts.fomc_meetings_by_method set missing_contract = 'ZQV24' where {other}")
    copy.execute(f"update marts.fomc_probabilities_by_method set missing_contract = 'ZQV24' where {other}")
    assert "published then" not in fed_words(copy) + " ".join(headlines(copy, SESSION))


def test_the_market_stands_against_the_dots_of_a_dated_projection(copy: Any, undrawn: None) -> None:
    assert "marts.market_versus_dots has no rows in this publication." in fed_words(copy)
    copy.execute(
        "insert into marts.market_versus_dots by name select * from (values"
        " (date '2024-08-29', '2024', 2024, date '2024-06-12', 78, 5.1, 4.412, -68.8, null),"
        " (date '2024-08-29', '2026', 2026, date '2024-06-12', 78, 3.1, null, null, 'meeting_not_known'),"
        " (date '2024-08-28', '2025', 2025, date '2024-06-12', 77, 4.1, 3.5, -60, null)) as given ("
        "as_of_date, target, target_year, projection_date, projection_age_days, median_dot_pct,"
        " market_midpoint_pct, gap_bp, gap_reason)"
    )
    text = fed_words(copy)
    assert "The futures of 29 Aug 2024 against the FOMC’s median dots of 12 Jun 2024" in text
    assert " 2024 4.41 5.1 −69 2026 " in text
    assert "3.1 – not available the last meeting of that year was not known yet" in text


def test_on_the_day_of_a_decision_the_section_turns_to_the_meeting_after_it(
    copy: Any, drawn: dict[str, Any]
) -> None:
    """The decision of 31 July 2024 was out before that day's settlements."""
    text = fed_words(copy, dt.date(2024, 7, 31))
    assert re.search(r"After the meeting of 18 Sep 2024 , by the futures of 31 Jul 2024 : ", text)
    assert re.search(r"; measured from \S+ – \S+ %, before the decision of 31 Jul 2024 ", text)
    assert drawn["stack"]["data"]["values"][0]["meeting"] == "31 Jul", "FedWatch has that meeting on that day"
    assert not re.search("before the decision of", fed_words(copy, dt.date(2024, 8, 1)))


@pytest.mark.slow
def test_a_missing_or_empty_table_costs_one_line(copy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page(Reader(copy), SESSION, False)
    names = sorted(name for name in page.reader.tables if name.startswith("marts."))
    # What the page asks and shows: headlines leave a sentence out, and words on claims and rules name other
    # tables besides.
    asked, held = set(), Reader._held
    with monkeypatch.context() as patch:
        patch.setattr(Reader, "_held", lambda reader, table: (asked.add(table), held(reader, table)))
        shown, _ = build_brief(page)
    needed = [name for name in names if name in asked and name in shown]
    assert len(needed) >= 12
    with monkeypatch.context() as patch:
        patch.setattr(figures, "draw", lambda spec, name, *, simulated: "")
        for name in needed:
            copy.execute("begin")
            copy.execute(f"drop table {name}")
            text, _ = build_brief(Page(Reader(copy), SESSION, False))
            assert f"{name} is not in this publication." in text, name
            copy.execute("rollback")
    for name in names:
        copy.execute(f"delete from {name}")
    text, _ = build_brief(Page(Reader(copy), SESSION, False))
    assert "marts.macro_daily has no rows in this publication." in text
    for name in names:
        copy.execute(f"drop table {name}")
    text, sentence = build_brief(Page(Reader(copy), SESSION, False))
    assert sentence.startswith("No headline for 29 Aug 2024")
    assert "<svg" not in text
    assert "rules were checked" in text


def test_simulated_data_cannot_be_missed(copy: Any, tmp_path: Path) -> None:
    copy.execute("update ops.publication set data_source = 'simulated'")
    write_pages(copy, tmp_path)
    for name in ("brief.html", "validation.html"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "<title>SIMULATED" in text
        assert "SIMULATED MARKET: every number on this page is made up" in text
    brief = (tmp_path / "brief.html").read_text(encoding="utf-8")
    assert brief.count('class="watermark"') == brief.count("<svg ") > 8
    assert brief.count("Simulated data.") == brief.count('role="img"')


def test_real_data_is_not_marked_as_simulated(page_text: str) -> None:
    assert "SIMULATED" not in page_text
    assert "not endorsed or certified by the Federal Reserve Bank of St. Louis" in page_text


def test_validation_page_lists_every_result_failed_first(warehouse: Any, folder: Path) -> None:
    text = (folder / "validation.html").read_text(encoding="utf-8")
    assert text == build_validation(Page(Reader(warehouse), SESSION, False))
    total, failed = warehouse.execute(
        "select count(*), count(*) filter (not passed) from ops.validation_results"
    ).fetchone()
    assert f"{failed} of {total:,} rules failed." in text
    first, _, rest = text.partition('<h2 id="passed">')
    assert rest.count('<th scope="row">') == total - failed
    assert first[: first.index("By table")].count('<th scope="row">') == failed
    assert rest.index("<details>") < rest.index("<table"), "what passed is folded"
    assert '<strong class="new">' not in text, "there is no publication before"


def test_validation_page_marks_what_is_new_and_names_no_identifier_in_prose(copy: Any) -> None:
    failing = copy.execute("select table_name, rule from ops.validation_results where not passed").fetchall()
    passing = copy.execute(
        "select table_name, rule from ops.validation_results where passed order by 1, 2 limit 1"
    ).fetchall()
    copy.execute(
        "insert into ops.publication by name select generation - 1 as generation, date '2024-08-28' as"
        " session_date, data_source, published_at_utc, code_version, 'before' as run_id from ops.publication"
    )
    copy.execute(
        "insert into ops.validation_results by name select * replace ('before' as run_id, (table_name, rule)"
        " != (?, ?) as passed) from ops.validation_results",
        list(passing[0]),
    )
    text = build_validation(Page(Reader(copy), SESSION, False))
    assert text.count('<strong class="new">new</strong>') == len(failing)
    assert f"Since the publication of 28 Aug 2024 {len(failing)} rule" in text
    assert f"ceased to: {passing[0][1].replace('_', ' ')} (" in text
    main = text[text.index("<main") : text.index("</main>")]
    prose = re.sub(r"<code>.*?</code>|<[^>]+>", " ", main, flags=re.DOTALL)
    assert not re.search(r"\w_\w", prose)
    copy.execute("update ops.validation_results set passed = true where run_id != 'before'")
    assert "None of " in build_validation(Page(Reader(copy), SESSION, False))


def test_headline_is_the_most_unusual_fact_and_leads_the_run(settings: Settings, warehouse: Any) -> None:
    sentence = plain_text(headline(Page(Reader(warehouse), SESSION, False)))
    status = json.loads((settings.published / "status.json").read_text())
    assert status["headlines"][0] == sentence
    share = warehouse.execute("""
        select min(least(spread_rank, history_sessions - spread_rank + 1) / history_sessions)
        from marts.rotation_pair_daily
        where session_date = '2024-08-29' and window_sessions in (1, 5)
            and pair_id in ('IWM/SPY', 'IWM/QQQ', 'KRE/SPY')
        """).fetchone()[0]
    rate = warehouse.execute("""
        with changes as (
            select as_of_date, abs(change_bp) as size
            from marts.policy_repricing where horizon = 'year_end' and change_bp is not null
        )
        select
            count(*) filter (size >= (select size from changes where as_of_date = '2024-08-29')) / count(*)
        from changes where as_of_date <= '2024-08-29'
        """).fetchone()[0]
    most = min(share, rate)
    assert sentence.startswith("Nothing out of the ordinary; ") == (0.02 < most <= 0.25)
    assert sentence.startswith("Nothing stood out: ") == (most > 0.25)


def test_a_quiet_day_says_what_moved_most_or_that_nothing_did(copy: Any) -> None:
    middle = "update marts.rotation_pair_daily set spread_rank = history_sessions // 2"
    copy.execute(f"{middle} where session_date = '2024-08-29'")
    copy.execute("delete from marts.policy_repricing where as_of_date = '2024-08-29'")
    sentence = plain_text(headline(Page(Reader(copy), SESSION, False)))
    assert sentence == (
        "Nothing stood out: none of the few figures that this line is chosen from left the middle half of its"
        " history"
    )
    copy.execute(
        "update marts.rotation_pair_daily set spread_rank = history_sessions // 10, spread_pp = 1.25 where"
        " pair_id = 'KRE/SPY' and window_sessions = 5 and session_date = '2024-08-29'"
    )
    sentence = plain_text(headline(Page(Reader(copy), SESSION, False)))
    assert sentence == (
        "Nothing out of the ordinary; of the few figures that this line is chosen from, the farthest from"
        " usual: regional banks (KRE) beat large caps (SPY) by 1.25 points in five sessions"
    )


def test_since_yesterday_is_no_news(copy: Any, undrawn: None) -> None:
    copy.execute(
        "update marts.rotation_pair_daily set spread_pp = -9.5, spread_rank = history_sessions - 1,"
        " is_record_low = false, last_undercut_date = '2024-08-28' where pair_id = 'KRE/SPY' and"
        " window_sessions = 5 and session_date = '2024-08-29'"
    )
    text, sentence = build_brief(Page(Reader(copy), SESSION, False))
    assert re.match(
        r"Regional banks \(KRE\) trailed large caps \(SPY\) by 9\.50 points in five sessions: only 1 of \d+"
        r" sessions since \d+ \w+ 2022 had a wider gap; \d+ of \d+ spreads watched have a z beyond 3"
        r" \(some do on \d+ % of days\)$",
        sentence,
    )
    assert ">within a quarter<" in text


def test_an_old_strip_is_history_and_leaves_the_headlines(copy: Any, undrawn: None) -> None:
    for table in ("fomc_meetings_daily", "fomc_probabilities", "policy_path_daily", "policy_repricing"):
        copy.execute(f"delete from marts.{table} where as_of_date > '2024-08-22'")
    page = Page(Reader(copy), SESSION, False)
    text = build_brief(page)[0]
    assert '<h2 id="fed">The Fed: history, 22 Aug 2024</h2>' in text
    assert "Fed funds futures end on 2024-08-22, 5 settlement days before the session 2024-08-29" in text
    assert not any(sentence.startswith("Fed") for sentence in headlines(copy, SESSION))
    fed = text[text.index('id="fed"') : text.index('id="banks"')]
    assert not re.search(r"\b(today|now|next)\b", re.sub(r"<[^>]*>", " ", fed))


def test_a_series_that_ended_is_history(page_text: str) -> None:
    assert re.search(r"History: VIX: .*? on <time[^>]*>2 Aug 2024</time>", page_text)
    assert "Closes of the VIX end on 2024-08-02, 19 sessions before the session 2024-08-29" in page_text


def test_a_list_of_events_that_is_over_leaves_no_last_event(copy: Any, undrawn: None) -> None:
    copy.execute("delete from marts.event_responses where event_type = 'cpi' and event_date > '2024-05-31'")
    text = re.sub(r"<[^>]+>", "", build_brief(Page(Reader(copy), SESSION, False))[0])
    assert re.search(r"CPI: the list of events has none between 15 May 2024 and 29 Aug 2024", text)


def test_a_record_makes_the_headline(copy: Any) -> None:
    copy.execute(
        "update marts.rotation_pair_daily set spread_pp = -21.114, spread_rank = history_sessions,"
        " is_record_low = true where pair_id = 'KRE/SPY' and window_sessions = 5 and session_date ="
        " '2024-08-29'"
    )
    sentence = plain_text(headline(Page(Reader(copy), SESSION, False)))
    start = (
        "Regional banks (KRE) trailed large caps (SPY) by 21.11 points in five sessions: the widest such gap"
        " in the history held, from "
    )
    assert sentence.startswith(start)
    end = r"; \d+ of \d+ spreads watched are at a record \(some are on \d+ % of days\)$"
    assert re.search(end, sentence)
    assert "standard deviation" not in sentence and "sigma" not in sentence


def test_an_extreme_change_of_the_expected_rate_makes_the_headline(copy: Any) -> None:
    copy.execute(
        "update marts.policy_repricing set change_bp = -96.93 where horizon = 'year_end' and as_of_date ="
        " '2024-08-29'"
    )
    sentence = plain_text(headline(Page(Reader(copy), SESSION, False)))
    days = copy.execute(
        "select count(*) from marts.policy_repricing where horizon = 'year_end' and change_bp is not null and"
        " as_of_date < '2024-08-29'"
    ).fetchone()[0]
    assert (
        sentence
        == "Fed funds futures cut the rate they imply for the end of the year by 96.9 basis points in a day:"
        f" no day of {days} before moved it as far"
    )


def test_the_brief_reads_the_publication_only(folder: Path, tmp_path: Path) -> None:
    before = (folder / "warehouse.duckdb").stat().st_mtime_ns
    locked = tmp_path / "warehouse.duckdb"
    shutil.copy(folder / "warehouse.duckdb", locked)
    settings = {"enable_external_access": "false", "lock_configuration": "true"}
    with duckdb.connect(str(locked), read_only=True, config=settings) as connection:
        write_pages(connection, tmp_path)
    assert (tmp_path / "brief.html").read_text() == (folder / "brief.html").read_text()
    assert (folder / "warehouse.duckdb").stat().st_mtime_ns == before


@pytest.mark.slow
def test_a_failure_in_drawing_stops_the_run_and_keeps_the_last_publication(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(page: Any, section: Any) -> None:
        raise ZeroDivisionError("a bug in a drawing")

    run = run_to_build(settings, str(SESSION), "broken", rebuild=True)
    monkeypatch.setattr("brief.sections.rotation", broken)
    with pytest.raises(
        StepFailed,
        match=r"brief could not be drawn: ZeroDivisionError: a bug in a drawing.*Nothing was published",
    ):
        steps.publish(run)
    assert current_generation(settings) == folder
    status = json.loads((settings.published / "status.json").read_text())
    assert (status["state"], status["step"]) == ("failed", "publish")
    monkeypatch.setattr("brief.sections.rotation", rotation)
    steps.publish(run)
    current = current_generation(settings)
    assert current is not None
    assert current != folder
    assert (current / "brief.html").exists()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (99.95, "99.95th"),
        (100.0, "100th"),
        (99.4, "99.4th"),
        (0.96, "1st"),
        (0.02, "0.02th"),
        (1.4, "1st"),
        (2.2, "2nd"),
        (63.0, "63rd"),
        (11.6, "12th"),
        (50.5, "50th"),
    ],
)
def test_percentiles_keep_digits_where_they_tell_something(value: float, shown: str) -> None:
    assert plain_text(ordinal(Cell(value, "x", "t"))) == shown


def test_minus_zero_has_no_sign() -> None:
    assert [plain_number(value, 2, signed=True) for value in (-0.004, 0.004, -0.006, 1234.5)] == [
        "0.00",
        "0.00",
        "−0.01",
        "+1,234.50",
    ]


def test_a_single_target_is_no_range() -> None:
    assert [plain_range(5.25, 5.5), plain_range(2.0, 2.0)] == ["5.25–5.50", "2.00"]


def test_labels_keep_their_distance_and_order() -> None:
    placed = figures.spread_labels([4.83, 4.81, 4.68, 5.5], 0.1)
    ordered = [placed[2], placed[1], placed[0], placed[3]]
    assert ordered == sorted(ordered)
    assert all(high - low >= 0.1 - 1e-6 for low, high in pairwise(ordered))


def contrast(one: str, other: str) -> float:
    """Contrast ratio after WCAG 2."""
    light = []
    for colour in (one, other):
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        light.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(light) + 0.05) / (min(light) + 0.05)


@pytest.mark.parametrize("theme", [0, 1])
def test_text_stands_out_in_both_themes(theme: int) -> None:
    """The checker cannot see text in drawings; the palette can be computed."""
    style = (REPOSITORY / "brief" / "templates" / "style.css").read_text(encoding="utf-8")
    palette = dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", style.split(":root")[theme + 1]))
    for words in ("ink", "muted", "c1", "c2", "c3", "link"):
        assert contrast(palette[words], palette["paper"]) >= 4.5, words
    for fill in ("hold", *(f"{kind}{step}" for kind in ("cut", "hike") for step in range(1, 5))):
        assert contrast(palette["ink"], palette[fill]) >= 4.5, fill
    assert contrast(palette["ink"], palette["alarm-paper"]) >= 4.5
    assert contrast(palette["muted"], palette["panel"]) >= 4.5
