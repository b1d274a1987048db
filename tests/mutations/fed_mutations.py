"""What breaks the rules on the Fed's tables; see tests/mutations/table_mutations.py."""

from __future__ import annotations

from tests.mutations.mutation import Mutation, delete, one_row, update

CURRENT_COUNT = "method_version = 'cme_2023plus' and prob > 0.1"
PROBABILITIES, BY_METHOD = "marts.fomc_probabilities", "marts.fomc_probabilities_by_method"
METHODS, DAILY = "marts.fomc_meetings_by_method", "marts.fomc_meetings_daily"
CHANGES, LOOK_BACK = "staging.fomc_meeting_changes", "marts.fomc_probability_changes"
HISTORY = "marts.fomc_meeting_history"
ERRORS, SKILL = "marts.policy_path_errors", "marts.fomc_skill"
RELIABILITY = "marts.fomc_reliability"
DOTS, GAPS = "marts.fomc_projections", "marts.market_versus_dots"
# The recorded market has no projections.
A_DOT = (
    f"insert into {DOTS} (projection_date, target, target_year, median_dot_pct, repeated, available_at_utc,"
    " availability, data_source) values ('2024-06-12', '2024', 2024, 5.1, false, '2024-06-12 18:00:00',"
    " 'vintage', 'files')"
)
A_GAP = (
    f"insert into {GAPS} (as_of_date, target, target_year, projection_date, projection_age_days,"
    " median_dot_pct, gap_bp, data_source)"
    " values ('2024-07-15', '2024', 2024, '2024-06-12', 33, 5.1, -40, 'files')"
)

