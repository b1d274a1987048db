"""Banks: beta to the 2-year with its interval, regime, moves for yields 25 bp lower, securities.

In: the page. Out: blocks of its section, of the latest session with an estimate. Caveat: intervals are 90
%, beta ± 1.645 Newey-West errors.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from markupsafe import Markup

from brief import figures
from brief.blocks import Figure, Page, Section, Table, attempt, group_names
from brief.cells import (
    MISSING,
    Absent,
    Cell,
    Row,
    day,
    number,
    plain_day,
    plain_number,
    text,
)
from brief.reader import Reader

REGIMES = {
    "gains_when_rates_fall": "var(--c1)",
    "gains_when_rates_rise": "var(--c2)",
    "unclear": "var(--hold)",
}
BUCKETS = {
    "lt_1y": "under 1 year",
    "1_3y": "1 to 3 years",
    "3_5y": "3 to 5 years",
    "5_10y": "5 to 10 years",
    "gt_10y": "over 10 years",
    "mbs": "mortgage-backed",
    "covered": "covered, together",
}


def banks(page: Page, section: Section) -> None:
    """Beta to the 2-year yield over time, regime, moves for yields 25 bp lower, securities."""
    for part in (_beta, _moves, _estimators, _securities, _reported):
        attempt(section, part, page)


def _beta(page: Page, section: Section) -> None:
    reader, session = page.reader, page.session
    reader.require("marts.bank_sensitivity_daily")
    entity = next(
        (
            name
            for name in ("KRE", "regional", "all_banks", "KBE", "JPM")
            if reader.connection.execute(
                "select 1 from marts.bank_sensitivity_daily where entity_id = ? and session_date <= ? and"
                " beta_y2 is not null limit 1",
                [name, session],
            ).fetchone()
        ),
        None,
    )
    if entity is None:
        raise Absent(f"marts.bank_sensitivity_daily has no estimate up to {session}.")
    statement = f"""
        select session_date, beta_y2, beta_y2 - 1.645 * std_error_y2 as low, beta_y2 + 1.645 * std_error_y2 as high, regime
        from marts.bank_sensitivity_daily
        where entity_id = '{entity}' and session_date <= '{session}' and beta_y2 is not null
        qualify row_number() over (partition by date_trunc('week', session_date) order by session_date desc) = 1
        order by session_date"""
    found = reader.old_points(statement)
    points = [
        {
            "d": str(p["session_date"]),
            "beta": round(p["beta_y2"], 5),
            "low": round(p["low"], 5),
            "high": round(p["high"], 5),
        }
        for p in found
    ]
    strip: list[dict[str, Any]] = []
    for p in found:
        if strip:
            strip[-1]["until"] = str(p["session_date"])
        if not strip or strip[-1]["regime"] != p["regime"]:
            strip.append(
                {"d": str(p["session_date"]), "until": str(p["session_date"]), "regime": p["regime"]}
            )
    last = _sensitivity(reader, session, f"entity_id = '{entity}'")[0]
    title = Markup("{}: {} % per +10 bp at an unchanged market, 90 % interval {} to {}, {}").format(
        entity,
        number(last["beta_y2"], 2, signed=True),
        number(last["low"], 2, signed=True),
        number(last["high"], 2, signed=True),
        day(last["session_date"]),
    )
    legend = Markup(
        'Strip at the bottom: <span class="nw"><span class="key c1"></span> gains when rates fall</span>'
        ' <span class="nw"><span class="key c2"></span> gains when rates rise</span> <span class="nw"><span'
        ' class="key hold"></span> unclear.</span> Now: <strong>{}</strong> since {}. Shaded: 90 % interval'
        " (Newey–West)."
    ).format(text(last["regime"]), day(last["regime_start_date"]))
    alt = Markup(
        "Effect on {} of a parallel rise of yields by 10 basis points, 252 observations, by week from {} to"
        " {}; now {} per cent, interval {} to {}; regime {}."
    ).format(
        entity,
        points[0]["d"],
        points[-1]["d"],
        plain_number(last["beta_y2"].value, 2, signed=True),
        plain_number(last["low"].value, 2, signed=True),
        plain_number(last["high"].value, 2, signed=True),
        str(last["regime"].value).replace("_", " "),
    )
    yearly = reader.rows(
        "marts.bank_sensitivity_daily",
        [
            "beta_y2",
            "low = beta_y2 - 1.645 * std_error_y2",
            "high = beta_y2 + 1.645 * std_error_y2",
            "regime",
        ],
        f"entity_id = '{entity}' and session_date in (select max(session_date) from"
        f" marts.bank_sensitivity_daily where entity_id = '{entity}' and beta_y2 is not null and session_date"
        " <= ? group by year(session_date))",
        [session],
        order="session_date desc",
    )
    table = Table(
        Markup("{} at the last session of each year, % per +10 bp").format(entity),
        ["Session", "Beta", "Low", "High", "Regime"],
        [
            [
                day(row["session_date"]),
                number(row["beta_y2"], 2, signed=True),
                number(row["low"], 2, signed=True),
                number(row["high"], 2, signed=True),
                text(row["regime"]),
            ]
            for row in yearly
        ],
    )
    spec = figures.lines(
        points,
        [("beta", plain_number(points[-1]["beta"], 2, signed=True), "var(--c1)")],
        unit="% per +10 bp",
        band=("low", "high"),
        zero=True,
        reference=0,
        height=190,
        strip=(strip, REGIMES),
    )
    drawings = [page.draw(spec, "beta")]
    section.blocks.append(
        Figure(
            title,
            alt,
            drawings,
            "marts.bank_sensitivity_daily, weekly (market_2y_slope, w252)",
            table,
            legend,
            statement,
        )
    )


def _sensitivity(reader: Reader, session: dt.date, where: str) -> list[Row]:
    """Rows of the latest session with an estimate, with the 90 % interval of the beta."""
    columns = [
        "entity_type",
        "beta_y2",
        "low = beta_y2 - 1.645 * std_error_y2",
        "high = beta_y2 + 1.645 * std_error_y2",
        "t_y2",
        "regime",
        "regime_start_date",
        "equity_duration_years",
        "move_if_yields_down_25bp_pct",
        "move_low_pct",
        "move_high_pct",
        "unconditional_move_if_2y_down_25bp_pct",
        "sensitivity_rank",
    ]
    latest = reader.old_scalar(
        f"select max(session_date) from marts.bank_sensitivity_daily where session_date <= '{session}' and"
        f" beta_y2 is not null and {where}"
    )
    if not latest.known:
        raise Absent(f"marts.bank_sensitivity_daily has no estimate up to {session}.")
    return reader.rows(
        "marts.bank_sensitivity_daily",
        columns,
        f"session_date = ? and beta_y2 is not null and {where}",
        [latest.value],
        order="move_if_yields_down_25bp_pct desc, entity_id",
    )


def _moves(page: Page, section: Section) -> None:
    page.reader.require("marts.bank_sensitivity_daily")
    rows = _sensitivity(page.reader, page.session, "true")
    names = group_names(page.reader)
    summary = [
        row
        for row in rows
        if row["entity_type"].value == "group"
        or row["entity_id"].value in ("KRE", "KBE", "KBWB", "IAT", "XLF", "IWM")
    ] or rows

    def label(row: Row) -> str:
        return str(names.get(row["entity_id"].value, row["entity_id"].value))

    points = [
        {
            "name": label(row),
            "v": round(row["move_if_yields_down_25bp_pct"].value, 4),
            "low": round(row["move_low_pct"].value, 4),
            "high": round(row["move_high_pct"].value, 4),
        }
        for row in summary
        if row["move_if_yields_down_25bp_pct"].known and row["move_low_pct"].known
    ]
    when = plain_day(rows[0]["session_date"].value)
    head = [
        "Bank, fund or group",
        "Move, %",
        "90 % interval",
        "2-year alone, %",
        "Regime",
        "Since",
        "Duration, years",
    ]

    def line(row: Row) -> list[Any]:
        return [
            label(row),
            number(row["move_if_yields_down_25bp_pct"], 2, signed=True),
            _interval(row["move_low_pct"], row["move_high_pct"]),
            number(row["unconditional_move_if_2y_down_25bp_pct"], 2, signed=True),
            text(row["regime"]),
            day(row["regime_start_date"]),
            number(row["equity_duration_years"], 1),
        ]

    everything = Table(
        Markup("Price move for yields 25 bp lower: all banks, funds and groups, {}").format(when),
        head,
        [line(row) for row in rows],
        Markup(
            "Move: all yields 25 bp lower at an unchanged market. 2-year alone: without holding the market."
            " “Unclear” is not “insensitive”. Groups: equal-weighted, today’s members."
        ),
    )
    if points:
        ahead = sum(point["low"] > 0 for point in points)
        title = Markup("If all yields fell by 25 bp at an unchanged market, estimates of {}").format(when)
        alt = Markup(
            "Estimated price move with its 90 per cent interval for {} entities; {} of them with the whole"
            " interval above zero. {}."
        ).format(
            len(points),
            ahead,
            "; ".join(
                f"{p['name']} {plain_number(p['v'], 2, signed=True)} per cent"
                f" ({plain_number(p['low'], 2, signed=True)} to {plain_number(p['high'], 2, signed=True)})"
                for p in points
            ),
        )
        legend = Markup(
            "Grey: the interval holds zero. An estimate from the past year of days, not a forecast."
        )
        section.blocks.append(
            Figure(
                title,
                alt,
                [page.draw(figures.intervals(points, unit="price move, %"), "moves")],
                "marts.bank_sensitivity_daily",
                everything,
                legend,
                "select * from marts.bank_sensitivity_daily where session_date ="
                f" '{rows[0]['session_date'].value}'",
            )
        )
    else:
        section.blocks.append(everything)


def _interval(low: Cell, high: Cell) -> Markup:
    if not low.known or not high.known:
        return MISSING
    return Markup('<span class="nw">{} to {}</span>').format(
        number(low, 2, signed=True), number(high, 2, signed=True)
    )


def _estimators(page: Page, section: Section) -> None:
    page.reader.require("marts.bank_rate_betas")
    rows = page.reader.rows(
        "marts.bank_rate_betas",
        [
            "beta",
            "low = beta - 1.645 * std_error",
            "high = beta + 1.645 * std_error",
            "t_stat",
            "observations",
        ],
        """symbol = 'KRE' and model = 'market_2y_slope' and factor = 'y2' and beta is not null and (estimator, session_date) in (
           select (estimator, max(session_date)) from marts.bank_rate_betas
           where symbol = 'KRE' and model = 'market_2y_slope' and factor = 'y2' and beta is not null and session_date <= ? group by estimator)""",
        [page.session],
        order="estimator",
    )
    if not rows:
        return
    names = {
        "w60": "60 observations",
        "w126": "126 observations",
        "w252": "252 observations",
        "ewm60": "weights halving every 60",
        "fomc_days": "FOMC days",
    }
    order = list(names)
    rows.sort(key=lambda row: order.index(row["estimator"].value) if row["estimator"].value in order else 9)
    section.blocks.append(
        Table(
            Markup("KRE’s beta to the 2-year by estimator, % per +10 bp"),
            ["Estimator", "Beta", "90 % interval", "t", "Observations", "To"],
            [
                [
                    names.get(row["estimator"].value, row["estimator"].value),
                    number(row["beta"], 2, signed=True),
                    _interval(row["low"], row["high"]),
                    number(row["t_stat"], 2, signed=True),
                    number(row["observations"], 0),
                    day(row["session_date"]),
                ]
                for row in rows
            ],
        )
    )


def _securities(page: Page, section: Section) -> None:
    reader, session = page.reader, page.session
    reader.require("marts.bank_securities_mark")
    latest = reader.old_scalar(
        f"select max(session_date) from marts.bank_securities_mark where session_date <= '{session}' and"
        " mark_pct_of_book is not null"
    )
    if not latest.known:
        raise Absent(f"marts.bank_securities_mark has no estimate up to {session}.")
    rows = reader.rows(
        "marts.bank_securities_mark",
        ["etf_symbol", "price_change_pct", "weight_pct", "mark_pct_of_book", "since_date", "weight_basis"],
        "session_date = ?",
        [latest.value],
        order="bucket",
    )
    rows.sort(
        key=lambda row: list(BUCKETS).index(row["bucket"].value) if row["bucket"].value in BUCKETS else 99
    )
    section.blocks.append(
        Table(
            Markup(
                "Banks’ securities: estimated gain or loss since the last reported quarter was published"
                " on {}"
            ).format(day(rows[0]["since_date"])),
            ["Bucket", "Fund", "Weight, %", "Return less yield, %", "Mark, % of book"],
            [
                [
                    BUCKETS.get(row["bucket"].value, row["bucket"].value),
                    text(row["etf_symbol"]),
                    number(row["weight_pct"], 1),
                    number(row["price_change_pct"], 2, signed=True),
                    number(row["mark_pct_of_book"], 2, signed=True),
                ]
                for row in rows
            ],
            Markup(
                "Estimate of {}, no accounting figure; the split by maturity is an assumption of this"
                " project. “Covered” adds up what could be estimated; its weight says how much of the"
                " securities that is."
            ).format(day(latest)),
        )
    )


def _reported(page: Page, section: Section) -> None:
    if "marts.bank_reported_losses" not in page.reader.tables:
        raise Absent("marts.bank_reported_losses is not in this publication.")
    rows = page.reader.rows(
        "marts.bank_reported_losses",
        ["afs_usd_bn", "htm_usd_bn", "total_usd_bn", "published_on"],
        "published_on <= ?",
        [page.session],
        order="quarter_end desc",
        limit=8,
    )
    if not rows:
        section.notes.append(
            Markup("Reported losses on securities: none is held for a quarter published by {}.").format(
                plain_day(page.session)
            )
        )
        return
    section.blocks.append(
        Table(
            Markup("Unrealised gains and losses on banks’ securities as reported, bn USD"),
            ["Quarter to", "Available for sale", "Held to maturity", "Together", "Published"],
            [
                [
                    day(row["quarter_end"]),
                    number(row["afs_usd_bn"], 1, signed=True),
                    number(row["htm_usd_bn"], 1, signed=True),
                    number(row["total_usd_bn"], 1, signed=True),
                    day(row["published_on"]),
                ]
                for row in rows
            ],
            Markup("FDIC Quarterly Banking Profile, by way of secondary sources."),
        )
    )
