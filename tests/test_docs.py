"""The documentation site: built once by the real generator, a page for every table, the whole lineage, no
link that leads nowhere, nothing loaded from another host.
"""

from __future__ import annotations

import re
import shutil
from html import unescape
from itertools import pairwise
from pathlib import Path

import pytest

from cli import docs
from cli.docs_graph import lineage_svg
from cli.docs_pages import lineage_of, page_of, table_page
from expectations.rules import handwritten
from warehouse.catalog import load_catalog

CATALOG = load_catalog()
EDGE = re.compile(r'<path class="edge" data-from="([\w.]+)" data-to="([\w.]+)"')
NODE = re.compile(r'<a class="node \w+" data-table="([\w.]+)" href="([^"]+)"')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    docs.build(folder)
    return folder


def words(page: Path) -> str:
    """The text of a page without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8"))).split())


def test_every_table_has_its_page(site: Path) -> None:
    for table in CATALOG.tables.values():
        text = words(site / page_of(table.full_name).replace(".md", ".html"))
        for column in table.columns:
            assert f"{column.name} {column.type}" in text, f"{table.full_name}.{column.name}"
        rules = handwritten(table)
        for name in [item["meta"]["name"] for item in rules["expectations"]] + [
            item["name"] for item in rules["queries"]
        ]:
            assert name in text, f"{table.full_name}: {name}"


def test_the_lineage_is_the_catalog_s(site: Path) -> None:
    page = (site / "lineage.html").read_text(encoding="utf-8")
    wanted = {(item, table.full_name) for table in CATALOG.tables.values() for item in table.inputs}
    drawn = EDGE.findall(page)
    assert set(drawn) == wanted
    assert len(drawn) == len(wanted)
    nodes = dict(NODE.findall(page))
    assert {name for name in CATALOG.tables if not name.startswith("ops.")} <= set(nodes)
    for name, address in nodes.items():
        assert (site / address).is_file(), address
        assert address == page_of(name).replace(".md", ".html")


def test_no_link_is_broken_and_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    assert len(list(site.rglob("*.html"))) > len(CATALOG.tables)
    assert docs.problems_of(site) == []


def test_planted_faults_are_found(site: Path, tmp_path: Path) -> None:
    planted = tmp_path / "site"
    shutil.copytree(site, planted)
    page = planted / "lineage.html"
    page.write_text(
        page.read_text(encoding="utf-8").replace(
            "</body>",
            '<script src="https://cdn.example.com/x.js"></script><img src="//cdn.example.com/y.png">'
            '<link rel="stylesheet" href="https://fonts.example.com/z.css">'
            '<a href="tables/marts/absent.html">a</a><a href="index.html#absent">b</a></body>',
        ),
        encoding="utf-8",
    )
    (planted / "_static" / "site.css").write_text('@import "https://fonts.example.com/a.css";')
    assert sorted(docs.problems_of(planted)) == [
        "_static/site.css loads https://fonts.example.com/a.css",
        "lineage.html links to index.html#absent, which has no such heading",
        "lineage.html links to tables/marts/absent.html, which does not exist",
        "lineage.html loads //cdn.example.com/y.png",
        "lineage.html loads https://cdn.example.com/x.js",
        "lineage.html loads https://fonts.example.com/z.css",
    ]


def test_a_broken_link_in_a_page_fails_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def one_page(source: Path) -> None:
        source.mkdir(parents=True)
        (source / "index.md").write_text("# Home\n\n[nowhere](absent.md)\n")

    monkeypatch.setattr(docs, "assemble", one_page)
    assert docs.main([str(tmp_path / "site")]) == 1
    assert "absent.md" in capsys.readouterr().err


def test_a_table_page_says_what_the_catalog_says() -> None:
    page = table_page(CATALOG["marts.rotation_pair_daily"], ["marts.regimes_daily"])
    for part in (
        "# marts.rotation_pair_daily",
        "| Grain | `pair_id`, `window_sessions`, `session_date` |",
        "| Made from | [staging.equity_prices](../staging/equity_prices.md), [ref.pairs](../ref/pairs.md),"
        " [ref.instruments](../ref/instruments.md) |",
        "| Used by | [marts.regimes_daily](../marts/regimes_daily.md) |",
        "| **`pair_id`** | VARCHAR | text |",
        "| `a_record_has_no_earlier_equal` | critical |",
        "where pair_id = 'IWM/QQQ' and window_sessions = 5",
        "def build(con",
    ):
        assert part in page, part


def test_arrows_run_to_the_right_and_boxes_do_not_overlap() -> None:
    tables, edges = lineage_of(CATALOG)
    picture = lineage_svg(tables, edges, page_of, "all")
    boxes = {
        name: (float(x), float(y))
        for name, x, y in re.findall(r'data-table="([\w.]+)" href="[^"]+"><rect x="(\d+)" y="(\d+)"', picture)
    }
    assert sorted(boxes) == sorted(tables)
    assert all(boxes[source][0] < boxes[user][0] for source, user in edges)
    for column in {x for x, _ in boxes.values()}:
        rows = sorted(y for x, y in boxes.values() if x == column)
        assert all(below - above >= 28 for above, below in pairwise(rows))
    assert picture == lineage_svg(reversed(tables), reversed(edges), page_of, "all")
    assert "\n\n" not in picture
