"""The second sources against a local server that speaks their protocols: what is asked, what is read, what is
refused, and when they stand in for FRED.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from datasets.registry import DATASETS, active_datasets
from datasets.second_sources import ParYields, SecondSource
from expectations.cross_checks import compare
from market_calendar.sessions import cutoff_utc
from sources.newyorkfed import NewYorkFedRates
from sources.protocol import NotServed, SourceUnavailable, Unreadable
from sources.registry import CHECKS, check_providers
from sources.transport import Forbidden, NotData, RateLimited
from sources.treasury import TreasuryYields, periods
from tests.faults.feed import Feed
from tests.faults.home import impatient, live_home
from tests.faults.second_sources import SecondSourcesServer
from tests.faults.server import Fault, Server, hang_up, silent
from transforms.runner import build_model
from warehouse.catalog import load_catalog
from warehouse.database import pipeline_database
from warehouse.payloads import Payload, Request
from warehouse.reference_data import reference_frame
from warehouse.settings import Settings, SettingsError

SETTINGS = Settings.from_environment({"ROTATION_SOURCE": "live"})
START, END = date(2024, 6, 3), date(2024, 7, 16)
MOMENT = datetime(2024, 7, 16, 22, 0)


def effr_request(start: date = START, end: date = END, item: str = "EFFR") -> Request:
    return Request("reference_rates", item, start, end)


def curve_request(start: date = START, end: date = END) -> Request:
    return Request("par_yields", "par_yield_curve", start, end)


def rates(rows: list[dict[str, Any]], item: str = "EFFR") -> Payload:
    request = effr_request(date(2000, 1, 3), date(2026, 12, 31), item)
    return Payload(request, "newyorkfed", json.dumps({"refRates": rows}).encode(), "json", MOMENT)


def day(
    text: str, rate: float | None = 5.33, low: float | None = 5.25, high: float | None = 5.5
) -> dict[str, Any]:
    row = {"effectiveDate": text, "type": "EFFR", "percentRate": rate}
    row |= {"targetRateFrom": low, "targetRateTo": high, "revisionIndicator": ""}
    return {name: cell for name, cell in row.items() if cell is not None}


def values(frame: pd.DataFrame, series_id: str) -> dict[str, float]:
    rows = frame[frame["series_id"] == series_id]
    return dict(zip(rows["observation_date"].dt.strftime("%Y-%m-%d"), rows["value"], strict=True))


# --- the New York Fed ----------------------------------------------------------------------------------


def test_one_search_serves_the_rate_and_the_target_range() -> None:
    with SecondSourcesServer(Feed(END)) as server:
        provider = NewYorkFedRates.open(SETTINGS, {"ROTATION_NEWYORKFED_URL": server.url})
        payload = provider.fetch(effr_request())
        assert server.paths() == [
            "/api/rates/unsecured/effr/search.json?startDate=2024-05-27&endDate=2024-07-16"
        ]
    served = json.loads(payload.content)["refRates"]
    assert served[0]["effectiveDate"] == "2024-07-15", "newest first, and the day itself comes tomorrow"
    frame = provider.parse(payload).frame
    assert set(frame["series_id"]) == {"EFFR", "DFF", "DFEDTARL", "DFEDTARU"}
    assert values(frame, "EFFR")["2024-07-15"] == served[0]["percentRate"]
    assert values(frame, "DFEDTARU")["2024-07-15"] == served[0]["targetRateTo"]


def test_rates_of_weekends_are_those_of_the_day_before_and_stay_open_at_the_end() -> None:
    rows = [day("2024-07-08", 5.31, 5.0, 5.25), day("2024-07-05", 5.33), day("2024-07-03", 5.34)]
    frame = NewYorkFedRates.parse(rates(rows)).frame
    assert values(frame, "EFFR") == {"2024-07-03": 5.34, "2024-07-05": 5.33, "2024-07-08": 5.31}
    assert values(frame, "DFF") == {
        "2024-07-03": 5.34,
        "2024-07-04": 5.34,
        "2024-07-05": 5.33,
        "2024-07-06": 5.33,
        "2024-07-07": 5.33,
        "2024-07-08": 5.31,
    }
    assert values(frame, "DFEDTARU")["2024-07-07"] == 5.5 and values(frame, "DFEDTARU")["2024-07-08"] == 5.25


@pytest.mark.parametrize("after", ["2024-07-08", "2024-07-15"])
def test_a_missing_business_day_is_not_filled_with_an_old_rate(after: str) -> None:
    frame = NewYorkFedRates.parse(rates([day(after), day("2024-07-03")])).frame
    assert list(values(frame, "DFF")) == ["2024-07-03", after]


def test_a_single_target_is_the_old_series_and_a_range_the_new_ones() -> None:
    rows = [day("2008-12-17", 0.15, 0.0, 0.25), day("2008-12-12", 0.14, 1.0, None)]
    frame = NewYorkFedRates.parse(rates(rows)).frame
    assert values(frame, "DFEDTAR") == {"2008-12-12": 1.0}
    assert values(frame, "DFEDTARL") == {"2008-12-17": 0.0} and values(frame, "DFEDTARU") == {
        "2008-12-17": 0.25
    }


def test_a_range_with_one_end_is_named_and_a_field_that_no_day_has_is_refused() -> None:
    """A lower end alone would be read as the single target that ended in 2008."""
    rows = [day("2024-07-15"), day("2024-07-12", high=None), day("2024-07-11", low=None)]
    parsed = NewYorkFedRates.parse(rates(rows))
    assert {rule for rule, _ in parsed.rejected} == {"target_range_has_both_ends"}
    assert values(parsed.frame, "DFEDTAR") == {} and list(values(parsed.frame, "DFEDTARL")) == ["2024-07-15"]
    single = [day("2024-07-15", high=None), day("2008-12-12", high=None)]
    with pytest.raises(Unreadable, match="field targetRateTo is missing"):
        NewYorkFedRates.parse(rates(single))
    assert values(NewYorkFedRates.parse(rates(single[1:])).frame, "DFEDTAR") == {"2008-12-12": 5.25}


@pytest.mark.parametrize(
    ("text", "rate", "named"),
    [
        ("2024-07-12", 53.3, "rate_is_near_the_target_range"),
        ("2024-07-12", 0.0533, "rate_is_near_the_target_range"),
        ("2024-07-12", 0.0, "rate_is_near_the_target_range"),
        ("2024-07-14", 5.33, "day_is_a_business_day"),  # a Sunday
        ("2024-07-04", 5.33, "day_is_a_business_day"),
        ("2019-09-17", 5.55, ""),  # a rate a little above the range is right
        ("2002-02-18", 1.7, ""),  # a rate of a holiday, on FRED too
    ],
)
def test_a_rate_far_from_its_range_or_of_a_closed_day_is_named(text: str, rate: float, named: str) -> None:
    parsed = NewYorkFedRates.parse(rates([day(text, rate), day("2024-07-01")]))
    assert [rule for rule, _ in parsed.rejected] == ([named] if named else [])
    assert (text in values(parsed.frame, "EFFR")) is not bool(named)


@pytest.mark.parametrize("start", [date(2024, 7, 4), date(2024, 7, 6), date(2024, 7, 7)])
def test_a_range_that_begins_on_a_closed_day_has_its_rate(start: date) -> None:
    """As it was held from the answer of the day before, so that nothing seems to be gone."""
    with SecondSourcesServer(Feed(END)) as server:
        provider = NewYorkFedRates.open(SETTINGS, {"ROTATION_NEWYORKFED_URL": server.url})
        frame = provider.parse(provider.fetch(effr_request(start))).frame
    for series_id in ("DFF", "DFEDTARL", "DFEDTARU"):
        assert next(iter(values(frame, series_id))) == str(start)
    assert min(values(frame, "EFFR")) >= str(start)


def test_a_missing_rate_is_no_row_and_a_wrong_one_is_named() -> None:
    rows = [day("2024-07-15"), day("2024-07-12", None), {**day("2024-07-11"), "percentRate": ""}]
    rows += [{**day("2024-07-10"), "percentRate": "5.33"}, {**day("2024-07-09"), "percentRate": float("nan")}]
    rows += [day("2024-13-45"), {**day("2024-07-08"), "targetRateTo": True}]
    parsed = NewYorkFedRates.parse(rates(rows))
    assert list(values(parsed.frame, "EFFR")) == ["2024-07-15"]
    assert [rule for rule, _ in parsed.rejected] == [
        "percentRate_is_a_finite_number",
        "percentRate_is_a_finite_number",
        "observation_date_is_a_date",
        "targetRateTo_is_a_finite_number",
    ]


def test_a_day_that_is_served_twice_counts_once_when_both_say_the_same() -> None:
    parsed = NewYorkFedRates.parse(rates([day("2024-07-15"), day("2024-07-15"), day("2024-07-15", 5.2)]))
    assert values(parsed.frame, "EFFR") == {"2024-07-15": 5.33}
    assert [rule for rule, _ in parsed.rejected] == ["day_is_served_once"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"[1", "not JSON"),
        (b"[]", "refRates"),
        (b'{"refRates": {"a": 1}}', "refRates"),
        (b'{"refRates": [{"type": "EFFR", "percentRate": 5}]}', "effectiveDate is missing"),
        (b'{"refRates": [{"type": "OBFR", "effectiveDate": "2024-07-15", "percentRate": 5}]}', "'OBFR'"),
        (
            b'{"refRates": [{"type": "EFFR", "effectiveDate": "2024-07-15", "rate": 5}]}',
            "percentRate is missing",
        ),
        (
            b'{"refRates": [{"type": "EFFR", "effectiveDate": "2024-07-15", "percentRate": 5}]}',
            "targetRateFrom",
        ),
    ],
)
def test_an_answer_of_another_form_is_refused_by_name(content: bytes, named: str) -> None:
    with pytest.raises(Unreadable, match=named):
        NewYorkFedRates.parse(Payload(effr_request(), "newyorkfed", content, "json", MOMENT))


# --- the Treasury --------------------------------------------------------------------------------------


def test_a_window_is_asked_by_month_and_a_history_by_year() -> None:
    assert periods(START, END) == [
        ("field_tdr_date_value_month", "202406"),
        ("field_tdr_date_value_month", "202407"),
    ]
    assert periods(date(2000, 1, 3), date(2002, 1, 2)) == [
        ("field_tdr_date_value", "2000"),
        ("field_tdr_date_value", "2001"),
        ("field_tdr_date_value", "2002"),
    ]


def test_the_curve_comes_under_the_names_of_fred() -> None:
    feed = Feed(END)
    with SecondSourcesServer(feed) as server:
        provider = TreasuryYields.open(SETTINGS, {"ROTATION_TREASURY_URL": server.url})
        payload = provider.fetch(curve_request(date(2024, 6, 20)))
        assert len(server.paths("field_tdr_date_value_month=2024")) == 2
    frame = provider.parse(payload).frame
    assert frame["observation_date"].min() == pd.Timestamp("2024-06-20"), (
        "what lies outside the range is left out"
    )
    fred = feed.frame("fred", "DGS2")
    assert fred is not None
    assert values(frame, "DGS2")["2024-07-16"] == round(fred.set_index("date")["value"]["2024-07-16"], 2)


def curve(*days: dict[str, str], root: str = "feed") -> Payload:
    entries = "".join(
        "<entry><content><m:properties>"
        + "".join(f"<d:{name}>{text}</d:{name}>" for name, text in cells.items())
        + "</m:properties></content></entry>"
        for cells in days
    )
    body = f'<{root} xmlns:m="urn:m" xmlns:d="urn:d">{entries}</{root}>'
    content = json.dumps({"documents": [{"period": "2024", "body": body}]}).encode()
    return Payload(curve_request(date(2000, 1, 3), END), "treasury", content, "json", MOMENT)


def whole(text: str, **cells: str) -> dict[str, str]:
    maturities = (
        "1MONTH",
        "3MONTH",
        "6MONTH",
        "1YEAR",
        "2YEAR",
        "5YEAR",
        "7YEAR",
        "10YEAR",
        "20YEAR",
        "30YEAR",
    )
    return {"NEW_DATE": f"{text}T00:00:00", **{f"BC_{name}": "4.5" for name in maturities}, **cells}


@pytest.mark.parametrize("root", ["feed", "pre"])
def test_a_maturity_that_is_empty_or_absent_has_no_row(root: str) -> None:
    absent = whole("2024-07-15")
    del absent["BC_2YEAR"]
    parsed = TreasuryYields.parse(curve(absent, whole("2024-07-16", BC_10YEAR=""), root=root))
    assert values(parsed.frame, "DGS2") == {"2024-07-16": 4.5}
    assert values(parsed.frame, "DGS10") == {"2024-07-15": 4.5} and not parsed.rejected


def test_years_without_a_maturity_are_read_and_a_renamed_field_is_refused() -> None:
    old, new = whole("2003-05-01"), whole("2024-07-16")
    del old["BC_30YEAR"], new["BC_30YEAR"]
    assert values(TreasuryYields.parse(curve(old)).frame, "DGS30") == {}
    with pytest.raises(Unreadable, match="field BC_30YEAR is missing"):
        TreasuryYields.parse(curve(new))


def test_yields_of_a_closed_day_are_named_and_an_empty_row_of_one_is_not() -> None:
    empty = {name: "" if name.startswith("BC_") else text for name, text in whole("2024-07-04").items()}
    parsed = TreasuryYields.parse(curve(whole("2024-07-12"), whole("2024-07-13"), empty))
    assert [(rule, row["NEW_DATE"][:10]) for rule, row in parsed.rejected] == [
        ("day_is_a_business_day", "2024-07-13")
    ]
    assert values(parsed.frame, "DGS2") == {"2024-07-12": 4.5}


def test_a_yield_that_is_no_number_is_named() -> None:
    parsed = TreasuryYields.parse(curve(whole("2024-07-15", BC_2YEAR="N/A"), whole("16.07.2024")))
    assert [rule for rule, _ in parsed.rejected] == [
        "BC_2YEAR_is_a_finite_number",
        "observation_date_is_a_date",
    ]
    assert values(parsed.frame, "DGS2") == {}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("<rss/>", "<rss> is not <feed>"),
        ("<feed><entry/></feed>", "properties"),
        ("<feed>", "not readable XML"),
    ],
)
def test_another_document_is_refused(body: str, named: str) -> None:
    content = json.dumps({"documents": [{"period": "2024", "body": body}]}).encode()
    with pytest.raises(Unreadable, match=named):
        TreasuryYields.parse(Payload(curve_request(), "treasury", content, "json", MOMENT))


# --- answers that fail ---------------------------------------------------------------------------------


@pytest.mark.parametrize("source", sorted(CHECKS))
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(status=429), RateLimited),
        (Fault(status=503), SourceUnavailable),
        (Fault(body=lambda body: b"Too Many Requests"), RateLimited),
        (Fault(send=hang_up), SourceUnavailable),
        (Fault(send=silent), SourceUnavailable),
        (Fault(body=lambda body: b""), NotData),
        (Fault(body=lambda body: b"<!DOCTYPE html><html>maintenance</html>"), NotData),
        (Fault(status=403), Forbidden),
        (Fault(body=lambda body: body[: len(body) // 2]), Unreadable),
    ],
)
def test_a_failed_request_has_the_error_of_its_class(
    monkeypatch: pytest.MonkeyPatch, source: str, fault: Fault, expected: type[Exception]
) -> None:
    impatient(monkeypatch, deadline=3.0, attempt=1.5)
    fault.played = 0
    with SecondSourcesServer(Feed(END)) as server:
        server.fault = fault
        provider: Any = {
            "newyorkfed": NewYorkFedRates.open(SETTINGS, {"ROTATION_NEWYORKFED_URL": server.url}),
            "treasury": TreasuryYields.open(SETTINGS, {"ROTATION_TREASURY_URL": server.url}),
        }[source]
        request = effr_request() if source == "newyorkfed" else curve_request()
        with pytest.raises(expected) as caught:
            provider.fetch(request)
    assert type(caught.value) is expected
    assert request.input in str(caught.value)


def test_nothing_in_the_range_is_not_served() -> None:
    with SecondSourcesServer(Feed(END)) as server:
        environ = {"ROTATION_NEWYORKFED_URL": server.url, "ROTATION_TREASURY_URL": server.url}
        with pytest.raises(NotServed, match="SOFR"):
            NewYorkFedRates.open(SETTINGS, environ).fetch(
                effr_request(date(2010, 1, 4), date(2010, 2, 1), "SOFR")
            )
        with pytest.raises(NotServed, match="par_yield_curve"):
            TreasuryYields.open(SETTINGS, environ).fetch(curve_request(date(2024, 7, 6), date(2024, 7, 7)))


# --- which ones are asked ------------------------------------------------------------------------------


def asked(**environ: str) -> list[str]:
    settings = Settings.from_environment(environ)
    check_providers(settings)
    return [dataset.name for dataset in active_datasets(settings) if isinstance(dataset, SecondSource)]


def test_second_sources_are_on_for_live_and_off_for_the_others(tmp_path: Path) -> None:
    assert asked(ROTATION_SOURCE="live") == ["reference_rates", "par_yields"]
    assert asked(ROTATION_SOURCE="live", ROTATION_CHECK_SOURCES="none") == []
    assert asked(ROTATION_SOURCE="live", ROTATION_CHECK_SOURCES="treasury") == ["par_yields"]
    assert asked(ROTATION_SOURCE="simulated") == []
    files = {"ROTATION_SOURCE": "files", "ROTATION_FILES_DIR": str(tmp_path)}
    assert asked(**files) == []
    assert asked(**files, ROTATION_CHECK_SOURCES="treasury, newyorkfed") == ["reference_rates", "par_yields"]


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"ROTATION_SOURCE": "live", "ROTATION_CHECK_SOURCES": "ecb"}, "'ecb', which is unknown"),
        ({"ROTATION_SOURCE": "live", "ROTATION_CHECK_SOURCES": "none,treasury"}, "either none or the names"),
        ({"ROTATION_SOURCE": "simulated", "ROTATION_CHECK_SOURCES": "treasury"}, "simulated data with real"),
        ({"ROTATION_SOURCE": "live", "ROTATION_PAR_YIELDS_SOURCE": "files"}, "ROTATION_CHECK_SOURCES"),
    ],
)
def test_a_wrong_setting_is_named(environ: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        check_providers(Settings.from_environment(environ))


@pytest.mark.parametrize("provider", [NewYorkFedRates, TreasuryYields])
def test_an_address_that_is_none_is_named(provider: type[NewYorkFedRates] | type[TreasuryYields]) -> None:
    name = f"ROTATION_{provider.name.upper()}_URL"
    with pytest.raises(SettingsError, match=name):
        provider.open(SETTINGS, {name: "treasury"})


def test_every_second_source_has_its_kind_of_input() -> None:
    for name, kind in CHECKS.items():
        dataset = DATASETS[kind]
        assert isinstance(dataset, SecondSource) and dataset.source == name


# --- FRED is down ----------------------------------------------------------------------------------------

REQUIRED = [("fred", "DFF"), ("fred", "DGS10"), ("fred", "DGS2")]
SECOND = [("reference_rates", "EFFR"), ("par_yields", "par_yield_curve")]
FRIDAY, TUESDAY, WEDNESDAY = date(2024, 7, 12), date(2024, 7, 16), date(2024, 7, 17)


class Outage:
    """A home with FRED's and the second sources' servers, loaded up to Friday."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, folder: Path, fred: Server, second: SecondSourcesServer
    ):
        self.fred, self.second = fred, second
        urls = {"ROTATION_NEWYORKFED_URL": second.url, "ROTATION_TREASURY_URL": second.url}
        self.home = live_home(monkeypatch, folder, fred.url, **urls)

    def run(self, session: date, inputs: list[tuple[str, str]] = REQUIRED + SECOND) -> None:
        self.fred.feed.as_of = self.second.feed.as_of = session
        self.home.run(inputs, session, trailing=True)

    def observations(self, series_id: str, session: date) -> dict[str, tuple[float, str]]:
        """Value and source by day, as the model has them at a session."""
        with pipeline_database(self.home.settings, read_only=True) as connection:
            connection.execute("set variable cutoff_utc = ?::timestamp", [cutoff_utc(session)])
            model = load_catalog()["staging.fred_observations"].model
            assert model is not None
            rows = connection.execute(
                f"select observation_date, value, source from"
                f" ({model.read_text().replace('pipeline.raw.', 'raw.')}) where series_id = ? order by 1",
                [series_id],
            ).fetchall()
        return {str(day): (value, source) for day, value, source in rows}

    def warnings(self) -> str:
        return str(
            self.home.rows(
                f"select message from ops.runs where run_id = 'run-{self.home.runs}' and step = 'load'"
            )[0][0]
        )


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Outage]:
    with Server(Feed(FRIDAY)) as fred, SecondSourcesServer(Feed(FRIDAY)) as second:
        yield Outage(monkeypatch, tmp_path / "home", fred, second)


