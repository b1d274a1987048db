"""Metrics of what banks earn: net interest income of single ones, margins by deposit cost.

In: `Evidence`, the day that a statement refers to, and its parameters. Out: one `Finding` per metric. A
quarter counts once it has been filed, weeks after the press release: a statement on it is judged as of a day
by which it had to be.
"""

from __future__ import annotations

import datetime as dt

from transforms.lib.claims.evidence import Evidence, Finding, NotComputable, Parameters

BANKS = {
    "cheapest_third": "the third of banks with the cheapest deposits",
    "middle_third": "the middle third of banks by deposit cost",
    "dearest_third": "the third of banks with the dearest deposits",
    "all": "all banks",
}


def net_interest_income_change_pct(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Change of a bank's net interest income on the quarter of the year before, in %: as first filed, or as
    restated since (`amounts=newest`).
    """
    newest = p.get("amounts") == "newest"
    missing = (
        f"the net interest income of {p['symbol']} in the quarter to {p['quarter']} and in that of the year"
        f" before had not both been filed by {day} (bring bank_income/{p['symbol']}.json, or a live source"
        " with ROTATION_SEC_CONTACT)"
    )
    amount, year_before, filed = evidence.value(
        """
        select
            if($4, own.net_interest_income_usd, own.first_print_usd),
            if($4, year_before.net_interest_income_usd, year_before.first_print_usd),
            own.first_filed_on
        from marts.bank_income as own
        inner join marts.bank_income as year_before
            on own.symbol = year_before.symbol
                and year_before.quarter_end = last_day(own.quarter_end - interval 1 year)
        where
            own.symbol = $1 and own.quarter_end = $2 and own.first_filed_on <= $3
            and year_before.first_filed_on <= $3
        """,
        [p["symbol"], p["quarter"], day, newest],
        missing,
    )
    if year_before <= 0:
        raise NotComputable(f"{p['symbol']} had no net interest income the year before")
    return Finding(
        f"net interest income of {p['symbol']} in the quarter to {p['quarter']}"
        f" ({amount / 1e6:,.0f} mn USD, first filed on {filed}) against that of the year before"
        f" ({year_before / 1e6:,.0f})",
        number=100 * (amount / year_before - 1),
    )


def margin_change_pp(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Change of the net interest margin of a group of banks since the quarter before the first move of a
    cycle of policy, in points; with `against` less that of another group.
    """
    own, base, institutions, share, rates = _margin_change(evidence, day, p, p["banks"])
    words = f"change of the net interest margin of {BANKS[p['banks']]}"
    if "against" in p:
        other, *_ = _margin_change(evidence, day, p, p["against"])
        words += f" ({own:+.2f} pp) less that of {BANKS[p['against']]} ({other:+.2f} pp)"
        own -= other
    return Finding(
        f"{words} from the quarter to {base} to that to {p['quarter']} ({p['cycle']}, funds rate {rates:+.2f}"
        f" pp; {institutions} banks with a deposit cost in both quarters, which had"
        f" {share:.0f} % of the deposits)",
        number=own,
    )


def _margin_change(
    evidence: Evidence, day: dt.date, p: Parameters, banks: str
) -> tuple[float, dt.date, int, float, float]:
    """Change in points, the earlier quarter, the banks in both, their share of deposits, the change of the
    funds rate.
    """
    quarter, cycle = p["quarter"], p["cycle"]
    change, base, institutions, share, rates = evidence.value(
        """
        select
            margin_change_pp, cycle_base_quarter_end, panel_institutions, panel_share_pct,
            policy_rate_change_pp
        from marts.deposit_betas
        where
            bank_group = ? and quarter_end = ? and policy_cycle = ? and known_on <= ?
            and deposit_basis = 'all_domestic' and policy_rate_change_pp is not null
        """,
        [banks, quarter, cycle, day],
        f"no margin of {BANKS[banks]} in the quarter to {quarter}, in a cycle of {cycle}, that was known on"
        f" {day} (bring bank_margins/{quarter}.json, those of the last quarter before the cycle's first move"
        " and of the quarter before each, and fred/DFF.csv; or a live source)",
    )
    return float(change), base, int(institutions), float(share), float(rates)
