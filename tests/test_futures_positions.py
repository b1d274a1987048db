"""Positions in futures: the CFTC's protocol against a local server, when reports came out, how a market that
changes its exchange is summed and ranked, and what independent reports the percentiles rest on.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.stattools import acf

from datasets.base import Reach
from datasets.futures_positions import FuturesPositions, last_report_out, released_at_utc
from datasets.registry import DATASETS
from sources.cftc import FIELDS, CftcPositions, FilesPositions, SimulatedPositions
from sources.protocol import NotServed, SourceError, Unreadable
from sources.registry import open_provider
from tests.faults.cftc_server import PUBLISHED, CftcServer, report, weekly
from tests.faults.failed_requests import FAILED_REQUESTS, MAX_BYTES
from tests.faults.home import impatient
from tests.faults.server import Fault
from tests.model_fixture import build, empty_warehouse, fill, fill_reference
from transforms.marts.futures_positioning import effective_number
from warehouse.catalog import load_catalog
from warehouse.payloads import Payload, Request
from warehouse.reference_data import reference_frame
from warehouse.settings import Settings

SETTINGS = Settings.from_environment({"ROTATION_SOURCE": "live"})
START, END = date(2024, 6, 3), date(2024, 7, 16)
REQUEST = Request("futures_positions", "239742", START, END)
MOMENT = datetime(2024, 7, 19, 22, 0)


def provider(server: CftcServer) -> CftcPositions:
    return CftcPositions.open(SETTINGS, {"ROTATION_CFTC_URL": server.url})


def served(rows: list[Any] | bytes, item: str = "239742", source: str = "cftc") -> Payload:
    content = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
    return Payload(Request("futures_positions", item, START, END), source, content, "json", MOMENT)


# --- what is asked and read --------------------------------------------------------------------------------


def test_one_query_serves_the_reports_of_a_contract_in_the_range() -> None:
    with CftcServer() as server:
        payload = provider(server).fetch(REQUEST)
        (path,) = server.paths()
    assert path.startswith("/resource/gpe5-46if.json?") and "%24limit=5000" in path
    frame = CftcPositions.parse(payload).frame
    assert list(frame["report_date"].dt.strftime("%m-%d")) == [
        "06-04",
        "06-11",
        "06-18",
        "06-25",
        "07-02",
        "07-09",
        "07-16",
    ]
    assert (frame["contract_market_code"] == "239742").all()
    first = frame.iloc[0]
    assert first["open_interest_contracts"] == PUBLISHED["open_interest_all"]
    assert first["leveraged_spread_contracts"] == PUBLISHED["lev_money_positions_spread"]
    assert first["asset_manager_short_contracts"] == PUBLISHED["asset_mgr_positions_short"]
    assert isinstance(json.loads(payload.content)[0]["open_interest_all"], str), "every value is a text"


def test_a_contract_without_reports_in_the_range_is_not_served() -> None:
    with CftcServer() as server, pytest.raises(NotServed, match="23977A: no report between 2024-06-03"):
        provider(server).fetch(Request("futures_positions", "23977A", START, END))


def test_an_input_that_is_no_code_is_never_asked_for() -> None:
    with CftcServer() as server:
        with pytest.raises(SourceError, match="not a code of a contract"):
            provider(server).fetch(Request("futures_positions", "x' OR 1=1", START, END))
        assert server.paths() == []


def test_a_field_may_end_in_all_or_not_and_a_code_have_blanks_behind_it() -> None:
    row = report("2024-07-09")
    swapped = {f"{name}_all" if name.startswith("lev_money") else name: cell for name, cell in row.items()}
    swapped["dealer_positions_long"] = swapped.pop("dealer_positions_long_all")
    swapped["cftc_contract_market_code"] = "239742 "
    plain, other = (CftcPositions.parse(served([entry])).frame for entry in (row, swapped))
    pd.testing.assert_frame_equal(plain, other)


# --- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"report_date_as_yyyy_mm_dd": "16.07.2024"}, "report_date_is_a_date"),
        ({"report_date_as_yyyy_mm_dd": "2024-02-30T00:00:00.000"}, "report_date_is_a_date"),
        ({"report_date_as_yyyy_mm_dd": "2024-07-30T00:00:00.000"}, "report_is_not_of_a_day_to_come"),
        ({"report_date_as_yyyy_mm_dd": "2024-07-14T00:00:00.000"}, "report_is_of_a_weekday"),
        ({"open_interest_all": None}, "open_interest_is_there"),
        ({"open_interest_all": ""}, "open_interest_is_there"),
        ({"lev_money_positions_long": "56,438"}, "lev_money_positions_long_is_a_whole_number"),
        ({"lev_money_positions_long": "many"}, "lev_money_positions_long_is_a_whole_number"),
        ({"lev_money_positions_long": "NaN"}, "lev_money_positions_long_is_a_whole_number"),
        ({"lev_money_positions_long": float("inf")}, "lev_money_positions_long_is_a_whole_number"),
        ({"lev_money_positions_long": "27.7"}, "lev_money_positions_long_is_a_whole_number"),
        ({"lev_money_positions_long": True}, "lev_money_positions_long_is_a_whole_number"),
        ({"lev_money_positions_short": "-44182"}, "lev_money_positions_short_is_not_negative"),
        ({"lev_money_positions_long": "56438000"}, "positions_add_up_to_the_open_interest"),
        ({"lev_money_positions_long": "56"}, "positions_add_up_to_the_open_interest"),
        ({"open_interest_all": "203"}, "positions_add_up_to_the_open_interest"),
    ],
)
def test_a_wrong_report_is_named_and_the_others_are_read(changes: dict[str, Any], rule: str) -> None:
    rows = [*weekly(date(2024, 4, 2), date(2024, 7, 2)), report("2024-07-09", **changes)]
    parsed = CftcPositions.parse(served(rows))
    assert [name for name, _ in parsed.rejected] == [rule]
    assert len(parsed.frame) == len(rows) - 1


def test_a_report_that_is_served_twice_counts_once_when_both_say_the_same() -> None:
    other = report("2024-07-09", lev_money_positions_long="56437", nonrept_positions_long_all="29956")
    rows = [*weekly(date(2024, 4, 2), date(2024, 7, 2)), report("2024-07-09"), report("2024-07-09"), other]
    parsed = CftcPositions.parse(served(rows))
    assert [name for name, _ in parsed.rejected] == ["report_is_served_once"]
    assert parsed.frame["leveraged_long_contracts"].iloc[-1] == 56_438


def test_a_group_that_one_report_leaves_out_is_missing_there() -> None:
    rows = [report("2024-07-02"), report("2024-07-09", lev_money_positions_spread=None)]
    frame = CftcPositions.parse(served(rows)).frame
    assert frame["leveraged_spread_contracts"].isna().tolist() == [False, True]


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_no_report_has_was_renamed(name: str) -> None:
    rows = weekly(date(2024, 6, 4), date(2024, 7, 9))
    for row in rows:
        found = name if name in row else f"{name}_all"
        row["renamed"] = row.pop(found)
    with pytest.raises(Unreadable, match=f"cftc: futures_positions/239742: field {name} is missing in all 6"):
        CftcPositions.parse(served(rows))


def test_a_date_field_that_no_report_has_was_renamed() -> None:
    rows = [report("2024-07-09", report_date_as_yyyy_mm_dd=None, report_date="2024-07-09")]
    with pytest.raises(Unreadable, match="field report_date_as_yyyy_mm_dd is missing"):
        CftcPositions.parse(served(rows))


def test_a_column_in_another_unit_refuses_the_whole_answer() -> None:
    rows = weekly(date(2024, 4, 2), date(2024, 7, 9))
    for row in rows:
        row["lev_money_positions_long"] = str(int(row["lev_money_positions_long"]) // 1000)
    with pytest.raises(Unreadable, match=r"15 of 15 reports break a rule .positions_add_up"):
        CftcPositions.parse(served(rows))


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        (b"[{", "not JSON in UTF-8; it may be cut short"),
        (b"\xff\xfe[]", "not JSON in UTF-8"),
        ("[" * 50_000, "not JSON"),
        (b"{}", "not a list of reports"),
        (b"[1]", "not a list of reports"),
        (b'{"error": true, "code": "query.soql.no-such-column"}', "an error .query.soql.no-such-column"),
        ([report("2024-07-09", "13874A")], "cftc_contract_market_code reads '13874A', expected '239742'"),
        ([report("2024-07-09", cftc_contract_market_code=None)], "cftc_contract_market_code reads 'None'"),
        ([report("2024-07-09", futonly_or_combined="Combined")], "futonly_or_combined reads 'Combined'"),
    ],
)
def test_an_answer_of_another_form_is_refused_by_name(rows: Any, named: str) -> None:
    content = rows.encode() if isinstance(rows, str) else rows
    with pytest.raises(Unreadable, match=named):
        CftcPositions.parse(served(content))


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(status=404), SourceError),
        (Fault(status=400), SourceError),
        (Fault(body=lambda body: body[: len(body) // 2]), Unreadable),
        (Fault(body=lambda body: body.replace(b'"239742"', b'"209742"')), Unreadable),
        *FAILED_REQUESTS,
    ],
)
def test_a_failed_request_has_the_error_of_its_class(
    monkeypatch: pytest.MonkeyPatch, fault: Fault, expected: type[Exception]
) -> None:
    impatient(monkeypatch, deadline=3.0, attempt=1.5, max_bytes=MAX_BYTES)
    fault.played = 0
    with CftcServer() as server:
        server.fault = fault
        with pytest.raises(expected, match="cftc: futures_positions/239742") as caught:
            provider(server).fetch(REQUEST)
    assert caught.type is expected


def test_it_is_asked_again_after_a_short_wait() -> None:
    with CftcServer() as server:
        server.fault = Fault(status=429, headers={"Retry-After": "0"}, times=1)
        assert len(CftcPositions.parse(provider(server).fetch(REQUEST)).frame) == 7
        assert len(server.paths()) == 2


# --- the kind of input -------------------------------------------------------------------------------------


@pytest.fixture
def warehouse() -> duckdb.DuckDBPyConnection:
    con = empty_warehouse("2024-07-24")
    fill_reference(con)
    con.execute("create schema raw")
    con.execute(load_catalog()["raw.futures_positions"].ddl())
    return con


def asked(con: duckdb.DuckDBPyConnection, source: Any, held: dict[str, date] | None = None) -> list[str]:
    reach = Reach(date(2024, 7, 24), date(2024, 7, 24))
    return FuturesPositions().inputs(con, SETTINGS, source, reach, held or {})


def test_all_contracts_are_asked_for_and_one_that_has_ended_until_it_is_held(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    with CftcServer() as server:
        source = provider(server)
        codes = set(reference_frame("positioned_contracts")["contract_market_code"])
        assert set(asked(warehouse, source)) == codes
        assert set(asked(warehouse, source, {"23977A": date(2017, 9, 12)})) == codes - {"23977A"}


def test_files_are_asked_for_where_there_are_any_and_read_as_served(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    settings = Settings.from_environment({"ROTATION_SOURCE": "files", "ROTATION_FILES_DIR": str(tmp_path)})
    source = open_provider(settings, "futures_positions")
    assert isinstance(source, FilesPositions) and asked(warehouse, source) == []
    folder = tmp_path / "futures_positions"
    folder.mkdir()
    (folder / "23977a.json").write_text(json.dumps([report("2017-07-11", "23977A")]) + "\n")
    (folder / "RUT.json").write_text("[]\n")
    assert asked(warehouse, source) == ["23977A"]
    assert [text for text in source.not_taken() if "RUT" in text] and len(source.not_taken()) == 1
    payload = source.fetch(Request("futures_positions", "23977A", START, END))
    assert len(source.parse(payload).frame) == 1
    with pytest.raises(Unreadable, match="files: futures_positions/239742: field cftc_contract_market_code"):
        FilesPositions.parse(served([report("2024-07-09", "13874A")], source="files"))


def test_none_turns_it_off() -> None:
    settings = Settings.from_environment(
        {"ROTATION_SOURCE": "live", "ROTATION_FUTURES_POSITIONS_SOURCE": "none"}
    )
    assert open_provider(settings, "futures_positions") is None


def test_simulated_reports_are_readable_in_order_and_never_ahead_of_their_release() -> None:
    source = SimulatedPositions()
    for code in source.present_inputs():
        request = Request("futures_positions", code, date(2000, 1, 3), END)
        parsed = source.parse(source.fetch(request))
        assert not parsed.rejected and len(parsed.frame) > 100
        released = released_at_utc(parsed.frame["report_date"])
        assert released.max() < pd.Timestamp("2024-07-16 23:59")
        autumn = source.fetch(Request("futures_positions", code, date(2000, 1, 3), date(2025, 11, 18)))
        if code != "23977A":
            assert source.parse(autumn).frame["report_date"].max() == pd.Timestamp("2025-09-23")
        later = source.fetch(Request("futures_positions", code, date(2000, 1, 3), date(2025, 1, 3)))
        assert later.content.startswith(source.fetch(request).content[:-1])
    with pytest.raises(NotServed, match="098662"):
        source.fetch(Request("futures_positions", "098662", START, END))


def test_another_unit_or_contract_is_refused_whole(warehouse: duckdb.DuckDBPyConnection) -> None:
    dataset = FuturesPositions()
    rows = CftcPositions.parse(served(weekly(date(2024, 4, 2), date(2024, 7, 9)))).frame
    factor = pd.Series(1_000, index=rows.index, dtype="Int64")
    assert dataset.broken_continuity(warehouse, rows) == {}
    for frame in (
        rows.assign(open_interest_contracts=rows["open_interest_contracts"] * factor),
        rows.assign(open_interest_contracts=rows["open_interest_contracts"] // factor),
    ):
        (reason,) = dataset.broken_continuity(warehouse, frame.assign(source="files")).values()
        assert reason.startswith("files: futures_positions/239742: field open_interest_all is 203")
    held = rows.assign(
        source="cftc",
        available_at_utc=MOMENT,
        availability="assumed",
        known_at_utc=MOMENT,
        run_id="r",
        payload_sha256="p",
    )
    warehouse.register("held", held)
    warehouse.execute("insert into raw.futures_positions by name select * from held")
    twenty = rows.assign(open_interest_contracts=rows["open_interest_contracts"] * 20)
    assert "and 203,816 are held" in dataset.broken_continuity(warehouse, twenty)["239742"]


# --- when a report came out --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("report_day", "released"),
    [
        # The CFTC's schedule of 2024, with its starred days after a holiday.
        ("2024-01-02", "2024-01-05"),
        ("2024-03-26", "2024-03-29"),
        ("2024-06-18", "2024-06-24"),
        ("2024-07-02", "2024-07-08"),
        ("2024-11-12", "2024-11-15"),
        ("2024-11-26", "2024-12-02"),
        ("2024-12-24", "2024-12-30"),
        # A holiday on Saturday, which the CFTC keeps on Friday (announced 30 June 2015), one on Tuesday.
        ("2015-06-30", "2015-07-06"),
        ("2021-12-28", "2022-01-03"),
        ("2023-07-03", "2023-07-07"),
        # Shutdowns, by the announced schedules; the cyber incident of 2023.
        ("2018-12-18", "2018-12-21"),
        ("2018-12-24", "2019-02-01"),
        ("2019-01-29", "2019-02-19"),
        ("2019-03-05", "2019-03-08"),
        ("2023-01-31", "2023-02-24"),
        ("2025-09-23", "2025-09-26"),
        ("2025-09-30", "2025-11-19"),
        ("2025-10-07", "2025-11-21"),
        ("2025-11-10", "2025-12-12"),
        ("2026-01-20", "2026-01-23"),
        # The report began in July 2010, with its history.
        ("2006-06-13", "2010-07-30"),
        ("2010-07-27", "2010-07-30"),
    ],
)
def test_a_report_came_out_on_the_day_that_was_announced(report_day: str, released: str) -> None:
    (moment,) = released_at_utc(pd.Series([pd.Timestamp(report_day)]))
    assert str(moment.tz_localize("UTC").tz_convert("America/New_York"))[:16] == f"{released} 15:30"


def test_the_list_of_late_reports_is_late_and_in_order() -> None:
    listed = reference_frame("position_releases")
    calendar = reference_frame("calendar").set_index("calendar_date")["is_fed_business_day"]
    tuesdays = pd.Series(pd.date_range("2010-08-03", "2028-12-19", freq="W-TUE"))
    # Before a holiday on Tuesday positions are taken on Monday.
    days = tuesdays.where(calendar[tuesdays].to_numpy(), tuesdays - pd.Timedelta(days=1))
    usual = DATASETS["futures_positions"].with_availability(pd.DataFrame({"report_date": days}))
    assert usual["available_at_utc"].is_monotonic_increasing
    assert listed["report_date"].is_monotonic_increasing and listed["released_on"].is_monotonic_increasing
    assert ((listed["released_on"] - listed["report_date"]).dt.days.between(3, 60)).all()


def test_what_is_expected_of_a_session_is_what_had_come_out() -> None:
    assert last_report_out(date(2024, 7, 18)) == date(2024, 7, 8)
    assert last_report_out(date(2024, 7, 19)) == date(2024, 7, 15)
    assert last_report_out(date(2025, 11, 18)) == date(2025, 9, 22)
    assert last_report_out(date(2025, 11, 19)) == date(2025, 9, 29)


# --- the mart ----------------------------------------------------------------------------------------------

# The Canadian dollar, 28 February and 7 March 2023, with the CFTC's own percentages and changes.
LAST_OF_FEBRUARY = {
    "open_interest_all": "165097",
    "dealer_positions_long_all": "58309",
    "dealer_positions_short_all": "3481",
    "dealer_positions_spread_all": "810",
    "asset_mgr_positions_long": "21497",
    "asset_mgr_positions_short": "76499",
    "asset_mgr_positions_spread": "6034",
    "lev_money_positions_long": "26869",
    "lev_money_positions_short": "34614",
    "lev_money_positions_spread": "6985",
    "other_rept_positions_long": "13119",
    "other_rept_positions_short": "2814",
    "nonrept_positions_long_all": "31474",
    "nonrept_positions_short_all": "33860",
}


def market(rows: pd.DataFrame, session: str = "2026-11-25") -> pd.DataFrame:
    """The mart on rows as they are in raw."""
    con = empty_warehouse(session)
    fill_reference(con, "positioned_contracts", "position_releases")
    dated = FuturesPositions().with_availability(rows).assign(known_at_utc=MOMENT)
    fill(con, "raw.futures_positions", dated)
    build(con, "staging.futures_positions")
    return build(con, "marts.futures_positioning")


def test_shares_and_changes_are_those_that_the_cftc_prints() -> None:
    """Printed with one decimal for each side: two halves of a tenth may come together."""
    served_rows = [report("2023-02-28", **LAST_OF_FEBRUARY), report("2023-03-07")]
    found = market(CftcPositions.parse(served(served_rows)).frame)
    row = found.set_index("report_date").loc[pd.Timestamp("2023-03-07")]
    assert row["net_share_of_open_interest_pct"] == pytest.approx(27.7 - 21.7, abs=0.1)
    assert row["asset_manager_net_share_pct"] == pytest.approx(10.5 - 45.1, abs=0.1)
    assert row["leveraged_net_change_contracts"] == 29_569 - 9_568
    february = found.set_index("report_date").loc[pd.Timestamp("2023-02-28")]
    assert february["net_share_of_open_interest_pct"] == pytest.approx(16.3 - 21.0, abs=0.1)


def many(count: int, persistence: float, seed: int = 7, code: str = "13874A") -> pd.DataFrame:
    """Weekly reports with a share that goes back to its mean."""
    draw = np.random.default_rng(seed)
    share, rows = 0.0, []
    for day in pd.date_range("2012-01-03", periods=count, freq="7D"):
        share = persistence * share + draw.normal(0, 0.02)
        rows.append((code, day, 1_000_000, 300_000 + round(1e6 * share), 300_000, 1_000, 400_000, 100_000))
    names = [
        "contract_market_code",
        "report_date",
        "open_interest_contracts",
        "leveraged_long_contracts",
        "leveraged_short_contracts",
        "leveraged_spread_contracts",
        "asset_manager_long_contracts",
        "asset_manager_short_contracts",
    ]
    return pd.DataFrame(rows, columns=names)


@pytest.mark.parametrize("persistence", [0.0, 0.8, 0.97])
def test_percentiles_and_effective_numbers_agree_with_pandas_and_statsmodels(persistence: float) -> None:
    found = market(many(400, persistence)).set_index("report_date")
    share = found["net_share_of_open_interest_pct"]
    rolling = share.rolling(156, min_periods=104).apply(lambda part: (part <= part.iloc[-1]).mean() * 100)
    expanding = share.expanding(104).apply(lambda part: (part <= part.iloc[-1]).mean() * 100)

    def worth(part: pd.Series) -> float:
        r = float(acf(part.to_numpy(), nlags=1, fft=False)[1])
        return min(len(part), len(part) * (1 - r) / (1 + r))

    in_window = share.rolling(156, min_periods=104).apply(worth)
    to_date = share.expanding(104).apply(worth)
    for column, expected, number, effective, reason in (
        ("net_share_156_percentile", rolling, in_window, "n_effective_156", "percentile_156_reason"),
        (
            "net_share_expanding_percentile",
            expanding,
            to_date,
            "n_effective_expanding",
            "percentile_expanding_reason",
        ),
    ):
        ranked = number.notna()
        np.testing.assert_allclose(found.loc[ranked, effective], number[ranked], rtol=1e-9)
        answered = number >= 10
        assert found[column].notna().equals(answered)
        np.testing.assert_allclose(found.loc[answered, column], expected[answered], rtol=1e-12)
        assert (found.loc[~ranked, reason] == "reports_below_104").all()
        assert (found.loc[ranked & ~answered, reason] == "effective_reports_below_10").all()
    if persistence == 0.97:
        assert found["net_share_156_percentile"].notna().mean() < 0.5, "three years are a few positions"


def test_a_row_does_not_depend_on_later_reports() -> None:
    rows = many(300, 0.8)
    whole, half = market(rows), market(rows.iloc[:200])
    pd.testing.assert_frame_equal(whole.iloc[:200], half, check_exact=True)


def test_a_session_sees_the_reports_that_had_come_out() -> None:
    rows = many(20, 0.5)  # from Tuesday 2012-01-03 on
    assert market(rows, "2012-02-02")["report_date"].max() == pd.Timestamp("2012-01-24")
    assert market(rows, "2012-02-03")["report_date"].max() == pd.Timestamp("2012-01-31")


def test_a_market_that_moves_is_ranked_on_as_long_as_it_can_be_summed() -> None:
    """The two lives of the Russell future, with ten weeks of both and with none."""
    rows = many(300, 0.5)
    old = rows.iloc[:150].assign(contract_market_code="23977A")
    new = rows.iloc[140:].assign(contract_market_code="239742")
    found = market(pd.concat([old, new])).reset_index(drop=True)
    assert found["ranked_since"].nunique() == 1 and found["reports_so_far"].iloc[-1] == 300
    assert found.index[found["at_exchange_seam"]].tolist() == [140, 150]
    assert found["open_interest_contracts"].tolist()[138:152] == [10**6] * 2 + [2 * 10**6] * 10 + [10**6] * 2
    apart = market(pd.concat([old, rows.iloc[150:].assign(contract_market_code="239742")]))
    assert apart["ranked_since"].nunique() == 2 and apart["reports_so_far"].iloc[-1] == 150
    seam = apart[apart["at_exchange_seam"]]
    assert len(seam) == 1 and seam["leveraged_net_change_contracts"].isna().all()


def test_a_share_that_never_changes_is_worth_nothing() -> None:
    assert effective_number(np.full(200, 12.3456789)) is None
    assert effective_number(np.array([1.0, 2.0])) is None
    rows = many(200, 0.5).assign(leveraged_long_contracts=333_333)
    found = market(rows)
    assert found["percentile_expanding_reason"].iloc[-1] == "share_constant"


def test_percentiles_are_fair_where_reports_are_independent() -> None:
    """A placebo: without persistence 5 % of the reports lie beyond the 95th percentile."""
    beyond: list[float] = []
    for seed in range(5):
        found = market(many(600, 0.0, seed))
        beyond.append(float((found["net_share_expanding_percentile"].dropna() > 95).mean()))
    assert np.mean(beyond) == pytest.approx(0.05, abs=0.015)