def down(fred: Server) -> None:
    fred.fault = Fault(on="graph", status=503)


def test_the_treasury_and_the_new_york_fed_stand_in_while_fred_is_down(outage: Outage) -> None:
    outage.run(FRIDAY)
    assert outage.home.stopped is None and "source=" not in (outage.warnings() or "")
    down(outage.fred)
    outage.run(TUESDAY)
    assert outage.home.stopped is None, outage.home.stopped
    assert (
        "DGS10, DGS2: FRED did not answer; 1 day (2024-07-15) from the Treasury, marked source=treasury"
        in (outage.warnings())
    )
    assert (
        "DFF: FRED did not answer; 3 days (2024-07-13 to 2024-07-15) from the New York Fed, marked"
        " source=newyorkfed" in outage.warnings()
    )
    found = outage.observations("DGS2", TUESDAY)
    assert {source for _, source in list(found.values())[:-1]} == {"fred"}
    assert list(found)[-1] == "2024-07-15" and found["2024-07-15"][1] == "treasury"


def test_fred_back_replaces_what_stood_in(outage: Outage) -> None:
    outage.run(FRIDAY)
    down(outage.fred)
    outage.run(TUESDAY)
    outage.fred.fault = None
    outage.run(WEDNESDAY)
    assert outage.home.stopped is None and "source=" not in (outage.warnings() or "")
    for series_id in ("DGS2", "DGS10", "DFF"):
        assert {source for _, source in outage.observations(series_id, WEDNESDAY).values()} == {"fred"}


