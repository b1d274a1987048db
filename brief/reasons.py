"""Reasons of the Fed marts, and of betas on FOMC days, in words.

In: a reason of `warehouse/catalog/columns/fomc.yml` and the contract that a row lacks. Out: a part of a
sentence. Caveat: `ZQG25` names the year by two digits; contracts begin in 1988.
"""

from __future__ import annotations

from typing import Final

from transforms.lib.fomc import MONTH_CODES

FIRST_YEAR: Final = 1988
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SOLVED_ANOTHER_WAY: Final = (
    "no usable price of {contract}, so worked out another way than CME would: not FedWatch’s figure"
)

REASONS: Final = {
    "price_missing": "no settlement of {contract}, which is needed",
    "price_refused": "the settlement of {contract}, which is needed, is not believed",
    "forward_amplification_above_4": (
        "the error of the price would be more than four times as large in the result"
    ),
    "needs_prior_anchor": (
        "the decision falls on the first days of its month, and no price gives the rate before it"
    ),
    "no_anchor_before": "no month without a meeting lies before it whose price gives the rate",
    "two_decisions_in_month": "two decisions in one month, which one contract cannot tell apart",
    "later_contract_missing": _SOLVED_ANOTHER_WAY,
    "own_contract_missing": _SOLVED_ANOTHER_WAY,
    "earlier_contract_missing": _SOLVED_ANOTHER_WAY,
    "earlier_meeting_degraded": (
        "an earlier meeting, on which it rests, has no usable price of {contract}: not FedWatch’s figure"
    ),
    "amplification_above_4": "the error of a price is more than four times as large in the result",
    "residual_above_10_bp": "the prices of its months disagree by more than 10 bp",
    "earlier_meeting_unsolved": "an earlier meeting could not be priced",
    "target_range_unknown": "the target range in force is not known",
    "no_meeting_known": "no meeting is known",
    "announcements_below_40": "fewer than 40 announcements",
    "degenerate_window": "a factor does not move, or is made of the others",
    "surprises_above_a_tick_below_20": "fewer than 20 announcements moved the contract by more than a tick",
    "top3_share_above_70_pct": "three days carry more than 70 % of the factor",
    "too_few_contracts": "too few contracts",
    "previous_day_missing": "no settlements on the day before",
    "compared_day_missing": "no settlements on that day",
    "meeting_not_known_then": "the meeting was not known then",
    "unsolved_then": "the meeting could not be priced then",
    "solved_differently": (
        "worked out another way on one of the two days, so that part of the change is not news"
    ),
    "meeting_not_known": "the last meeting of that year was not known yet",
    "dots_repeated": "no dots are dated by these projections, so those of before are taken as repeated",
    "too_few_meetings": "too few past meetings",
    "too_few_forecasts": "fewer than twenty forecasts",
    "all_alike": "all or none came true",
    "beyond_365_days": "more than a year ahead, where errors are not scored",
    "before_first_rate": "there was no such rate yet",
    "rate_missing": "a rate of that day is missing",
    "expected_inflation_missing": "no expected inflation of the last two months",
    "not_in_force_yet": "the decision is not in force yet",
    "range_series_missing": "the series of the target range is missing",
    "range_series_contradicts_dff": "the series of the target range contradicts the effective rate",
}


def reason_words(reason: str, contract: str | None) -> str:
    """A reason as a part of a sentence, with the contract that is missing."""
    words = REASONS.get(reason, reason.replace("_", " "))
    return words.format(contract=contract_words(contract) if contract else "a contract")


def unpriced_words(reason: str, contract: str | None) -> str:
    """Why a meeting has no probabilities, and in any case the contract that is missing."""
    words = reason_words(reason, contract)
    if contract is None or contract in words:
        return words
    return f"{words}; no usable price of {contract_words(contract)}"


def contract_words(contract: str) -> str:
    """`ZQG25 (Feb 2025)`."""
    century = 1900 if int(contract[3:]) >= FIRST_YEAR % 100 else 2000
    return f"{contract} ({_MONTHS[MONTH_CODES.index(contract[2])]} {century + int(contract[3:])})"