FED_MUTATIONS = [
    Mutation(
        "staging.fomc_decisions",
        "listed_decisions_and_the_target_range_agree",
        update("staging.fomc_decisions", "conflict = 'a day off'", "conflict is null"),
    ),
    Mutation(
        "staging.fomc_decisions",
        "a_missing_outcome_has_a_reason",
        update("staging.fomc_decisions", "upper_after = null", "upper_after is not null"),
    ),
    Mutation(
        "marts.policy_surprises",
        "a_change_is_known_or_has_a_reason",
        update("marts.policy_surprises", "decided_change_bp = null", "decided_change_bp is not null"),
    ),
    Mutation(
        DAILY,
        "a_band_is_around_its_rate_or_says_why_not",
        update(
            DAILY, "expected_rate_low_pct = expected_rate_low_pct - 0.1", "expected_rate_low_pct is not null"
        ),
    ),
    Mutation(
        "marts.policy_surprises",
        "a_path_surprise_is_known_or_has_a_reason",
        update("marts.policy_surprises", "path_surprise_reason = null", "path_surprise_reason is not null"),
    ),
    Mutation(
        ERRORS,
        "an_outcome_counts_after_it_came_into_force",
        update(ERRORS, "usable_from_date = meeting_date"),
    ),
    Mutation(
        ERRORS,
        "the_error_is_that_of_the_calibration",
        update(ERRORS, "implied_less_decided_bp = 7", "implied_less_decided_bp is not null"),
    ),
    Mutation(
        ERRORS,
        "the_path_is_off_by_less_than_a_point_a_month_ahead",
        update(
            ERRORS,
            "rms_error_bp = 70, scored_meetings = 30",
            "horizon_days = 30 and scored_meetings between 20 and 39",
        ),
    ),
    Mutation(
        ERRORS,
        "what_is_missing_has_its_reason",
        update(ERRORS, "mean_error_bp = null", "mean_error_bp is not null"),
    ),
    Mutation(
        SKILL,
        "the_parts_of_a_score_add_up",
        update(SKILL, "reliability_score = reliability_score + 0.1", "reliability_score is not null"),
    ),
    Mutation(
        SKILL,
        "skill_is_that_of_the_scored_meetings",
        update(
            SKILL, "scored_meetings = scored_meetings + 1", "years_counted = 'all' and scored_meetings > 50"
        ),
    ),
    Mutation(
        SKILL,
        "an_interval_of_a_gain_is_there_from_forty_meetings_on",
        update(SKILL, "gain_over_no_change_low = null", "gain_over_no_change_low is not null"),
    ),
    Mutation(
        RELIABILITY,
        "a_share_lies_in_its_interval",
        update(
            RELIABILITY, "came_true_low_share = 0.99, came_true_high_share = 1", "came_true_low_share < 0.5"
        ),
    ),
    Mutation(
        RELIABILITY,
        "a_mean_probability_lies_in_its_bin",
        update(RELIABILITY, "mean_prob = 0.3", "bin_lower_prob = 0.5 and mean_prob is not null"),
    ),
    Mutation(
        RELIABILITY,
        "a_share_without_an_interval_says_why",
        update(RELIABILITY, "interval_reason = null", "interval_reason is not null"),
    ),
    Mutation(
        "marts.policy_path_daily",
        "peak_and_trough_are_the_ends_of_the_meetings",
        update(
            "marts.policy_path_daily", "path_trough_pct = path_peak_pct", "path_trough_pct < path_peak_pct"
        ),
    ),
    Mutation(
        "marts.fomc_calibration",
        "the_market_beats_no_change_the_day_before",
        update(
            "marts.fomc_calibration",
            "mean_brier_score = 0.6, mean_brier_score_no_change = 0.6, scored_meetings = 25",
            "horizon_days = 1",
        ),
        also=("skill_is_that_of_the_scored_meetings",),
    ),
    Mutation(
        "marts.fomc_calibration",
        "a_forecast_is_older_than_its_meeting",
        update("marts.fomc_calibration", "as_of_date = meeting_date", "horizon_days = 1"),
    ),
    Mutation(
        DAILY,
        "the_next_meeting_is_solved_on_the_newest_day",
        update(DAILY, "solved = null", order="as_of_date desc, meeting_date"),
    ),
    Mutation(
        DAILY,
        "cut_hold_and_hike_sum_to_one",
        update(DAILY, "cut_prob = cut_prob + 0.2", "cut_prob < 0.5"),
        also=(
            "the_figures_are_those_of_the_current_count",
            "rows_are_those_of_the_daily_table",
        ),
    ),
    Mutation(
        PROBABILITIES,
        "probabilities_sum_to_one",
        update(PROBABILITIES, "prob = prob / 2", "prob > 0.1"),
        also=(
            "the_current_count_is_the_main_table",
            "now_is_the_probability_table",
            "the_look_back_is_the_table_of_that_day",
            "the_likeliest_range_is_in_the_table",
        ),
    ),
    Mutation(
        BY_METHOD,
        "the_current_count_is_the_main_table",
        f"update {BY_METHOD} set prob = prob / 2 where {one_row(BY_METHOD, CURRENT_COUNT, 'rowid')}",
        also=(
            "probabilities_sum_to_one",
            "figures_are_those_of_the_probability_table",
        ),
    ),
    Mutation(
        BY_METHOD,
        "probabilities_sum_to_one",
        update(BY_METHOD, "prob = prob / 2", "method_version <> 'cme_2023plus' and prob > 0.1"),
        also=("figures_are_those_of_the_probability_table",),
    ),
    Mutation(
        "marts.policy_path_daily",
        "one_path_fits_the_settlements_of_the_day",
        update("marts.policy_path_daily", "curve_residual_bp = 5", order="as_of_date desc"),
    ),
    Mutation(
        "marts.policy_path_daily",
        "year_end_rate_is_that_of_the_years_last_meeting",
        update(
            "marts.policy_path_daily",
            "year_end_rate_pct = year_end_rate_pct + 0.1",
            "year_end_rate_pct is not null and exists (select 1 from marts.fomc_meetings_daily as meetings"
            " where meetings.as_of_date = policy_path_daily.as_of_date and meetings.solved is not null"
            " and year(meetings.meeting_date) = year(policy_path_daily.as_of_date))",
        ),
    ),
    Mutation(
        "marts.policy_path_daily",
        "what_is_missing_says_why",
        update("marts.policy_path_daily", "bp_priced_12m = null, rate_12m_reason = null"),
    ),
    Mutation(
        "marts.policy_repricing",
        "three_horizons_for_every_day_of_the_path",
        delete("marts.policy_repricing", "true"),
    ),
    Mutation(
        "marts.policy_repricing",
        "a_missing_change_has_a_reason",
        update("marts.policy_repricing", "change_bp = null, reason = null"),
    ),
    Mutation(
        "marts.policy_repricing",
        "a_day_moves_the_year_end_rate_by_less_than_a_point",
        update("marts.policy_repricing", "change_bp = 150, reason = null", order="as_of_date desc"),
    ),
    Mutation(
        "marts.policy_surprises",
        "every_decision_between_two_settlements_has_a_row",
        delete(
            "marts.policy_surprises",
            "meeting_date < (select max(as_of_date) from marts.policy_path_daily)"
            " and meeting_date > (select min(as_of_date) from marts.policy_path_daily)",
        ),
    ),
    Mutation(
        "marts.policy_surprises",
        "a_surprise_is_smaller_than_the_largest_on_record",
        update("marts.policy_surprises", "surprise_bp = -90"),
    ),
    Mutation(
        "staging.implied_averages",
        "every_settlement_has_its_average",
        update("staging.implied_averages", "implied_average_pct = implied_average_pct + 0.01"),
    ),
    Mutation(
        "staging.fomc_moves",
        "a_degraded_row_names_its_contract",
        update("staging.fomc_moves", "missing_contract = 'ZQF24'", "solved is not null and reason is null"),
    ),
    Mutation(
        "staging.fomc_moves_2022",
        "the_meetings_are_those_of_the_current_count",
        update("staging.fomc_moves_2022", "meeting_number = meeting_number + 1"),
    ),
    Mutation(
        CHANGES,
        "three_spans_for_every_meeting",
        delete(CHANGES, "span = '1m'"),
    ),
    Mutation(
        CHANGES,
        "the_day_compared_with_is_the_last_settlement_day_of_its_span",
        update(
            CHANGES, "compared_date = compared_date - 1", "span = '1w' and reason = 'compared_day_missing'"
        ),
    ),
    Mutation(
        CHANGES,
        "on_the_range_of_today_below_is_a_cut",
        update(
            CHANGES,
            "below_prob = 1, at_prob = 1, above_prob = 1",
            "below_prob is null and base_upper_pct is not null",
        ),
    ),
    Mutation(
        METHODS,
        "a_meeting_shows_only_while_it_is_known_and_ahead",
        "update ref.fomc_meetings set known_from_date = known_from_date + 400 where decision_date ="
        f" (select max(meeting_date) from {METHODS})",
    ),
    Mutation(METHODS, "one_count_is_as_published", update(METHODS, "as_published = not as_published")),
    Mutation(
        METHODS,
        "figures_are_those_of_the_probability_table",
        update(METHODS, "moves_priced = moves_priced + 0.1", "moves_priced is not null"),
    ),
    Mutation(
        METHODS,
        "what_is_missing_says_why",
        update(METHODS, "implied_change_bp = null", "reason is null and implied_change_bp is not null"),
    ),
    Mutation(
        METHODS,
        "a_degraded_row_names_its_contract",
        update(METHODS, "missing_contract = 'ZQF24'", "cut_prob is not null and missing_contract is null"),
    ),
    Mutation(
        DAILY,
        "the_figures_are_those_of_the_current_count",
        update(DAILY, "cut_prob = cut_prob - 0.2, hold_prob = hold_prob + 0.2", "cut_prob > 0.3"),
        also=("rows_are_those_of_the_daily_table",),
    ),
    Mutation(
        DAILY,
        "probabilities_on_a_fixed_base_sum_to_one",
        update(DAILY, "at_base_1w_prob = at_base_1w_prob + 0.1", "at_base_1w_prob is not null"),
    ),
    Mutation(
        DAILY,
        "a_change_of_the_rate_is_the_difference_of_two_rows",
        update(DAILY, "expected_rate_change_1m_bp = 12.5", "change_1m_reason = 'compared_day_missing'"),
    ),
    Mutation(
        DAILY,
        "a_missing_change_has_a_reason",
        update(DAILY, "change_1d_reason = null", "expected_rate_change_1d_bp is null"),
    ),
    Mutation(
        LOOK_BACK,
        "now_is_the_probability_table",
        update(LOOK_BACK, "prob = prob / 2", "prob > 0.1"),
        also=("each_day_sums_to_one",),
    ),
    Mutation(
        LOOK_BACK,
        "the_look_back_is_the_table_of_that_day",
        update(LOOK_BACK, "prob_1w_ago = prob_1w_ago / 2", "prob_1w_ago > 0.1"),
        also=("each_day_sums_to_one",),
    ),
    Mutation(
        LOOK_BACK,
        "each_day_sums_to_one",
        delete(LOOK_BACK, "prob = 0 and prob_1m_ago > 0.1"),
        also=("now_is_the_probability_table",),
    ),
    Mutation(
        HISTORY,
        "rows_are_those_of_the_daily_table",
        delete(HISTORY, "true"),
    ),
    Mutation(
        HISTORY,
        "the_way_so_far_holds_the_rate_of_the_day",
        update(
            HISTORY, "lowest_expected_rate_pct = expected_rate_pct + 0.1", "expected_rate_pct is not null"
        ),
    ),
    Mutation(
        HISTORY,
        "the_likeliest_range_is_in_the_table",
        update(HISTORY, "likeliest_prob = likeliest_prob / 2", "likeliest_prob is not null"),
    ),
    Mutation(
        "marts.policy_surprises",
        "a_surprise_is_known_or_has_a_reason",
        update("marts.policy_surprises", "surprise_bp = null", "surprise_bp is not null"),
    ),
    Mutation(
        "marts.fomc_calibration",
        "a_score_is_known_or_has_a_reason",
        update("marts.fomc_calibration", "brier_score = null", "brier_score is not null"),
    ),
    Mutation(
        DOTS,
        "projections_come_with_a_scheduled_decision",
        update(
            DOTS,
            "projection_date = projection_date + 1, available_at_utc = available_at_utc + interval 1 day",
        ),
        before=A_DOT,
    ),
    Mutation(
        DOTS,
        "a_projection_is_not_available_before_its_day",
        update(DOTS, "available_at_utc = projection_date + interval 1 hour"),
        before=A_DOT,
    ),
    Mutation(
        GAPS,
        "dots_are_not_newer_than_the_settlement",
        update(GAPS, "projection_date = as_of_date + 1"),
        before=A_GAP,
    ),
    Mutation(GAPS, "a_gap_is_missing_or_has_no_reason", update(GAPS, "gap_bp = null"), before=A_GAP),
    Mutation(
        GAPS,
        "the_market_agrees_with_decided_dots",
        update(GAPS, "projection_date = '2023-12-13', target_year = 2023, gap_bp = 25"),
        before=A_GAP,
    ),
]