def test_a_run_without_an_outage_has_the_same_observations_with_and_without_second_sources(
    outage: Outage,
) -> None:
    outage.run(TUESDAY)
    found = outage.observations("DGS2", TUESDAY)
    assert {source for _, source in found.values()} == {"fred"}
    assert list(found)[-1] == "2024-07-15", "the Treasury's yield of the session itself is not used early"


def test_a_home_without_a_history_waits_for_fred(outage: Outage) -> None:
    down(outage.fred)
    outage.run(FRIDAY)
    assert outage.home.stopped is not None
    assert "holds no history of DFF, DGS10, DGS2 yet, so a second source has nothing to continue" in (
        outage.home.stopped
    )


def test_a_second_source_in_other_units_does_not_stand_in(outage: Outage) -> None:
    outage.second.served = lambda name, values: values / 100 if name == "DGS2" else values
    outage.run(FRIDAY)
    down(outage.fred)
    outage.run(TUESDAY)
    assert outage.home.stopped is not None and "DGS2" in outage.home.stopped
    assert "DGS10" not in outage.home.stopped


def test_a_second_source_that_ends_too_early_does_not_cover(outage: Outage) -> None:
    outage.run(FRIDAY)
    down(outage.fred)
    outage.fred.feed.as_of, outage.second.feed.as_of = TUESDAY, FRIDAY
    outage.home.run(REQUIRED + SECOND, TUESDAY, trailing=True)
    assert outage.home.stopped is not None and "DGS2" in outage.home.stopped


