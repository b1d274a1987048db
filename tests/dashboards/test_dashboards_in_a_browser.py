"""The dashboards in a real browser on a real Superset: drawn whole, numbers as SQL has them, filters work.

In: the publication of a small market (tests/recorded asks the same of the recorded one). Out: assertions
on what the browser asked, was answered and shows. What is right is computed by DuckDB from the marts and from
`dashboards/queries`, never from Superset's SQL. Each dashboard is opened once; the tests that change its
filters come last.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.dashboards.bundle_read import column_sql, metric_sql, plain
from tests.dashboards.in_browser import CLEAR, DESK, TABLET, number_in
from tests.dashboards.looked_at import SLUGS, Looks, looking
from tests.shared_homes import HomeAfter

pytestmark = [pytest.mark.full, pytest.mark.timeout(1200)]
each = pytest.mark.parametrize("slug", SLUGS)


@pytest.fixture(scope="module")
def looks(home_after: HomeAfter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looks]:
    """All dashboards of the small market."""
    with looking(tmp_path_factory, home_after("2024-07-16").published) as looked:
        yield looked


@each
def test_every_chart_is_asked_and_answered_and_nothing_complains(looks: Looks, slug: str) -> None:
    visit, answers = looks.opened(slug)
    assert {answer.title for answer in answers} == set(visit.titles.values())
    assert [answer.said for answer in answers if answer.said] == []
    assert visit.complaints == []


@each
def test_every_chart_has_data(looks: Looks, slug: str) -> None:
    _, answers = looks.opened(slug)
    empty = [answer.title for answer in answers if not any(result["data"] for result in answer.results)]
    assert empty == [], "a chart without rows needs a row that says why"


@each
@pytest.mark.parametrize("width", [DESK, TABLET])
def test_nothing_wrong_is_seen(looks: Looks, slug: str, width: int) -> None:
    visit, _ = looks.opened(slug)
    visit.widen(width)
    visit.settle()
    assert visit.troubles() == {}
    clipped = visit.page.evaluate(
        "[...document.querySelectorAll('[data-test=slice-header] [data-test=editable-title]')].filter(e =>"
        " e.scrollWidth > e.clientWidth + 1).map(e => e.innerText)"
    )
    assert clipped == [], "a title is cut"
    boxes = visit.page.locator("[data-test=dashboard-component-chart-holder]").evaluate_all(
        "all => all.map(e => e.getBoundingClientRect()).map(b => [b.left, b.top, b.right, b.bottom])"
    )
    assert len(boxes) >= len(visit.titles)
    over = [
        (one, other)
        for place, one in enumerate(boxes)
        for other in boxes[place + 1 :]
        if one[0] < other[2] - 1 and other[0] < one[2] - 1 and one[1] < other[3] - 1 and other[1] < one[3] - 1
    ]
    assert over == [], "charts lie over each other"


@each
def test_an_analyst_finds_no_button_that_changes_a_dashboard(looks: Looks, slug: str) -> None:
    visit, _ = looks.opened(slug)
    assert visit.page.locator("[data-test=edit-dashboard-button]").count() == 0
    assert visit.page.locator("[data-test=refresh-button]").count() == 1
    with looks.browser.new_context() as stranger:
        page = stranger.new_page()
        page.goto(f"{looks.server.base}/superset/dashboard/{slug}/")
        assert "/login" in page.url and "SIMULATED" not in page.content()


@each
def test_numbers_are_those_of_sql(looks: Looks, slug: str) -> None:
    _, answers = looks.opened(slug)
    assert looks.wrong(answers) == []


@each
def test_tables_show_the_numbers_that_they_were_given(looks: Looks, slug: str) -> None:
    visit, answers = looks.opened(slug)
    visit.widen(DESK)
    compared = 0
    for answer in answers:
        chart = looks.bundle.by_title[answer.title]
        if chart["viz_type"] != "table":
            continue
        names = [column_sql(one)[0] for one in answer.queries[0]["columns"]]
        names += [metric_sql(one)[0] for one in answer.queries[0].get("metrics") or []]
        cells = visit.chart(answer.title).locator("table tbody tr").first.locator("td").all_inner_texts()
        assert len(cells) == len(names), answer.title
        row = answer.results[0]["data"][0]
        for name, cell in zip(names, cells, strict=True):
            value, shown = plain(row[name]), number_in(cell)
            if isinstance(value, float) and shown is not None and name not in visit_days(looks, answer.title):
                assert abs(shown[0] - value) <= shown[1], f"{answer.title}, {name}: {cell} for {value}"
                compared += 1
            elif isinstance(value, str):
                assert " ".join(cell.split()) == " ".join(value.split()), f"{answer.title}, {name}"
                compared += 1
    assert compared >= 3


def visit_days(looks: Looks, title: str) -> set[str]:
    """The columns of a chart's dataset that are days or times."""
    dataset = looks.bundle.dataset_of(looks.bundle.by_title[title])
    return {column["column_name"] for column in dataset["columns"] if column["is_dttm"]}


@each
def test_every_filter_changes_what_its_charts_ask_and_the_numbers_follow(looks: Looks, slug: str) -> None:
    visit, before = looks.opened(slug)
    dashboard = next(one for one in looks.bundle.dashboards.values() if one["slug"] == slug)
    rows = looks.bundle.rows_of(dashboard)
    visit.widen(DESK)
    data = {answer.title: [result["data"] for result in answer.results] for answer in before}
    changed = moved = 0
    for native in dashboard["metadata"]["native_filter_configuration"]:
        if native["filterType"] != "filter_select":
            continue
        chosen = visit.choose_other(native["id"])
        if not chosen:
            continue
        changed += 1
        answers = visit.answers()
        column = native["targets"][0]["column"]["name"]
        reached = {chart["slice_name"] for row in native["scope"]["rootPath"] for chart in rows.get(row, [])}
        assert {answer.title for answer in answers} >= reached, f"{native['name']}: {chosen}"
        for answer in answers:
            named = {column_sql(one["col"])[0] for query in answer.queries for one in query["filters"]}
            assert column in named or answer.title not in reached, f"{native['name']}: {answer.title}"
        assert looks.wrong(answers) == [], f"{native['name']}: {chosen}"
        now = {answer.title: [result["data"] for result in answer.results] for answer in answers}
        # A value that all rows of the filters before have filters nothing out: not each changes a chart.
        moved += any(now[title] != data[title] for title in reached)
        assert "error" not in visit.troubles()
        data |= now
    assert changed >= 3 and moved * 2 > changed
    visit.page.locator(CLEAR).click()
    visit.page.wait_for_timeout(500)
    if visit.page.locator("[data-test=filter-bar__apply-button]:not([disabled])").count():
        visit.apply()
        assert looks.wrong(visit.answers()) == [], "cleared"
    visit.load()
    assert looks.wrong(visit.answers()) == [], "opened again"
    assert visit.complaints == []


@each
def test_a_value_that_is_clicked_filters_the_other_charts(looks: Looks, slug: str) -> None:
    visit, _ = looks.opened(slug)
    visit.widen(DESK)
    cells: Any = visit.page.locator("td.dt-is-filter")
    if not cells.count():
        pytest.skip("no table of this dashboard offers a value to click")
    visit.forget()
    # A table's own frame lies over its first rows for a pointer that is moved by numbers.
    cells.first.evaluate("cell => cell.click()")
    visit.page.wait_for_timeout(500)
    visit.settle()
    answers = visit.answers()
    assert answers, "no other chart was asked"
    assert looks.wrong(answers) == []
    assert "error" not in visit.troubles()
