"""Whether the served values of a series mean what the held ones mean: the same unit, the same series.

In: the served and the held values of a series by day. Out: the reason for a refusal, or None. Bounds come
from the series' own history; a series of which nothing is held is compared with the range of
`ref.fred_series`, a rate also with the federal funds rate. Caveat: rates near zero hide a factor; what
is left is a matter of `ref.cross_checks`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

# The newest days that are compared with what is held.
COMPARED_DAYS = 250
LEAST_DAYS = 5
# A factor that differs from 1 by less is a revision; ratios within it of each other are one factor.
REVISED_SHARE = 0.02
# How near a step must be to a power of ten, in powers of ten: daily rates and indices move by a third at the
# most, sums by a tenth; a factor of ten alone must be met closely. (Claims rose 10.7-fold in one week of
# March 2020: 0.028 from ten.)
NEAR_POWER, NEAR_POWER_OF_SUMS, NEAR_TEN = 0.15, 0.04, 0.01
# A step counts when it is larger than every step before it, and than any decision on rates: cut to zero, a
# rate is a tenth of the one before.
LARGER_THAN_ANY, LEAST_STEP = 1.5, 1.5
# A rate against the funds rate: days on which that is above 1 %, and how much nearer another unit must bring
# it.
FUNDS_RATE_ABOVE, LEAST_COMMON_DAYS, FAR_FROM_FUNDS_RATE, NEARER = 1.0, 20, 0.75, 0.2
UNITS = {100.0: "fractions instead of per cent", 0.01: "basis points instead of per cent"}


@dataclass(frozen=True)
class Meaning:
    """What `ref.fred_series` says of a series."""

    series_id: str
    frequency: str
    units: str
    plausible_min: float
    plausible_max: float

    @property
    def is_rate(self) -> bool:
        """Whether it is a daily rate in per cent."""
        return self.frequency == "daily" and self.units == "%"

    @property
    def is_index(self) -> bool:
        """Whether it is a daily index, which is never near zero: its moves are shares of its level."""
        return self.frequency == "daily" and self.units == "index points"

    def is_near_power(self, powers: pd.Series) -> pd.Series:
        """Whether steps, in powers of ten, are near a whole number other than 0."""
        whole = powers.round()
        if self.frequency == "daily" and self.units in ("%", "pp", "index points"):
            near: float | pd.Series = NEAR_POWER
        else:
            near = pd.Series(NEAR_POWER_OF_SUMS, index=powers.index).where(whole.abs() > 1, NEAR_TEN)
        return (whole != 0) & ((powers - whole).abs() <= near)


def changed_meaning(
    meaning: Meaning, served: pd.Series, held: pd.Series, funds_rate: pd.Series, *, whole: bool
) -> str | None:
    """Why the served values must not be loaded beside the held ones; None when they may.

    Args:
        meaning: what is known of the series.
        served: values by day, ascending, blanks left out.
        held: likewise.
        funds_rate: the federal funds rate likewise, served or held.
        whole: whether the served rows are all of their range, not only what was revised.
    """
    if served.empty:
        return None
    found = _outside(meaning, served) or _other_unit_than_funds_rate(meaning, served, funds_rate)
    if found is None and not held.empty:
        found = (
            _restated(meaning, served, held, whole=whole)
            or _rescaled(meaning, served, held)
            or _stepped(meaning, served, held)
        )
    elif found is None:
        found = _stepped_within(meaning, served)
    return f"fred/{meaning.series_id}: {found}" if found else None


def _outside(meaning: Meaning, served: pd.Series) -> str | None:
    wrong = served[(served < meaning.plausible_min) | (served > meaning.plausible_max)]
    if len(wrong) * 2 <= len(served):
        return None
    return (
        f"{len(wrong):,} of {len(served):,} served values lie outside {meaning.plausible_min:g} to"
        f" {meaning.plausible_max:g} (the newest {_shown(wrong)}), the range of the series in"
        " fred_series.csv: they are in another unit, or of another series; a range that is wrong is changed"
        " there."
    )


def _other_unit_than_funds_rate(meaning: Meaning, served: pd.Series, funds_rate: pd.Series) -> str | None:
    if not meaning.is_rate or meaning.series_id == "DFF":
        return None
    common = pd.concat([served, funds_rate], axis=1, join="inner", keys=["rate", "funds"])
    common = common[common["funds"] >= FUNDS_RATE_ABOVE].tail(COMPARED_DAYS)
    if len(common) < LEAST_COMMON_DAYS:
        return None
    distance = (common["rate"] - common["funds"]).abs().median()
    for factor, unit in UNITS.items():
        other = (common["rate"] * factor - common["funds"]).abs().median()
        if distance > FAR_FROM_FUNDS_RATE and other < NEARER * distance:
            return (
                f"the served values (the newest {_shown(served)}) are far from the federal funds rate"
                f" (DFF {common['funds'].iloc[-1]:g}) and near it as {unit}."
            )
    return None


def _restated(meaning: Meaning, served: pd.Series, held: pd.Series, *, whole: bool) -> str | None:
    """One factor for all days that are held, or other values on most of them."""
    common = pd.concat([served, held], axis=1, join="inner", keys=["served", "held"]).tail(COMPARED_DAYS)
    if len(common) < LEAST_DAYS:
        return None
    changed = common[(common["served"] - common["held"]).abs() > 1e-9]
    ratios = (common["served"] / common["held"])[common["held"] != 0]
    factor = float(ratios.median()) if len(ratios) else 1.0
    # Another series at a similar level has ratios near each other too: one factor keeps far from 1.
    spread = min(REVISED_SHARE, abs(factor - 1) / 10)
    one_factor = factor != 0 and ((ratios / factor - 1).abs() <= spread).mean() >= 0.9
    newest = common.iloc[-1]
    example = f"{common.index[-1].date()}: {newest['served']:g} against {newest['held']:g}"
    if len(ratios) >= LEAST_DAYS and one_factor and abs(factor - 1) > REVISED_SHARE:
        return (
            f"the served values are {factor:.4g} times the held ones ({example}): they are in another unit."
        )
    if whole and meaning.frequency == "daily" and len(changed) * 2 > len(common):
        return (
            f"{len(changed)} of {len(common)} days that are held have other values ({example}): it is another"
            " series, or all of it was revised."
        )
    return None


def _rescaled(meaning: Meaning, served: pd.Series, held: pd.Series) -> str | None:
    """Some days that are held come back multiplied by a power of ten; a single one inside is a slip of its
    row.
    """
    common = pd.concat([served, held], axis=1, join="inner", keys=["served", "held"])
    far = (common["served"] - common["held"]).abs() > LEAST_STEP
    off = meaning.is_near_power(_powers(common["served"], common["held"])) & far
    if common.empty or not (off.sum() > 1 or off.iloc[-1]):
        return None
    day, values = common[off].index[-1], common[off].iloc[-1]
    return (
        f"{int(off.sum())} of {len(common)} days that are held come back as a power of ten of the held value"
        f" ({day.date()}: {values['served']:g} against {values['held']:g}), a step by a power of ten: the"
        " values are in another unit."
    )


def _stepped(meaning: Meaning, served: pd.Series, held: pd.Series) -> str | None:
    """A step by a power of ten on a day that is not held."""
    new = served[served.index > held.index[-1]]
    if new.empty:
        return None
    values = pd.concat([held.tail(1), new])
    largest = float(held.diff().abs().max()) if len(held) > 1 else 0.0
    places = _decimals(held.tail(COMPARED_DAYS))
    powers = _powers(values, values.shift(1))
    near = meaning.is_near_power(powers)
    # Divided by ten, an index steps by less than it once rose.
    usual_power = float(_powers(held, held.shift(1)).abs().max()) if meaning.is_index else float("inf")
    for position in near.to_numpy().nonzero()[0]:
        before, after = float(values.iloc[position - 1]), float(values.iloc[position])
        if (
            abs(after - before) > max(LARGER_THAN_ANY * largest, LEAST_STEP)
            or abs(float(powers.iloc[position])) > LARGER_THAN_ANY * usual_power
            or _decimals(values.iloc[[position]]) > places
        ):
            return _step_sentence(values, int(position))
    return None


def _stepped_within(meaning: Meaning, served: pd.Series) -> str | None:
    """A step by a power of ten inside a first load, far beyond the steps that are none; single rows are
    slips.
    """
    values = served[~single_errors(meaning, served)]
    powers, sizes = _powers(values, values.shift(1)), values.diff().abs()
    near = meaning.is_near_power(powers)
    usual_power = float(powers[~near].abs().max()) if meaning.is_index else float("inf")
    far = near & (
        (sizes > max(LARGER_THAN_ANY * float(sizes[~near].max()), LEAST_STEP))
        | (powers.abs() > LARGER_THAN_ANY * usual_power)
    )
    return _step_sentence(values, list(far).index(True)) if far.any() else None


def _step_sentence(values: pd.Series, position: int) -> str:
    before, after = values.iloc[position - 1], values.iloc[position]
    return (
        f"{before:g} on {values.index[position - 1].date()} is followed by {after:g} on"
        f" {values.index[position].date()}, a step by a power of ten: the values are in another unit."
    )


def single_errors(meaning: Meaning, values: pd.Series) -> pd.Series:
    """Rows that are a power of ten off the rows before and after them, which agree with each other.

    Args:
        meaning: what is known of the series.
        values: by day, ascending.
    """
    before, after = values.shift(1), values.shift(-1)
    powers, back = _powers(values, before), _powers(values, after)
    usual = values.diff().abs().median()
    wrong = (
        meaning.is_near_power(powers)
        & meaning.is_near_power(back)
        & (powers.round() == back.round())
        & ((values - before).abs() > max(LEAST_STEP, 10 * usual))
    )
    return wrong.fillna(False).astype(bool)


def _powers(values: pd.Series, others: pd.Series) -> pd.Series:
    """The ratio in powers of ten; NaN where one is missing, zero or of the other sign."""
    ratios = (values / others.where(others != 0)).where(values * others > 0)
    return pd.Series(np.log10(ratios.to_numpy()), index=ratios.index)


def _decimals(values: pd.Series) -> int:
    """The most digits after the point that a value has."""
    texts = values.map(lambda value: f"{value:.9f}".rstrip("0").partition(".")[2])
    return int(texts.str.len().max()) if len(texts) else 0


def _shown(values: pd.Series) -> str:
    return f"{values.iloc[-1]:g} on {values.index[-1].date()}"