def test_a_day_that_does_not_continue_fred_does_not_stand_in(outage: Outage) -> None:
    """The past is right and the new day is not; nobody else vouches for it."""
    outage.run(FRIDAY)
    down(outage.fred)
    outage.second.served = lambda name, values: (
        values.where(values.index < "2024-07-15", values * 100) if name == "DGS2" else values
    )
    outage.run(TUESDAY)
    assert outage.home.stopped is not None
    assert "The Treasury does not stand in: its DGS2 reaches 2024-07-15" in outage.home.stopped
    assert "after FRED's 4.51 of 2024-07-12" in outage.home.stopped and "DGS10" not in outage.home.stopped
    assert list(outage.observations("DGS2", TUESDAY))[-1] == "2024-07-12"


MONTH = pd.bdate_range("2024-06-03", "2024-07-12")
NEW_DAY = pd.Timestamp("2024-07-15")


def stands_in(fred: list[float], second: list[float], new: float, series_id: str = "DGS2") -> bool:
    """Whether the model takes a new day from the Treasury, given both sources' past."""
    columns = "series_id varchar, observation_date date, value double, source varchar"
    times = "available_at_utc timestamp, known_at_utc timestamp"
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as pipeline; create schema pipeline.raw; create schema ref")
        connection.execute("set variable cutoff_utc = timestamp '2024-07-17'")
        connection.register("series", reference_frame("fred_series"))
        connection.execute("create table ref.fred_series as from series")
        past = pd.DataFrame({"series_id": series_id, "observation_date": MONTH, "value": fred})
        other = pd.DataFrame(
            {"series_id": series_id, "observation_date": [*MONTH, NEW_DAY], "value": [*second, new]}
        )
        for table, source, rows in (
            ("fred_observations", "fred", past),
            ("second_source_rates", "treasury", other),
        ):
            connection.execute(
                f"create table pipeline.raw.{table} ({columns}, {times}, availability varchar)"
            )
            moments = {"available_at_utc": rows["observation_date"], "known_at_utc": rows["observation_date"]}
            connection.register("served", rows.assign(source=source, availability="assumed", **moments))
            connection.execute(f"insert into pipeline.raw.{table} by name select * from served")
        model = load_catalog()["staging.fred_observations"].model
        assert model is not None
        found = connection.execute(
            f"select observation_date from ({model.read_text(encoding='utf-8')}) where source = 'treasury'"
        ).fetchall()
        assert {day for (day,) in found} <= {NEW_DAY.date()}
        return bool(found)


