"""What breaks the rules on positions in futures and on banks' income: the markets of the tests have neither,
so rows are made first.
"""

from __future__ import annotations

from tests.mutations.mutation import Mutation, update

POSITIONS, INCOME = "marts.futures_positioning", "marts.bank_income"
REPORTS = (
    f"delete from {POSITIONS}; "
    f"insert into {POSITIONS} by name select 'russell_2000' as market_id, day::date as report_date,"
    " (day + interval 3 day)::date as released_on, false as release_assumed, '239742' as"
    " contract_market_codes, 'CME' as exchange, false as at_exchange_seam, 400000 as"
    " open_interest_contracts, 80000 as leveraged_long_contracts, 100000 as leveraged_short_contracts, -20000"
    " as leveraged_net_contracts, -5.0 as net_share_of_open_interest_pct, 90000 as"
    " asset_manager_net_contracts, 22.5 as asset_manager_net_share_pct, date '2024-06-04' as ranked_since, 1"
    " as reports_in_window, 'reports_below_104' as percentile_156_reason, 1 as reports_so_far,"
    " 'reports_below_104' as percentile_expanding_reason, 'files' as data_source from range(timestamp"
    " '2024-06-04', timestamp '2024-07-10', interval 7 day) as made(day)"
)
QUARTERS = (
    f"delete from {INCOME}; "
    f"insert into {INCOME} by name select 'JPM' as symbol, last_day(day)::date as quarter_end, 2e10 as"
    " net_interest_income_usd, 'stated' as quarter_basis, (last_day(day) + 35)::date as filed_on, '10-Q' as"
    " form, '0000019617-24-000001' as accession_number, 2e10 as first_print_usd, (last_day(day) +"
    " 35)::date as first_filed_on, false as is_restated, 'files' as data_source from range(timestamp"
    " '2023-03-01', timestamp '2024-04-01', interval 3 month) as made(day)"
)

POSITION_AND_INCOME_MUTATIONS = [
    Mutation(
        POSITIONS,
        "a_report_comes_out_after_its_day",
        update(POSITIONS, "released_on = report_date", order="report_date"),
        before=REPORTS,
    ),
    Mutation(
        POSITIONS,
        "reports_come_out_in_their_order",
        update(POSITIONS, "released_on = released_on + 10", order="report_date"),
        before=REPORTS,
    ),
    Mutation(
        POSITIONS,
        "net_is_long_less_short_within_the_open_interest",
        update(POSITIONS, "leveraged_net_contracts = -leveraged_net_contracts"),
        before=REPORTS,
    ),
    Mutation(
        POSITIONS,
        "open_interest_does_not_jump",
        update(POSITIONS, "open_interest_contracts = 4 * open_interest_contracts", order="report_date desc"),
        before=REPORTS,
    ),
    Mutation(
        INCOME,
        "a_quarter_ends_a_quarter",
        update(INCOME, "quarter_end = quarter_end - 1", order="quarter_end"),
        before=QUARTERS,
    ),
    Mutation(
        INCOME,
        "filings_come_after_the_quarter",
        update(INCOME, "first_filed_on = quarter_end", order="quarter_end"),
        before=QUARTERS,
    ),
    Mutation(
        INCOME,
        "income_does_not_jump_and_jump_back",
        update(INCOME, "net_interest_income_usd = 5e9", "quarter_end = '2023-09-30'"),
        before=QUARTERS,
    ),
]
