"""The files of the dashboards without a Superset: as generated, all that they name is there, and what the
queries answer to a few rows.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import duckdb
import pandas as pd
import pytest

from dashboards import datasets
from tests.dashboards.bundle_read import (
    PROVENANCE,
    Bundle,
    Entry,
    column_sql,
    filter_sql,
    metric_sql,
    relation,
    rows_by_sql,
)
from tests.model_fixture import fill
from warehouse import latest
from warehouse.catalog import load_catalog

BUNDLE = Bundle.read()
DASHBOARDS = sorted(BUNDLE.dashboards.values(), key=lambda entry: entry["slug"])
CHARTS = sorted(BUNDLE.charts.values(), key=lambda entry: entry["slice_name"])
QUERIES = sorted(datasets.QUERIES.glob("*.sql"))
COLUMNS = ("groupby", "groupby_b", "columns", "all_columns", "groupbyRows", "groupbyColumns")
METRICS = ("metrics", "metrics_b", "percent_metrics")
ONE_COLUMN = ("x_axis", "entity", "series")
ONE_METRIC = ("metric", "x", "y", "size", "secondary_metric")
by_slug = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda entry: entry["slug"])
by_title = pytest.mark.parametrize("chart", CHARTS, ids=lambda entry: entry["slice_name"])


@pytest.fixture(scope="module")
def empty() -> Iterator[duckdb.DuckDBPyConnection]:
    """A publication whose tables have no rows."""
    catalog = load_catalog()
    with duckdb.connect() as connection:
        for schema in ("marts", *datasets.OTHER_SCHEMAS):
            connection.execute(f"create schema {schema}")
            for table in catalog.in_schema(schema):
                connection.execute(table.ddl())
        latest.create_latest_views(connection, catalog)
        yield connection


def some(value: Any) -> list[Any]:
    """A parameter as a list; a dashboard's file leaves out what is not set."""
    return [value] if isinstance(value, str | dict) else list(value or [])


def columns_of(params: Entry) -> list[Any]:
    """All columns that a chart names."""
    named = [column for key in (*COLUMNS, *ONE_COLUMN) for column in some(params.get(key))]
    # A metric and no column can be what sorts an axis.
    return [column for column in named if column]


def metrics_of(params: Entry) -> list[Any]:
    """All metrics that a chart names."""
    return [metric for key in (*METRICS, *ONE_METRIC) for metric in some(params.get(key)) if metric]


def filters_of(params: Entry) -> list[Entry]:
    """A chart's own filters."""
    return [*some(params.get("adhoc_filters")), *some(params.get("adhoc_filters_b"))]


def test_datasets_are_as_generated() -> None:
    made = datasets.files()
    assert {path.name for path in datasets.FOLDER.rglob("*.yaml")} == {path.name for path in made}
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run python -m dashboards.datasets"


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_a_query_says_what_a_row_is_and_runs_on_an_empty_publication(
    empty: duckdb.DuckDBPyConnection, path: Any
) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("-- ") and len(text.splitlines()[0]) > 10
    empty.execute(datasets.expanded(text.strip().removesuffix(";"))).fetchall()


@by_title
def test_a_chart_names_columns_and_metrics_that_its_dataset_has(
    empty: duckdb.DuckDBPyConnection, chart: Entry
) -> None:
    dataset, params = BUNDLE.dataset_of(chart), chart["params"]
    columns = {column["column_name"] for column in dataset["columns"]}
    metrics = {metric["metric_name"] for metric in dataset["metrics"]}
    labels = {metric_sql(metric)[0] for metric in metrics_of(params)}
    assert columns_of(params) or metrics_of(params)
    assert {column for column in columns_of(params) if isinstance(column, str)} <= columns
    assert {metric for metric in metrics_of(params) if isinstance(metric, str)} <= metrics
    shown = {column_sql(column)[0] for column in columns_of(params)} | labels
    assert set(params.get("column_config", {})) <= shown
    assert {rule["column"] for rule in params.get("conditional_formatting", [])} <= shown
    ordered = {json.loads(entry)[0] for entry in params.get("order_by_cols", [])}
    assert ordered <= columns, "rows are ordered by a column of the dataset"
    for one in filters_of(params):
        if one["expressionType"] == "SIMPLE":
            assert one["subject"] in columns
    raw = params.get("query_mode") == "raw"
    question = {
        "columns": columns_of(params),
        "metrics": None if raw else metrics_of(params),
        "filters": [
            {"col": one["subject"], "op": one["operator"], "val": one.get("comparator")}
            for one in filters_of(params)
            if one["expressionType"] == "SIMPLE"
        ],
        "extras": {
            "where": " and ".join(
                f"({one['sqlExpression']})" for one in filters_of(params) if one["expressionType"] == "SQL"
            )
        },
    }
    rows_by_sql(empty, dataset, question)