# A quiet month: the yield moves by two hundredths a day.
QUIET = [round(4.5 + 0.02 * (number % 3), 2) for number in range(len(MONTH))]
# Near zero, as in 2021.
NEAR_ZERO = [round(0.03 + 0.01 * (number % 3), 2) for number in range(len(MONTH))]


@pytest.mark.parametrize(
    ("new", "taken"),
    [
        (4.53, True),
        (4.1, True),
        (5.2, True),
        (3.3, True),
        (453.0, False),
        (45.3, False),
        (0.453, False),
        (0.0453, False),
        (0.0, False),
        (-4.53, False),
        (10.0, False),
        (2.4, False),
    ],
)
def test_a_new_day_must_continue_what_fred_served(new: float, taken: bool) -> None:
    assert stands_in(QUIET, QUIET, new) is taken


@pytest.mark.parametrize(
    ("second", "taken"),
    [
        (QUIET, True),
        ([*QUIET[:20], QUIET[20] + 0.04, *QUIET[21:]], True),  # one of the two corrected a day
        ([*QUIET[:20], QUIET[20] + 0.06, *QUIET[21:]], False),
        ([*QUIET[1:], QUIET[-1]], False),  # a day early
        ([QUIET[0], *QUIET[:-1]], False),  # a day late
        ([value + 0.03 for value in QUIET], False),  # another maturity, near by
    ],
)
def test_a_source_must_have_the_values_of_fred_on_the_days_before(second: list[float], taken: bool) -> None:
    assert stands_in(QUIET, second, QUIET[-1]) is taken


