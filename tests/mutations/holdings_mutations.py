"""What breaks the rules on the sectors of funds; the ground is laid first, because a market of prices alone
has no holdings.
"""

from __future__ import annotations

from tests.mutations.mutation import Mutation, update

WEIGHTS, DAILY, SECTORS = (
    "marts.fund_sector_weights",
    "marts.spread_attribution_daily",
    "marts.spread_attribution_sectors",
)
# Reports of both funds of a pair and its split on two sessions, as the models would have them.
GROUND = f"""
    delete from {WEIGHTS};
    delete from {DAILY};
    delete from {SECTORS};
    insert into {WEIGHTS} (
        symbol, report_date, sector, sector_fund, sector_weight_pct, sector_value_usd, sector_holdings,
        report_coverage_pct, file_symbol, report_known_date, source, data_source
    )
    select
        symbol, date '2024-06-28', sector, sector_fund, weight, 1e9, 10, 99.5, symbol, date '2024-07-01',
        'files', 'files'
    from (values
        ('IWM', 'Financials', 'XLF', 60.0), ('IWM', 'Energy', 'XLE', 39.5),
        ('IWM', 'Cash and/or Derivatives', null, 0.5),
        ('SPY', 'Financials', 'XLF', 20.0), ('SPY', 'Energy', 'XLE', 79.5),
        ('SPY', 'Cash and/or Derivatives', null, 0.5)
    ) as held (symbol, sector, sector_fund, weight);
    insert into {DAILY} (
        pair_id, window_sessions, session_date, base_total_return_pct, quote_total_return_pct,
        total_return_spread_pp, allocation_pp, within_sector_pp, base_report_date, quote_report_date,
        base_report_age_days, quote_report_age_days, base_coverage_pct, quote_coverage_pct,
        attribution_unknown_reason, data_source
    )
    select
        'IWM/SPY', 1, session_date, 2, 1, 1, 0.4, 0.6, date '2024-06-28', date '2024-06-28',
        session_date - date '2024-06-28', session_date - date '2024-06-28', 99.5, 99.5, null, 'files'
    from (values (date '2024-07-11'), (date '2024-07-12')) as days (session_date);
    insert into {SECTORS} (
        pair_id, session_date, sector_fund, base_sector_weight_pct, quote_sector_weight_pct,
        sector_return_pct, sector_allocation_pp, data_source
    )
    select 'IWM/SPY', session_date, sector_fund, base, quote, 1, part, 'files'
    from
        (values (date '2024-07-11'), (date '2024-07-12')) as days (session_date),
        (values ('XLF', 60.0, 20.0, 0.3), ('XLE', 39.5, 79.5, 0.1), ('rest', 0.5, 0.5, 0.0))
            as parts (sector_fund, base, quote, part);
"""


def _holdings(table: str, rule: str, sql: str, *also: str) -> Mutation:
    return Mutation(table, rule, sql, also=also, before=GROUND)


HOLDINGS_MUTATIONS = [
    _holdings(
        WEIGHTS,
        "weights_of_a_report_add_up",
        update(WEIGHTS, "sector_weight_pct = 20", "symbol = 'IWM' and sector = 'Financials'"),
    ),
    _holdings(
        WEIGHTS,
        "a_report_is_known_after_its_day",
        f"update {WEIGHTS} set report_known_date = report_date where symbol = 'SPY'",
    ),
    _holdings(
        WEIGHTS,
        "most_of_a_fund_is_in_known_sectors",
        f"update {WEIGHTS} set report_coverage_pct = 94 where symbol = 'SPY'",
    ),
    _holdings(
        DAILY,
        "the_parts_are_the_spread",
        update(DAILY, "within_sector_pp = within_sector_pp + 1e-8"),
    ),
    _holdings(
        DAILY,
        "what_is_missing_has_a_reason",
        update(DAILY, "within_sector_pp = null"),
    ),
    _holdings(
        DAILY,
        "nothing_is_split_by_an_old_or_partial_report",
        update(DAILY, "base_report_age_days = 101"),
    ),
    _holdings(
        DAILY,
        "weights_have_the_report_that_was_known",
        update(DAILY, "quote_report_date = date '2024-05-31'"),
    ),
    _holdings(
        SECTORS,
        "sectors_add_up_to_the_allocation",
        update(SECTORS, "sector_allocation_pp = sector_allocation_pp + 0.1", "sector_fund = 'XLF'"),
    ),
    _holdings(
        SECTORS,
        "weights_of_a_session_add_up",
        update(SECTORS, "base_sector_weight_pct = 50", "sector_fund = 'XLF'"),
    ),
]