def test_titles_are_unique_and_every_chart_is_on_a_dashboard() -> None:
    titles = Counter(chart["slice_name"] for chart in CHARTS)
    assert [title for title, times in titles.items() if times > 1] == []
    shown = {chart["uuid"] for one in DASHBOARDS for row in BUNDLE.rows_of(one).values() for chart in row}
    assert [chart["slice_name"] for chart in CHARTS if chart["uuid"] not in shown] == []


def test_there_are_four_dashboards() -> None:
    assert [entry["slug"] for entry in DASHBOARDS] == ["banks", "fed", "rotation", "trust"]
    assert all(entry["published"] for entry in DASHBOARDS)


@by_slug
def test_a_dashboard_begins_with_where_its_numbers_come_from(dashboard: Entry) -> None:
    first, *_ = BUNDLE.rows_of(dashboard).values()
    assert [chart["slice_name"] for chart in first] == [PROVENANCE]


@by_slug
def test_a_dashboard_says_itself_what_its_charts_are_called(dashboard: Entry) -> None:
    for item in dashboard["position"].values():
        if isinstance(item, dict) and item.get("type") == "CHART":
            assert BUNDLE.charts[item["meta"]["uuid"]]["slice_name"] == item["meta"]["sliceName"]


@by_slug
def test_a_filter_has_a_target_and_acts_on_charts_that_know_its_column(
    empty: duckdb.DuckDBPyConnection, dashboard: Entry
) -> None:
    rows = BUNDLE.rows_of(dashboard)
    filters = dashboard["metadata"]["native_filter_configuration"]
    assert filters, "a dashboard has filters"
    assert len({one["name"] for one in filters}) == len(filters)
    for one in filters:
        assert one["scope"]["rootPath"], one["name"]
        assert set(one["scope"]["rootPath"]) <= {*rows, "ROOT_ID"}
        whole = "ROOT_ID" in one["scope"]["rootPath"]
        reached = [chart for row in rows if whole or row in one["scope"]["rootPath"] for chart in rows[row]]
        assert reached
        if one["filterType"] == "filter_time":
            deaf = [chart for chart in reached if not BUNDLE.dataset_of(chart)["main_dttm_col"]]
        else:
            column = one["targets"][0]["column"]["name"]
            require_target(empty, one, column)
            deaf = [chart for chart in reached if column not in names_of(BUNDLE.dataset_of(chart))]
        titles = [chart["slice_name"] for chart in deaf]
        assert titles == [], f"the filter {one['name']} does nothing to them"


def require_target(connection: duckdb.DuckDBPyConnection, one: Entry, column: str) -> None:
    """A filter's values come from a column that is there, and its default is a value for that column."""
    source = BUNDLE.datasets[one["targets"][0]["datasetUuid"]]
    assert column in names_of(source)
    for value in (one["defaultDataMask"].get("extraFormData") or {}).get("filters", []):
        assert value["col"] == column
        connection.execute(f"select 1 from {relation(source)} where {filter_sql(value, set())}")


def names_of(dataset: Entry) -> set[str]:
    """The columns of a dataset."""
    return {column["column_name"] for column in dataset["columns"]}


# ---- what queries answer