@pytest.mark.parametrize("factor", [100.0, 10.0, 0.1, 0.01])
def test_a_factor_is_seen_near_zero(factor: float) -> None:
    assert stands_in(NEAR_ZERO, NEAR_ZERO, 0.05, "DGS1MO")
    assert not stands_in(NEAR_ZERO, [value * factor for value in NEAR_ZERO], 0.05 * factor, "DGS1MO")
    assert stands_in(NEAR_ZERO, NEAR_ZERO, 0.0, "DGS1MO"), "a yield may be zero"


def test_a_series_that_fred_does_not_know_for_a_day_is_missing_and_not_gone(outage: Outage) -> None:
    """No such series, or a header without a row."""
    outage.run(FRIDAY)
    outage.fred.fault = Fault(on="graph", body=lambda body: body.split(b"\n")[0] + b"\n")
    outage.run(TUESDAY)
    assert outage.home.stopped is None and "DGS10, DGS2: FRED did not answer" in outage.warnings()
    assert {entry["kind"] for entry in outage.home.errors.values()} == {"NotServedNow"}
    outage.run(date(2024, 8, 1))
    assert outage.home.stopped is not None, "after two weeks it is taken for gone"


def test_an_outage_on_a_day_on_which_nothing_is_due_stops_nothing(outage: Outage) -> None:
    """On Monday FRED owes Friday's values; they are held already."""
    outage.run(FRIDAY)
    down(outage.fred)
    outage.run(date(2024, 7, 15))
    assert outage.home.stopped is None
    assert "fred/DFF, fred/DGS10, fred/DGS2: no answer; nothing later than 2024-07-12 was due" in (
        outage.warnings()
    )


