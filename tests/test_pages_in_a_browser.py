"""The brief and the validation page in a real browser: widths, themes, keys, the pointer, without scripts.

In: the pages of a small market, opened from disk as a reader does. Out: assertions on what the browser shows.
The browser is Debian's chromium, driven by Playwright; axe-core comes with axe-playwright-python.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from brief.page import write_pages
from tests.shared_homes import HomeAfter
from warehouse.publication import current_generation

pytestmark = pytest.mark.full
PAGES = ["brief.html", "validation.html"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium; skips without one."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no chromium on this machine (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright  # only these tests need it

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def folder(home_after: HomeAfter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both pages of a day with failed rules, some of them new, and with names that markup would break."""
    current = current_generation(home_after("2024-07-16"))
    assert current is not None
    made = tmp_path_factory.mktemp("pages")
    shutil.copy(current / "warehouse.duckdb", made / "warehouse.duckdb")
    (made / "warehouse.duckdb").chmod(0o644)
    with duckdb.connect(str(made / "warehouse.duckdb")) as connection:
        connection.execute(
            "insert into ops.publication by name select generation - 1 as generation, date '2024-07-15' as"
            " session_date, data_source, published_at_utc, code_version, 'before' as run_id"
            " from ops.publication"
        )
        connection.execute(
            "insert into ops.validation_results by name select * replace ('before' as run_id)"
            " from ops.validation_results"
        )
        connection.execute(
            "update ops.validation_results set passed = false, failed_rows = 3,"
            " sample = 'a=<b>1</b>; a=2; a=3' where run_id != 'before' and rule in (select rule"
            " from ops.validation_results where table_name = 'marts.macro_daily' order by rule limit 4)"
        )
        write_pages(connection, made)
    return made


class Opened:
    """A page in the browser with what it complained of."""

    def __init__(self, browser: Any, path: Path, **how: Any) -> None:
        self.complaints: list[str] = []
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **how})
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url))
        self.page.goto(path.as_uri())

    def _asked(self, url: str) -> None:
        if not url.startswith("file:"):
            self.complaints.append(f"asked for {url}")

    def __enter__(self) -> Any:
        return self.page

    def __exit__(self, *_: object) -> None:
        self.context.close()
        assert self.complaints == []


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_pages_never_scroll_sideways_and_cut_nothing_without_a_cue(
    browser: Any, folder: Path, name: str, width: int
) -> None:
    with Opened(browser, folder / name, viewport={"width": width, "height": 900}) as page:
        root = "document.documentElement"
        assert page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")
        assert page.evaluate(f"{root}.clientWidth") <= width
        cut = page.evaluate(
            "[...document.querySelectorAll('table')].filter(table => table.offsetParent"
            " && table.offsetWidth > table.parentElement.clientWidth + 1).map(table => {"
            " const box = table.parentElement, style = getComputedStyle(box);"
            " return [style.overflowX, box.tabIndex, box.getAttribute('role'),"
            " style.backgroundImage.includes('gradient')]; })"
        )
        assert all(one == ["auto", 0, "region", True] for one in cut)
        if name == "brief.html" and width < 500:
            assert cut


@pytest.mark.parametrize("width", [390, 1280])
def test_one_of_the_two_drawings_of_a_history_is_seen(browser: Any, folder: Path, width: int) -> None:
    with Opened(browser, folder / "brief.html", viewport={"width": width, "height": 900}) as page:
        seen = {
            kind: page.evaluate(
                f"[...document.querySelectorAll('.{kind}')].filter(one => one.offsetParent).length"
            )
            for kind in ("narrow", "broad")
        }
        assert sorted(seen.values())[0] == 0
        assert seen["broad" if width > 1000 else "narrow"] >= 3
        unfilled = page.evaluate(
            "[...document.querySelectorAll('.broad svg')].filter(one => one.getBoundingClientRect().width"
            " && one.getBoundingClientRect().width"
            " < 0.9 * one.closest('figure').clientWidth).length"
        )
        assert unfilled == 0, "they take the width of the page"


