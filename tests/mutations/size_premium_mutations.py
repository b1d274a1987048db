"""What breaks the rules on the premium of small companies over a century; rows are made first."""

from __future__ import annotations

from tests.mutations.mutation import Mutation, update

PREMIUM, OVERLAP = "marts.size_premium_monthly", "marts.size_premium_overlap"


def months_of_premium(number: int) -> str:
    """Some months of small shares, as no recorded market has them."""
    return (
        f"delete from {PREMIUM}; "
        f"insert into {PREMIUM} by name select 'lo_30/hi_30' as size_pair, 'value' as weighting,"
        " 1 as window_months, last_day(date '1950-01-15' + (i * 31)::integer) as month_end,"
        " 4.0 as small_return_pct, 2.0 - i as large_return_pct, 2.0 + i as premium_pp, 1 as premium_rank,"
        " i + 1 as premium_rank_from_below, 1 as premium_stretch_rank, i + 1 as windows_so_far,"
        " i + 1 as premium_stretch_rank_from_below, i + 1 as n_nonoverlapping, 'files' as data_source,"
        " date '1950-01-31' as first_window_month_end,"
        " last_day(date '1950-01-15' + (i * 31)::integer) + interval 60 days as available_at_utc"
        f" from range({number}) as made(i)"
    )


SIZE_PREMIUM_MUTATIONS = [
    Mutation(
        PREMIUM,
        "premium_is_small_less_large",
        update(PREMIUM, "large_return_pct = large_return_pct + 1"),
        before=months_of_premium(3),
    ),
    Mutation(
        PREMIUM,
        "ranks_fit_in_the_history",
        update(PREMIUM, "premium_rank = windows_so_far + 1"),
        before=months_of_premium(3),
    ),
    Mutation(
        PREMIUM,
        "no_month_is_used_before_it_was_out",
        update(PREMIUM, "available_at_utc = getvariable('session_date') + interval 5 days"),
        before=months_of_premium(3),
    ),
    Mutation(
        PREMIUM,
        "monthly_returns_are_in_per_cent",
        f"update {PREMIUM} set small_return_pct = small_return_pct / 100,"
        " large_return_pct = large_return_pct / 100, premium_pp = premium_pp / 100",
        before=months_of_premium(90),
    ),
    Mutation(
        OVERLAP,
        "the_premium_goes_with_the_spread",
        f"delete from {OVERLAP}; "
        f"insert into {OVERLAP} by name select 'lo_30/hi_30' as size_pair, 'value' as weighting,"
        " 'IWM/SPY' as pair_id, 120 as months_in_common, 0.1 as premium_correlation, 'files' as data_source",
    ),
]