@pytest.mark.parametrize(
    ("ends", "reached"),
    [
        ({}, date(2024, 7, 15)),
        ({"DGS10": date(2024, 7, 1)}, date(2024, 7, 1)),
        ({"DGS2": date(2024, 7, 3)}, date(2024, 7, 3)),
        ({"DGS30": date(2002, 2, 15)}, date(2024, 7, 15)),  # as from 2002 to 2006
    ],
)
def test_a_maturity_that_ends_makes_the_curve_late(ends: dict[str, date], reached: date) -> None:
    """Else it would not be compared any more, and nobody would know."""
    rows = [
        ("treasury", name, ends.get(name, date(2024, 7, 15))) for name in ParYields.series["par_yield_curve"]
    ]
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as pipeline; create schema pipeline.raw")
        connection.execute(
            "create table pipeline.raw.second_source_rates (source varchar, series_id varchar,"
            " observation_date date, available_at_utc timestamp)"
        )
        insert = "insert into pipeline.raw.second_source_rates values (?, ?, ?, ?)"
        connection.executemany(insert, [(*row, row[2]) for row in rows])
        [found] = ParYields().freshness(connection, TUESDAY)
    assert found.last_date == reached and found.expected_date == date(2024, 7, 15)
    assert found.stale is (reached != date(2024, 7, 15))


