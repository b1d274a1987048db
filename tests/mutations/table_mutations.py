"""For every rule of `expectations/**.yml` on a built table, the SQL that breaks it.

One entry per rule: the table that the rule belongs to, its name, and statements that change a copy of a
built publication. `also`: rules of other columns or tables that rightly fail with it, because they compare
the same numbers. `before`: statements that make the ground on which the rule can be seen to fire.
"""

from __future__ import annotations

from tests.mutations.bank_margin_mutations import BANK_MARGIN_MUTATIONS
from tests.mutations.fed_mutations import FED_MUTATIONS
from tests.mutations.holdings_mutations import HOLDINGS_MUTATIONS
from tests.mutations.mutation import Mutation, delete, one_row, update
from tests.mutations.position_and_income_mutations import POSITION_AND_INCOME_MUTATIONS
from tests.mutations.size_premium_mutations import SIZE_PREMIUM_MUTATIONS

BETAS, MARK = "marts.bank_rate_betas", "marts.bank_securities_mark"


MUTATIONS = [
    *FED_MUTATIONS,
    *BANK_MARGIN_MUTATIONS,
    *SIZE_PREMIUM_MUTATIONS,
    *POSITION_AND_INCOME_MUTATIONS,
    *HOLDINGS_MUTATIONS,
    Mutation(
        "marts.calendar",
        "no_day_is_missing",
        delete(
            "marts.calendar", "not is_nyse_session and calendar_date between '2024-07-03' and '2024-07-10'"
        ),
    ),
    Mutation(
        "marts.calendar",
        "a_month_of_sessions_has_one_last_session",
        update("marts.calendar", "is_month_end_session = true", "calendar_date = '2024-07-15'"),
    ),
    Mutation(
        "marts.calendar",
        "what_comes_next_is_not_behind",
        update("marts.calendar", "next_cpi_release_days = 40", "calendar_date = '2024-07-15'"),
    ),
    Mutation(
        "staging.price_findings",
        "served_prices_do_not_contradict_each_other",
        "insert into staging.price_findings (symbol, session_date, finding, treatment, explanation)"
        " values ('KRE', '2024-07-16', 'dividend_missing', 'adjusted_close', 'adj_close steps')",
    ),
    Mutation(
        "staging.equity_prices",
        "required_symbols_have_a_close_for_the_session",
        delete("staging.equity_prices", "symbol = 'SPY'", "session_date desc"),
    ),
    Mutation(
        "staging.equity_prices",
        "close_does_not_jump_without_a_split",
        update("staging.equity_prices", "total_return_pct = 130", "symbol = 'KRE'"),
    ),
    Mutation(
        "staging.equity_prices",
        "funds_and_shares_trade",
        "update staging.equity_prices set volume = 0"
        " where symbol = 'IWM' and session_date between '2024-06-03' and '2024-06-21'",
    ),
    Mutation(
        "staging.fed_funds_futures",
        "contract_moves_when_its_neighbours_do",
        "update staging.fed_funds_futures set settle = (select settle from staging.fed_funds_futures where"
        " contract = 'ZQV22' and settlement_date = '2022-06-15') where contract = 'ZQV22'"
        " and settlement_date between '2022-06-15' and '2022-07-15'",
        also=("settlement_is_near_its_neighbours",),
    ),
    Mutation(
        "staging.fed_funds_futures",
        "settlement_is_near_its_neighbours",
        update(
            "staging.fed_funds_futures",
            "settle = settle - 5",
            "delivery_month = '2022-10-01' and settlement_date = '2022-07-15'",
        ),
    ),
    Mutation(
        "staging.fed_funds_futures",
        "final_settlement_is_the_month_average",
        update(
            "staging.fed_funds_futures",
            "settle = settle - 0.5",
            "delivery_month = '2022-05-01'",
            "settlement_date desc",
        ),
    ),
    Mutation(
        "staging.fred_observations",
        "required_series_are_not_a_month_behind",
        "delete from staging.fred_observations where series_id = 'DGS2'"
        " and observation_date > getvariable('session_date') - interval 40 days",
    ),
    Mutation(
        "staging.fred_observations",
        "series_have_no_gaps",
        "delete from staging.fred_observations where series_id = 'DGS10'"
        " and observation_date between '2024-06-03' and '2024-06-12'",
    ),
    Mutation(BETAS, "a_fit_has_all_its_factors", delete(BETAS, "model = 'market_2y_slope'")),
    Mutation(
        BETAS,
        "a_window_holds_what_its_name_says",
        update(BETAS, "observations = 100", "estimator = 'w60'"),
    ),
    Mutation(
        BETAS,
        "few_days_make_no_event_beta",
        update(
            BETAS,
            "beta = 1, std_error = 1, t_stat = 1, critical_t = 2, p_wild = 0.5, top3_share = 0.9,"
            " reason = null",
            "model = 'surprise' and observations >= 40",
        ),
    ),
    Mutation(
        BETAS,
        "rises_and_falls_are_tested",
        update(BETAS, "p_up_equals_down = p_up_equals_down / 2", "factor = 'y2_up' and beta is not null"),
    ),
    Mutation(
        BETAS,
        "t_is_beta_over_its_standard_error",
        update(BETAS, "t_stat = t_stat + 1", "beta is not null"),
    ),
    Mutation(
        BETAS,
        "fomc_days_are_days_of_decisions",
        f"update {BETAS} set session_date = session_date + 14 where estimator = 'fomc_days'"
        f" and session_date = (select max(session_date) from {BETAS} where estimator = 'fomc_days')",
    ),
    Mutation(
        BETAS,
        "bank_funds_move_with_the_market",
        update(
            BETAS,
            "beta = 5, t_stat = 5 / std_error",
            "symbol = 'KRE' and model = 'market_2y_slope' and estimator = 'w252' and factor = 'market'",
        ),
    ),
    Mutation(
        "marts.bank_reported_losses",
        "a_quarter_ends_a_quarter",
        update("marts.bank_reported_losses", "quarter_end = quarter_end - 1"),
    ),
    Mutation(
        "marts.bank_reported_losses",
        "published_between_40_and_100_days_later",
        update("marts.bank_reported_losses", "published_on = quarter_end + 20"),
    ),
    Mutation(
        "marts.bank_reported_losses",
        "parts_sum_to_the_total",
        update("marts.bank_reported_losses", "total_usd_bn = total_usd_bn - 10", "total_usd_bn < 0"),
    ),
    Mutation(
        "marts.bank_reported_losses",
        "losses_are_negative",
        update(
            "marts.bank_reported_losses",
            "total_usd_bn = -total_usd_bn, afs_usd_bn = -afs_usd_bn, htm_usd_bn = -htm_usd_bn",
            "total_usd_bn < 0 and quarter_end >= '2022-03-31'",
        ),
    ),
    Mutation(
        MARK,
        "the_quarter_ended_before_the_session",
        update(MARK, "since_date = session_date"),
        also=("the_quarter_had_been_published",),
    ),
    Mutation(MARK, "the_quarter_had_been_published", update(MARK, "since_date = session_date - 10")),
    Mutation(
        MARK,
        "weights_are_the_whole_portfolio",
        update(MARK, "weight_pct = weight_pct - 5", "bucket <> 'covered' and weight_pct > 5"),
        also=("covered_is_the_sum_of_what_is_marked",),
    ),
    Mutation(
        MARK,
        "covered_is_the_sum_of_what_is_marked",
        update(MARK, "weight_pct = weight_pct - 1", "bucket = 'covered' and weight_pct > 1"),
    ),
    Mutation(
        MARK,
        "most_of_the_portfolio_is_covered",
        update(MARK, "weight_pct = 40", "bucket = 'covered'"),
        before=f"update {MARK} set weight_pct = 60 where bucket = 'covered'",
    ),
    Mutation(
        "marts.bank_sensitivity_daily",
        "the_move_lies_in_its_interval",
        update(
            "marts.bank_sensitivity_daily",
            "move_high_pct = move_if_yields_down_25bp_pct - 1",
            "move_if_yields_down_25bp_pct is not null",
        ),
    ),
    Mutation(
        "marts.bank_sensitivity_daily",
        "the_duration_lies_in_its_interval",
        update(
            "marts.bank_sensitivity_daily",
            "empirical_duration_unconditional_years = -empirical_duration_unconditional_years",
            "empirical_duration_unconditional_years <> 0",
        ),
    ),
    Mutation(
        "marts.bank_sensitivity_daily",
        "the_rank_lies_in_its_interval",
        update("marts.bank_sensitivity_daily", "rank_low = sensitivity_rank + 1", "rank_low is not null"),
    ),
    Mutation(
        "marts.bank_sensitivity_daily",
        "a_regime_lasts",
        update(
            "marts.bank_sensitivity_daily",
            "regime = case regime when 'unclear' then 'gains_when_rates_fall' else 'unclear' end",
            "regime is not null and regime_start_date < session_date",
        ),
    ),
    Mutation(
        "marts.bank_sensitivity_daily",
        "the_listed_banks_are_there",
        "delete from marts.bank_sensitivity_daily where entity_id = 'KRE'",
    ),
    Mutation(
        "marts.claim_checks", "verdict_has_what_it_needs", update("marts.claim_checks", "why = 'so it is'")
    ),
    Mutation(
        "marts.claim_checks",
        "a_fitted_reading_confirms_nothing",
        update("marts.claim_checks", "verdict = 'fitted_only', fitted = false"),
    ),
    Mutation(
        "marts.claim_checks",
        "the_reading_as_stated_comes_first",
        update("marts.claim_checks", "verdict_as_stated = 'confirmed'", "verdict <> 'confirmed'"),
    ),
    Mutation(
        "marts.claim_checks",
        "readings_are_counted",
        update("marts.claim_checks", "readings_agreeing = readings_tried + 1"),
    ),
    Mutation(
        "marts.claim_checks",
        "what_cannot_be_told_apart_has_its_interval",
        update("marts.claim_checks", "recomputed = 1, recomputed_low = 2, recomputed_high = 3"),
    ),
    Mutation(
        "marts.policy_turn_returns",
        "turn_mean_lies_in_its_interval",
        update("marts.policy_turn_returns", "over_market_turns = turns + 1"),
    ),
    Mutation(
        "marts.policy_turn_returns",
        "fall_within_is_no_smaller_than_the_fall_to_the_end",
        update("marts.policy_turn_returns", "turn_return_pct = deepest_drawdown_pct - 1"),
    ),
    Mutation(
        "marts.policy_turn_returns",
        "a_turn_has_its_first_sessions_in_event_responses",
        update("marts.policy_turn_returns", "session_date = session_date + 1", "symbol = 'IWM'"),
    ),
    Mutation(
        "marts.claim_checks",
        "every_claim_is_judged_within_two_weeks",
        "delete from marts.claim_checks where claim_id = (select min(claim_id) from ref.claims"
        " where as_of_date <= getvariable('session_date') - interval 14 days)",
    ),
    Mutation(
        "marts.daily_summary",
        "summary_reaches_the_session",
        delete("marts.daily_summary", "true", "session_date desc"),
    ),
    Mutation(
        "marts.daily_summary",
        "index_and_fund_tell_the_same_day",
        update("marts.daily_summary", "rut_return_1d_pct = iwm_return_1d_pct + 5"),
    ),
    Mutation(
        "marts.daily_summary",
        "a_number_or_its_reason",
        update("marts.daily_summary", "vix_close = null"),
    ),
    Mutation(
        "marts.daily_summary",
        "a_date_says_which_day_is_shown",
        update("marts.daily_summary", "fed_date = session_date + 1"),
    ),
    Mutation(
        "marts.daily_summary",
        "shown_yields_were_known",
        # The last yields of the market are of the session before the last, so that a row before it is taken.
        update(
            "marts.daily_summary",
            "curve_date = session_date",
            "session_date in (select session_date from marts.yield_curve_daily)",
            "session_date desc",
        ),
    ),
    Mutation(
        "marts.daily_summary",
        "nothing_shown_is_older_than_allowed",
        update("marts.daily_summary", "curve_date = curve_date - 14", "true", "session_date desc"),
    ),
    Mutation(
        "marts.event_responses",
        "window_of_one_is_the_pairs_daily_spread",
        update("marts.event_responses", "spread_pp = spread_pp + 1", "window_sessions = 1"),
        also=("response_is_base_less_quote",),
    ),
    Mutation(
        "marts.event_responses",
        "session_is_the_first_at_or_after_the_event",
        update("marts.event_responses", "session_date = event_date - 1", "window_sessions > 1"),
    ),
    Mutation(
        "marts.fund_score_daily",
        "score_is_the_sum_of_its_tests",
        update("marts.fund_score_daily", "is_rs_column_x = not is_rs_column_x"),
    ),
    Mutation(
        "marts.fund_score_daily",
        "a_fund_counts_itself_among_its_peers",
        update("marts.fund_score_daily", "score = score - peer_share, peer_share = 0"),
        also=("acceptable_and_strong_follow_the_score",),
    ),
    Mutation(
        "marts.fund_score_daily",
        "acceptable_and_strong_follow_the_score",
        update("marts.fund_score_daily", "is_strong = not is_strong"),
    ),
    Mutation(
        "marts.group_score_daily",
        "a_score_cannot_be_below_the_peer_share",
        update("marts.group_score_daily", "score = 0"),
    ),
    Mutation(
        "marts.group_score_daily",
        "first_place_is_the_largest_change",
        "update marts.group_score_daily set improvement_rank = 1 where rowid = (select rowid from ("
        "select rowid, score_change_30_days,"
        " max(score_change_30_days) over (partition by session_date) as top"
        " from marts.group_score_daily) where score_change_30_days < top order by rowid desc limit 1)",
    ),
    Mutation(
        "marts.macro_daily",
        "nothing_from_after_the_cutoff",
        update("marts.macro_daily", "available_at_utc = getvariable('session_date') + interval 5 days"),
    ),
    Mutation(
        "marts.macro_daily",
        "unemployment_rate_moves_slowly",
        # The small market has no jobless rate.
        "delete from marts.macro_daily where series_id = 'UNRATE'; "
        + update("marts.macro_daily", "series_id = 'UNRATE', change_1m = 3", "series_id = 'CPIAUCSL'"),
    ),
    Mutation(
        "marts.event_responses",
        "mean_lies_in_its_interval",
        update("marts.event_responses", "abnormal_events = like_events + 1"),
    ),
    Mutation(
        "marts.regimes_daily",
        "hit_rate_belongs_to_enough_windows",
        update("marts.regimes_daily", "observations = 10", "mean_forward_spread_pp is not null"),
        also=("intervals_contain_their_figure",),
    ),
    Mutation(
        "marts.regimes_daily",
        "intervals_contain_their_figure",
        update("marts.regimes_daily", "ci_low_pp = mean_forward_spread_pp + 1", "ci_low_pp is not null"),
    ),
    Mutation(
        "marts.regimes_daily",
        "regime_is_growth_and_policy",
        "update marts.regimes_daily set regime = (select max(regime) from marts.regimes_daily) where "
        + one_row(
            "marts.regimes_daily", "regime < (select max(regime) from marts.regimes_daily)", "rowid desc"
        ),
    ),
    Mutation(
        "marts.session_regimes_daily",
        "unknown_regime_has_its_reason",
        update("marts.session_regimes_daily", "regime_unknown_reason = 'rate_missing'", "regime is not null"),
    ),
    Mutation(
        "marts.session_regimes_daily",
        "regime_is_what_its_figures_say",
        update(
            "marts.session_regimes_daily",
            "rate_12m_change_63d_bp = -0.5 - rate_12m_change_63d_bp",
            "regime is not null",
        ),
    ),
    Mutation(
        "marts.session_regimes_daily",
        "only_published_claims_count",
        update(
            "marts.session_regimes_daily",
            "claims_week_date = claims_week_date + 7",
            "claims_week_date is not null",
        ),
    ),
    Mutation(
        "marts.rotation_pair_daily",
        "a_record_has_no_earlier_equal",
        update("marts.rotation_pair_daily", "is_record_high = not is_record_high", "spread_rank is not null"),
    ),
    Mutation(
        "marts.rotation_pair_daily",
        "no_place_in_too_short_a_history",
        update("marts.rotation_pair_daily", "spread_z = 1", "spread_z is null and spread_pp is not null"),
    ),
    Mutation(
        "marts.rotation_pair_daily",
        "scaling_keeps_the_sign",
        update(
            "marts.rotation_pair_daily",
            "spread_vol_scaled = -spread_vol_scaled",
            "spread_vol_scaled is not null and spread_pp <> 0",
        ),
    ),
    Mutation(
        "marts.rotation_extremes_daily",
        "no_more_cells_than_there_are",
        update("marts.rotation_extremes_daily", "cells_extreme = cells_answered + 1"),
    ),
    Mutation(
        "marts.rotation_extremes_daily",
        "every_session_with_a_spread_has_its_count",
        delete("marts.rotation_extremes_daily", "true", "session_date desc"),
    ),
    Mutation(
        "marts.rotation_state_daily",
        "quadrant_agrees_with_trend_and_momentum",
        update(
            "marts.rotation_state_daily",
            "quadrant = case quadrant when 'leading' then 'lagging' else 'leading' end",
            "quadrant is not null",
        ),
        also=("a_spell_has_its_quadrant",),
    ),
    Mutation(
        "marts.rotation_state_daily",
        "weekly_bar_is_complete",
        update("marts.rotation_state_daily", "weekly_bar_date = session_date + 1"),
    ),
    Mutation(
        "marts.rotation_state_daily",
        "one_step_of_the_ratio_is_no_cliff",
        update("marts.rotation_state_daily", "ratio = ratio * 2", order="session_date desc"),
    ),
    Mutation(
        "marts.forward_spread_daily",
        "a_window_begins_after_its_reading",
        update("marts.forward_spread_daily", "start_date = session_date"),
    ),
    Mutation(
        "marts.forward_return_daily",
        "a_return_begins_after_its_day",
        update("marts.forward_return_daily", "start_date = session_date"),
    ),
    Mutation(
        "marts.instrument_daily",
        "prices_of_a_session_share_one_split_basis",
        update("marts.instrument_daily", "high = high / 2, low = low / 2", "symbol = 'IWM'"),
    ),
    Mutation(
        "marts.rotation_to_date_daily",
        "first_session_of_a_period_has_the_pairs_daily_spread",
        update(
            "marts.rotation_to_date_daily",
            "spread_to_date_pp = spread_to_date_pp + 1",
            "period = 'week' and period_session = 1",
        ),
    ),
    Mutation(
        "marts.rotation_to_date_daily",
        "same_point_lies_a_year_before",
        update(
            "marts.rotation_to_date_daily",
            "year_before_date = session_date - 7",
            "year_before_date is not null",
        ),
    ),
    Mutation(
        "marts.monthly_returns",
        "month_ends_within_itself",
        update("marts.monthly_returns", "month_end_date = month_start_date - 1"),
    ),
    Mutation(
        "marts.monthly_spreads",
        "spread_of_a_month_is_near_that_of_prices",
        update(
            "marts.monthly_spreads",
            "month_total_return_spread_pp = month_total_return_spread_pp + 12",
            "true",
        ),
    ),
    Mutation(
        "marts.group_memberships",
        "every_membership_is_there",
        update(
            "marts.group_memberships",
            "member_last_date = member_first_date - 1",
            "member_first_date > '2000-01-01'",
        ),
    ),
    Mutation(
        "marts.inversions",
        "inversions_hold_every_inverted_session",
        update("marts.inversions", "inversion_sessions = inversion_sessions + 1"),
    ),
    Mutation(
        "marts.inversions",
        "an_inversion_ends_on_a_session_without_one",
        update("marts.inversions", "inversion_end_date = inversion_start_date"),
    ),
    Mutation(
        "marts.event_responses",
        "response_is_base_less_quote",
        update("marts.event_responses", "base_return_pct = base_return_pct + 1", "event_type = 'cpi'"),
    ),
    Mutation(
        "marts.event_responses",
        "a_turn_is_a_decision",
        "insert into marts.event_responses by name select * replace ('first_cut' as event_type)"
        " from marts.event_responses where event_type = 'cpi' order by all limit 1",
    ),
    Mutation(
        "marts.what_followed_episodes",
        "episodes_do_not_overlap",
        # One more session with a reading of the first episode, the day after it.
        "insert into marts.what_followed_episodes by name select * exclude (session_date, next_session), "
        "next_session as session_date from (select *, (select min(calendar_date) from ref.calendar where "
        "session_number is not null and calendar_date > session_date) as next_session from "
        "marts.what_followed_episodes order by all limit 1)",
        also=("episodes_are_those_listed",),
    ),
    Mutation(
        "marts.what_followed",
        "few_episodes_have_no_interval",
        update(
            "marts.what_followed",
            "p_value = 0.5, q_value = 1, excess_low_pp = 0",
            "n_episodes between 1 and 19",
        ),
    ),
    Mutation(
        "marts.what_followed",
        "episodes_are_those_listed",
        update("marts.what_followed", "n_episodes = n_episodes - 1", "n_episodes between 1 and 19"),
    ),
    Mutation(
        "marts.what_followed",
        "q_is_not_below_p",
        update("marts.what_followed", "p_value = 0.5, q_value = 0.4", "p_value is not null"),
    ),
    Mutation(
        "marts.rotation_state_daily",
        "a_spell_has_its_quadrant",
        update(
            "marts.rotation_state_daily",
            "quadrant_spell_sessions = null",
            "quadrant_spell_sessions is not null",
        ),
    ),
    Mutation(
        "marts.rotation_state_daily",
        "a_ratio_at_its_peak_is_not_below_it",
        update("marts.rotation_state_daily", "ratio_sessions_since_peak = 0", "ratio_drawdown_pct < 0"),
    ),
    Mutation(
        "marts.size_style_rank_daily",
        "ranks_of_a_session_are_one_to_n",
        update("marts.size_style_rank_daily", "rank = coalesce(rank, 1) + 1"),
    ),
    Mutation(
        "marts.size_style_rank_daily",
        "wins_are_fewer_than_opponents",
        update("marts.size_style_rank_daily", "rs_wins = members"),
        also=("the_average_lies_between_its_ends",),
    ),
    Mutation(
        "marts.size_style_rank_daily",
        "the_average_lies_between_its_ends",
        update("marts.size_style_rank_daily", "rs_wins = rs_wins_max + 0.5", "rs_wins is not null"),
    ),
]