def test_tables_are_sorted_by_keyboard(browser: Any, folder: Path) -> None:
    with Opened(browser, folder / "brief.html") as page:
        table = page.locator("table", has=page.locator("caption", has_text="Five sessions to")).first
        spreads = "rows => rows.map(row => Number(row.cells[1].querySelector('data').value))"
        before = table.locator("tbody tr").evaluate_all(spreads)
        head = table.locator("thead th").nth(1)
        head.locator("button").focus()
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == "ascending"
        assert table.locator("tbody tr").evaluate_all(spreads) == sorted(before)
        page.keyboard.press("Space")
        assert head.get_attribute("aria-sort") == "descending"
        assert table.locator("tbody tr").evaluate_all(spreads) == sorted(before, reverse=True)
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") is None
        assert table.locator("tbody tr").evaluate_all(spreads) == before
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('th').cellIndex") == 2


def test_the_day_under_the_pointer_is_read_out(browser: Any, folder: Path) -> None:
    with Opened(browser, folder / "brief.html") as page:
        drawing = page.locator(".broad svg[data-readout]").first
        drawing.scroll_into_view_if_needed()
        box = drawing.bounding_box()
        assert page.locator(".tip").is_hidden()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        words = page.locator(".tip").inner_text()
        assert re.match(r"\d+ \w+ 20\d\d\n\d", words)
        points = page.evaluate("one => JSON.parse(one.dataset.readout).points", drawing.element_handle())
        assert words in [said for _, said in points]
        assert drawing.locator("line.readout").count() == 1
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] - 40)
        assert page.locator(".tip").is_hidden()
        assert drawing.locator("line.readout").count() == 0


def test_rules_are_searched_and_folds_return_to_how_they_were(browser: Any, folder: Path) -> None:
    with Opened(browser, folder / "validation.html") as page:
        rows = page.locator("table.searchable tbody tr")
        total = rows.count()
        folded = page.locator("details:has(table.searchable)")
        assert folded.evaluate("one => one.open") is False
        page.get_by_label("Search all rules").fill("macro value")
        shown = [row for row in rows.all() if row.is_visible()]
        assert 0 < len(shown) < total
        assert all("macro" in row.inner_text().lower() for row in shown)
        assert page.locator("output").inner_text() == f"{len(shown)} of {total} rules"
        page.get_by_label("Search all rules").fill("")
        assert folded.evaluate("one => one.open") is False
        assert rows.evaluate_all("all => all.filter(one => one.hidden).length") == 0


@pytest.mark.parametrize("name", PAGES)
def test_without_scripts_everything_is_read(browser: Any, folder: Path, name: str) -> None:
    with Opened(browser, folder / name, java_script_enabled=False) as page:
        assert page.locator("button").count() == 0
        assert page.locator("form.search").is_visible() is False
        assert page.locator("main table").first.is_visible()
        for fold in page.locator("details > summary").all()[:3]:
            if fold.is_visible():
                fold.click()
        if name == "validation.html":
            page.locator("details:has(table.searchable) > summary").click()
            assert page.locator("details table.searchable tbody tr").last.is_visible()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Any, folder: Path, name: str, theme: str) -> None:
    import axe_playwright_python

    script = Path(axe_playwright_python.__file__).with_name("axe.min.js")
    # axe is not the page's own script, so the policy is set aside for it.
    with Opened(browser, folder / name, color_scheme=theme, bypass_csp=True) as page:
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        # Behind the shadow of what is cut off axe could tell no contrast, in no table.
        page.evaluate(
            "document.querySelectorAll('.scroll').forEach(one => { one.style.background = 'none'; })"
        )
        page.add_script_tag(path=str(script))
        # Of what passes one node is enough: thousands of rows would each get a selector.
        found = page.evaluate("axe.run(document, {resultTypes: ['violations', 'incomplete']})")
    assert len(found["passes"]) > 20
    serious = [
        (one["id"], [node["html"][:200] for node in one["nodes"][:3]])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
    # Of text in drawings axe can tell none (tests/test_brief.py computes the palette); of all other it can.
    undecided = [
        node["html"]
        for one in found["incomplete"]
        if one["id"] == "color-contrast"
        for node in one["nodes"]
        if not node["html"].startswith("<text")
    ]
    assert len(undecided) < 100, undecided[:3]


def test_another_script_does_not_run(browser: Any, folder: Path, tmp_path: Path) -> None:
    text = (folder / "brief.html").read_text(encoding="utf-8")
    changed = text.replace("</body>", "<script>document.title = 'run'</script></body>")
    (tmp_path / "brief.html").write_text(changed, encoding="utf-8")
    opened = Opened(browser, tmp_path / "brief.html")
    assert opened.page.title().startswith("Morning brief")
    assert opened.page.locator("button.sort").count() > 10, "the page's own does"
    assert any("Content Security Policy" in words for words in opened.complaints)
    opened.context.close()