def test_why_fred_is_not_asked_any_more_is_said(outage: Outage) -> None:
    outage.run(FRIDAY, REQUIRED)
    down(outage.fred)
    inputs = [("fred", name) for name in ("DGS1", "DGS5", "DGS7", "DGS2")]
    outage.run(TUESDAY, inputs)
    assert outage.home.stopped is not None
    assert "not requested, because FRED has just failed 3 times in a row (the last was FRED: DGS7" in (
        outage.home.stopped
    )
    assert "503" in outage.home.stopped


def test_second_sources_that_are_down_stop_nothing(outage: Outage) -> None:
    outage.second.fault = Fault(status=503)
    outage.run(FRIDAY)
    assert outage.home.stopped is None
    assert {name for name in outage.home.errors} == {"EFFR", "par_yield_curve"}
    assert "2 optional inputs missing or unreadable: par_yields/par_yield_curve, reference_rates/EFFR" in (
        outage.warnings()
    )


def test_fred_that_is_behind_is_completed_and_named(outage: Outage) -> None:
    outage.run(FRIDAY)
    outage.fred.feed.as_of, outage.second.feed.as_of = FRIDAY, WEDNESDAY
    outage.home.run(REQUIRED + SECOND, WEDNESDAY, trailing=True)
    assert outage.home.stopped is None
    assert (
        "DGS10, DGS2: FRED ends at 2024-07-12; 2 days (2024-07-15 to 2024-07-16) from the Treasury, marked"
        " source=treasury" in outage.warnings()
    )


def test_a_key_that_fred_rejects_stops_the_run(outage: Outage) -> None:
    """Only silence is bridged: what a person must mend is not hidden."""
    outage.run(FRIDAY)
    outage.fred.fault = Fault(on="graph", status=403)
    outage.run(TUESDAY)
    assert outage.home.stopped is not None and "access was refused" in outage.home.stopped


def test_a_second_source_that_differs_is_named_with_its_series(outage: Outage) -> None:
    """The comparison itself, on a home: yields of the Treasury a quarter of a point off for one maturity."""
    outage.second.served = lambda name, values: values + 0.25 if name == "DGS10" else values
    outage.run(FRIDAY)
    settings = outage.home.settings
    with duckdb.connect() as connection:
        connection.execute(f"attach '{settings.warehouse}' as pipeline (read_only)")
        connection.execute("create schema staging; create schema ref")
        for name in (
            "fred_series",
            "cross_checks",
            "cross_check_exceptions",
            "calendar",
            "fomc_meetings",
            "instruments",
        ):
            connection.execute(f"create table ref.{name} as from pipeline.ref.{name}")
        for name in ("equity_prices", "fed_funds_futures"):
            connection.execute(load_catalog()[f"staging.{name}"].ddl())
        connection.execute("set variable session_date = ?::date", [FRIDAY])
        connection.execute("set variable cutoff_utc = ?::timestamp", [cutoff_utc(FRIDAY)])
        build_model(connection, load_catalog()["staging.fred_observations"])
        found = {result["rule"]: result for result in compare(connection).results}
    assert found["dgs2_at_the_treasury"]["passed"]
    assert found["dgs2_at_the_treasury"]["checked_rows"] > 20
    assert found["dff_at_the_new_york_fed"]["passed"]
    assert found["dff_at_the_new_york_fed"]["checked_rows"] > 30
    wrong = found["dgs10_at_the_treasury"]
    assert not wrong["passed"] and wrong["severity"] == "warning"
    assert "fred/DGS10 against second/treasury/DGS10" in str(wrong["sample"])
