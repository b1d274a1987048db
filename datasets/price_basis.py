"""Are served closes on the basis of the held ones? A split restates every close before it; a symbol may
come to mean another company.

In: a parsed price frame and the last closes held. Out: whether the whole history must come again, and a
refusal where no split explains the change.
"""

from __future__ import annotations

from typing import Any

# A served close that differs by more from the held one is on another basis, not a correction in the last
# cent.
RESTATED_SHARE = 0.005


def has_new_split(frame: Any, known_until: str) -> bool:
    import pandas as pd

    splits = frame[frame["split"].notna() & ~frame["split"].isin([0.0, 1.0])]
    return bool((splits["session_date"] > pd.Timestamp(known_until)).any()) if known_until else False


def _ratios(frame: Any, held: dict[str, float]) -> Any:
    """Served over held close, on the sessions that both have."""
    import pandas as pd

    served = frame.drop_duplicates("session_date").set_index("session_date")["close"]
    before = pd.Series({pd.Timestamp(day): close for day, close in held.items()}, dtype="float64")
    return (served.reindex(before.index) / before).dropna()


def is_restated(frame: Any, held: dict[str, float]) -> bool:
    """Closes that are held come on another basis: a split whose event is late, or another company under the
    same symbol.
    """
    return bool((~_near(_ratios(frame, held), 1)).sum() > 1)


def require_one_basis(symbol: str, frame: Any, item: dict[str, Any]) -> None:
    """A whole history may replace the held one when one factor leads from one to the other and no held
    session stays behind.
    """
    from sources.protocol import Unreadable

    ratios = _ratios(frame, item.get("held", {}))
    by_splits = ratios * 0 + 1
    for day, ratio in frame.loc[frame["split"] > 0, ["session_date", "split"]].itertuples(index=False):
        by_splits[by_splits.index < day] /= ratio
    explained = _near(ratios, 1) | _near(ratios / by_splits, 1)
    if not explained.all() and not _near(ratios / ratios.median(), 1).all():
        raise Unreadable(
            f"prices/{symbol}: the served closes differ from the held ones by factors from {ratios.min():.4g}"
            f" to {ratios.max():.4g}, which no split explains; the symbol may now stand for another company."
            " The history held is kept; nothing new is loaded"
        )
    first = frame["session_date"].min()
    if item.get("held_from") and str(first.date()) > item["held_from"] and not _near(ratios, 1).all():
        raise Unreadable(
            f"prices/{symbol}: on the new basis the source serves from {first.date()} only, and"
            f" {item['held_from']} on is held; loading it would leave a cliff. The history held is kept;"
            " nothing new is loaded"
        )


def _near(values: Any, target: float) -> Any:
    return (values / target - 1).abs() <= RESTATED_SHARE