@pytest.fixture
def few(empty: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """The empty publication, for a test that fills it."""
    empty.execute("begin")
    yield empty
    empty.execute("rollback")


def given(connection: duckdb.DuckDBPyConnection, table: str, *rows: Entry) -> None:
    """Rows of a table; what they leave out is as in `tests.model_fixture`."""
    fill(connection, table, pd.DataFrame(rows))


def answered(connection: duckdb.DuckDBPyConnection, query: str, where: str = "true") -> list[tuple[Any, ...]]:
    """The rows of a query, without its text being known here."""
    text = datasets.expanded((datasets.QUERIES / f"{query}.sql").read_text(encoding="utf-8"))
    text = text.strip().removesuffix(";")
    return connection.execute(f"from ({text}\n) where {where} order by all").fetchall()


def test_a_metric_of_a_dataset_is_empty_where_a_point_has_several_rows() -> None:
    with duckdb.connect() as connection:
        connection.execute("create table points (x integer, spread_pp double)")
        connection.execute("insert into points values (1, 1.5), (2, 1.5), (2, 2.5), (3, null)")
        for dataset in BUNDLE.datasets.values():
            for metric in dataset["metrics"]:
                if not metric["metric_name"].endswith("_value"):
                    continue
                column = metric["metric_name"].removesuffix("_value")
                text = re.sub(rf'"?\b{column}\b"?', "spread_pp", metric["expression"])
                shown = connection.execute(f"select x, {text} from points group by x order by x").fetchall()
                assert shown == [(1, 1.5), (2, None), (3, None)], f"{dataset['table_name']}: {metric}"


def test_a_day_is_a_time_for_superset() -> None:
    """It has no literal for DuckDB's DATE: a filter on such a column is answered with an error."""
    kinds = {
        (dataset["table_name"], column["column_name"])
        for dataset in BUNDLE.datasets.values()
        for column in dataset["columns"]
        if column["type"] == "DATE"
    }
    assert kinds == set()


def test_a_date_of_the_fed_s_path_has_one_row_with_the_rate_after_its_decision(
    few: duckdb.DuckDBPyConnection,
) -> None:
    days = ("2024-12-18", "2024-12-31")
    given(few, "marts.policy_path_daily", *({"as_of_date": day, "effr_pct": 4.58} for day in days))
    decided = {"as_of_date": days[0], "meeting_date": days[0], "expected_rate_pct": 4.33}
    later = {"as_of_date": days[0], "meeting_date": "2025-01-29", "expected_rate_pct": 4.25}
    given(few, "marts.fomc_meetings_daily", decided, later)
    dots = {"target": "median", "target_year": 2024, "projection_date": days[0], "median_dot_pct": 4.4}
    given(few, "marts.market_versus_dots", {"as_of_date": days[1], **dots})
    rows = answered(few, "fed_path")
    assert [(str(row[0]), str(row[1]), row[2], row[5]) for row in rows] == [
        (days[0], days[0], 4.33, None),
        (days[0], "2025-01-29", 4.25, None),
        (days[1], days[1], 4.58, 4.4),
    ]


def test_a_meeting_s_history_ends_with_the_chosen_day(few: duckdb.DuckDBPyConnection) -> None:
    days = ("2024-06-03", "2024-06-04", "2024-06-05")
    known = {"meeting_date": "2024-06-12", "cut_prob": 0.1, "hold_prob": 0.8, "hike_prob": 0.1}
    given(few, "marts.fomc_meetings_daily", *({"as_of_date": day, **known} for day in days))
    given(few, "marts.fomc_meeting_history", *({"as_of_date": day, **known} for day in days))
    rows = answered(few, "fed_meeting_history")
    seen = Counter((str(row[0]), str(row[3])) for row in rows)
    assert seen == {(chosen, day): 3 for chosen in days for day in days if day <= chosen}


def spread(day: str, spread_pp: float, rank: int | None, history: int) -> Entry:
    """A reading of the pair that the first sentence is about."""
    return {
        "pair_id": "IWM/SPY",
        "window_sessions": 5,
        "session_date": day,
        "spread_pp": spread_pp,
        "spread_rank": rank,
        "history_sessions": history,
        "history_start_date": "2024-06-03",
    }


def test_the_first_sentence_about_rotation_is_said_of_every_session(few: duckdb.DuckDBPyConnection) -> None:
    days = ("2024-06-03", "2024-06-04", "2025-07-01", "2025-07-02")
    given(few, "marts.daily_summary", *({"session_date": day} for day in days))
    readings = (
        spread(days[1], -0.001, None, 1),
        spread(days[2], 1.2, 3, 260),
        spread(days[3], -4.0, 261, 261),
    )
    given(
        few,
        "marts.rotation_pair_daily",
        *(pd.DataFrame(readings).astype({"spread_rank": "Int64"}).to_dict("records")),
    )
    rows = answered(few, "rotation_findings")
    assert Counter(str(row[0]) for row in rows) == {day: 6 for day in days}
    assert all(row[2] for row in rows)
    first = [row[2] for row in rows if row[1] == 1]
    assert "no spread on this session" in first[0]
    assert first[1].startswith("IWM/SPY over 5 sessions: +0.00 pp; no rank yet, 1 of the 252 spreads")
    assert "+1.20 pp, number 3 from the top of 260" in first[2]
    assert "-4.00 pp, the lowest of 261" in first[3]


def test_a_bank_s_move_is_named_by_its_sign_and_nothing_has_no_minus(few: duckdb.DuckDBPyConnection) -> None:
    given(few, "ops.publication", {"generation": 1, "session_date": "2024-06-05", "data_source": "files"})
    moves = {"2024-06-03": 0.7, "2024-06-04": -0.3, "2024-06-05": -0.001}
    bank = {
        "entity_type": "symbol", "entity_name": "A fund", "regime": "unclear", "sensitivity_rank": 1,
        "rank_low": 1, "rank_high": 1, "ranked_members": 1, "move_low_pct": -0.004, "move_high_pct": -0.45,
    }  # fmt: skip
    given(
        few,
        "marts.bank_sensitivity_daily",
        *(
            {**bank, "entity_id": "KRE", "session_date": day, "move_if_yields_down_25bp_pct": move}
            for day, move in moves.items()
        ),
    )
    said = {str(row[0]): row[3] for row in answered(few, "banks_findings", "topic = 'Ranking'")}
    assert "gains most" in said["2024-06-03"] and "(+0.70 %)" in said["2024-06-03"]
    assert "loses least" in said["2024-06-04"] and "(-0.30 %)" in said["2024-06-04"]
    assert "(+0.00 %)" in said["2024-06-05"]
    interval = [row[3] for row in answered(few, "banks_findings", "topic = 'Regional bank fund'")]
    assert ["interval +0.00 to -0.45" in sentence for sentence in interval] == [True] * 3


def test_the_fed_s_sentences_have_no_minus_before_nothing(few: duckdb.DuckDBPyConnection) -> None:
    given(
        few,
        "marts.policy_path_daily",
        {"as_of_date": "2024-06-03", "bp_priced_year_end": -0.01, "year_end_rate_pct": 5.3},
    )
    changed = {"horizon": "year_end", "change_bp": -0.01, "event_types": ""}
    given(few, "marts.policy_repricing", {"as_of_date": "2024-06-03", **changed})
    said = {row[2]: row[3] for row in answered(few, "fed_findings")}
    assert said["Year’s end"].startswith("+0.0 bp are priced")
    assert said["Largest repricing of the week"].startswith("2024-06-03: +0.0 bp")
    assert "place 1 of 1 day since 2024-06-03" in said["Largest repricing of the week"]


def test_a_rule_that_failed_is_one_row_however_often_it_ran(few: duckdb.DuckDBPyConnection) -> None:
    table = "marts.yield_curve_daily"
    for day in (3, 4, 5):
        began = {"run_id": f"run {day}", "session_date": f"2024-06-0{day}", "outcome": "success"}
        # Several steps of a run, as in life.
        given(
            few,
            "ops.runs",
            *(
                {**began, "step": step, "started_at_utc": f"2024-06-0{day} 2{hour}:00"}
                for hour, step in enumerate(("plan", "load", "audit"))
            ),
        )
        result = {"run_id": f"run {day}", "table_name": table, "checked_rows": 9}
        given(
            few,
            "ops.validation_results",
            {**result, "rule": "broken", "severity": "warning", "passed": day == 3, "failed_rows": 2},
            {**result, "rule": "sound", "severity": "critical", "passed": True, "failed_rows": 0},
            {**result, "rule": "sound too", "severity": "critical", "passed": True, "failed_rows": 0},
        )
    given(
        few,
        "ops.lineage",
        *(
            {"table_name": f"marts.{name}", "input_name": table, "steps": 1}
            for name in ("a", "b", "c", "d", "e")
        ),
    )
    broken, sound = answered(few, "trust_rules")
    assert broken[1:6] == ("warning", table, "broken", 2, 9)
    assert (str(broken[6]), str(broken[7]), broken[8]) == ("2024-06-05", "2024-06-04", 2)
    assert broken[9] == "marts.a, marts.b, marts.c, marts.d and 1 more"
    assert sound[1:6] == ("critical", table, "none of 2 rules failed", 0, 9)


def test_a_fund_s_weeks_end_with_the_chosen_session(few: duckdb.DuckDBPyConnection) -> None:
    days = ("2024-07-03", "2024-07-05", "2024-07-08", "2024-07-10")
    given(few, "marts.daily_summary", *({"session_date": day} for day in (*days, "2025-07-10")))
    given(few, "ref.group_members", {"group_id": "us_small_blend", "symbol": "IWM"})
    scores = enumerate(days, start=1)
    given(
        few,
        "marts.fund_score_daily",
        *({"symbol": "IWM", "session_date": day, "score": number} for number, day in scores),
    )
    rows = answered(few, "rotation_fund_scores", "session_date in ('2024-07-08', '2024-07-10', '2025-07-10')")
    shown = [(str(session), fund, week, score) for session, fund, week, score, *_ in rows]
    assert shown[:4] == [
        ("2024-07-08", "small blend: IWM", "2024-07-05", 2.0),
        ("2024-07-08", "small blend: IWM", "2024-07-08", 3.0),
        ("2024-07-10", "small blend: IWM", "2024-07-05", 2.0),
        ("2024-07-10", "small blend: IWM", "2024-07-10", 4.0),
    ]
    assert [row[1:] for row in shown[4:]] == [
        ("none", "no fund of small companies has a score in these weeks", None)
    ]


def test_a_spread_that_is_not_split_says_why(few: duckdb.DuckDBPyConnection) -> None:
    of_pair = {"pair_id": "IWM/SPY", "window_sessions": 5}
    days = ("2024-07-09", "2024-07-10")
    cells = [{**of_pair, "window_sessions": window, "session_date": days[0]} for window in (5, 10)]
    given(few, "marts.rotation_pair_daily", *cells, {**of_pair, "session_date": days[1]})
    split = {"total_return_spread_pp": 1.0, "allocation_pp": 0.3, "within_sector_pp": 0.7}
    given(few, "marts.spread_attribution_daily", {**of_pair, "session_date": days[1], **split})
    said = {(str(row[0]), row[2], row[4]): row[5] for row in answered(few, "rotation_sectors")}
    assert said == {
        (days[0], 5, "Not split: no report of holdings of both funds by this session"): None,
        (days[0], 10, "Not split over this window: only over 1, 5, 21 and 63 sessions"): None,
        (days[1], 5, "Explained by the weights of the sectors"): 0.3,
        (days[1], 5, "The rest: size, style and shares within the sectors"): 0.7,
    }


def test_quarters_of_a_policy_cycle_count_from_the_one_before_its_first_move(
    few: duckdb.DuckDBPyConnection,
) -> None:
    given(few, "ops.publication", {"generation": 1, "session_date": "2024-09-03", "data_source": "files"})
    (none,) = answered(few, "banks_deposit_betas")
    assert none[3].startswith("None: no quarter with a cycle") and none[5] is None
    cycle = {
        "bank_group": "all", "deposit_basis": "all_domestic", "policy_cycle": "hikes",
        "cycle_first_move_date": "2022-03-16", "cycle_base_quarter_end": "2021-12-31",
    }  # fmt: skip
    given(
        few,
        "marts.deposit_betas",
        {**cycle, "quarter_end": "2022-03-31", "cumulative_deposit_beta": None},
        {**cycle, "quarter_end": "2022-12-31", "cumulative_deposit_beta": 0.21},
    )
    (row,) = answered(few, "banks_deposit_betas")
    assert row[3:6] == ("Hikes 2022-03", 4, 0.21)
