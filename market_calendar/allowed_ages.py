"""How old an answer may be and still speak of a session: the numbers, for models, rules, status and brief.

By name of the family (`expectations/ages.py` says what each is counted in, where its newest day is found and
what to do about it). `marts.daily_summary` carries the latest known value of a family as far as this and no
further.
"""

from __future__ import annotations

from typing import Final

ALLOWED_AGES: Final = {
    "price": 0,
    "settlement": 3,
    # Yields of a day arrive on the next business day; three days of patience come on top of that.
    "yield_curve": 4,
    "bank_estimate": 4,
    # A quarter is published 75 days after its end at the latest; the next one may be missed once.
    "bank_quarter": 260,
    "observation_of_vixcls": 4,
    "observation_of_baa10y": 4,
    "observation_of_bamlh0a0hym2": 4,
    # A week is released five days after its end; one release may be missed.
    "observation_of_icsa": 19,
}
