"""What breaks the rules on banks' margins and deposit betas. The markets that are played hold none, so rows
are made first.
"""

from __future__ import annotations

from tests.mutations.mutation import Mutation, update

MARGINS, BETAS = "marts.bank_margins", "marts.deposit_betas"


def quarters() -> str:
    """Rows of two quarters, of all banks and of one group, that break no rule."""
    rows = ", ".join(
        f"('{end}', '{group}', 9, 5000.0, 3.2, {cost}, {1.3 * cost:.2f}, 9, 99.0, 5.1, date '{end}' + 75)"
        for end, cost in (("2023-12-31", 2.0), ("2024-03-31", 2.1))
        for group in ("all", "over_250bn")
    )
    columns = (
        "quarter_end, size_group, institutions, assets_usd_bn, net_interest_margin_pct, deposit_cost_pct,"
        " interest_bearing_deposit_cost_pct, panel_institutions, panel_share_pct, policy_rate_avg_pct,"
        " known_on"
    )
    return f"delete from {MARGINS}; insert into {MARGINS} ({columns}) values {rows}"


def betas() -> str:
    """Two rows that break no rule."""
    columns = (
        "quarter_end, bank_group, deposit_basis, policy_cycle, cycle_first_move_date, cycle_base_quarter_end,"
        " policy_rate_avg_pct, policy_rate_change_pp, deposit_cost_change_pp, cumulative_deposit_beta,"
        " rolling_deposit_beta, rolling_beta_std_error, rolling_beta_low, rolling_beta_high,"
        " rolling_quarters, known_on"
    )
    rows = ", ".join(
        f"('{end}', 'all', 'all_domestic', 'hikes', '2022-03-16', '2021-12-31', 5.1, 5.0, 2.0, 0.4,"
        f" 0.4, 0.02, 0.36, 0.44, 40, date '{end}' + 75)"
        for end in ("2023-12-31", "2024-03-31")
    )
    return f"delete from {BETAS}; insert into {BETAS} ({columns}) values {rows}"


def margins(rule: str, change: str, *also: str, where: str = "size_group = 'all'") -> Mutation:
    """A change of the newest quarter."""
    return Mutation(MARGINS, rule, update(MARGINS, change, where, "quarter_end desc"), also, quarters())


def of_betas(rule: str, change: str, *also: str) -> Mutation:
    """A change of the newest row."""
    return Mutation(BETAS, rule, update(BETAS, change, order="quarter_end desc"), also, betas())


BANK_MARGIN_MUTATIONS = [
    margins(
        "a_quarter_ends_a_quarter",
        "quarter_end = quarter_end + 1",
        "known_75_days_after_the_quarter",
        "size_groups_add_up_to_all_banks",
    ),
    margins("known_75_days_after_the_quarter", "known_on = quarter_end + 40"),
    margins("size_groups_add_up_to_all_banks", "institutions = 8"),
    margins(
        "deposits_cost_little_more_than_the_funds_rate",
        "deposit_cost_pct = 8, interest_bearing_deposit_cost_pct = 9",
    ),
    margins("interest_bearing_deposits_cost_no_less_than_all", "interest_bearing_deposit_cost_pct = 1"),
    margins("margin_of_all_banks_is_plausible", "net_interest_margin_pct = 9.6"),
    margins("panel_holds_most_deposits", "panel_share_pct = 50"),
    of_betas("a_beta_is_the_ratio_of_its_changes", "cumulative_deposit_beta = 0.5"),
    of_betas(
        "a_beta_needs_a_change_of_half_a_point",
        "policy_rate_change_pp = 0.25, deposit_cost_change_pp = 0.1",
    ),
    of_betas("a_beta_or_a_reason", "cumulative_deposit_beta = null"),
    of_betas("base_quarter_ended_before_the_first_move", "cycle_base_quarter_end = '2022-03-31'"),
    of_betas("interval_contains_the_estimate", "rolling_deposit_beta = 0.5"),
    of_betas("a_rolling_beta_rests_on_24_quarters", "rolling_quarters = 20"),
    of_betas("beta_of_all_banks_is_plausible", "cumulative_deposit_beta = 4, deposit_cost_change_pp = 20"),
]
