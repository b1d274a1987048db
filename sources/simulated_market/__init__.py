"""A made-up market: prices, a fed funds futures strip, a yield curve and macro series that belong together.

In: the reference frames: instruments (one row per symbol), FRED series (per series), FOMC meetings (per
decision) and the calendar (per day). Out: CSV bytes in the layout of `sources.tabular`, one payload per
symbol, contract or series.

The policy rate follows the target ranges of the meeting list (flat after the last known decision). What the
market expects of each meeting converges on its outcome; a contract settles at 100 - the calendar-day
average of the expected EFFR, an `effective_date` being the first day at the new rate. Yields are averages
of the same path plus a term premium. Returns are total returns of common factors (market with GJR-GARCH
variance, Glosten, Jagannathan and Runkle 1993; size, value, tech, banks, changes of the 2- and 10-year
yield) plus own noise, with Student-t shocks and a handful of scripted episodes.

Everything is made over a fixed horizon, whatever range is requested, and every symbol draws from a stream
of its own, so that neither a later end nor another symbol changes a value. Caveat: the futures strip knows
today's DFF and the dates of scheduled meetings before they are announced; and what later policy will be
shapes prices and inflation slightly: a real market does not.

Modules, each uses those before it: `arrays` and `grid` (days and series of numbers), `meetings`, `rates`
(policy rate, expectations, yields), `futures`, `traits` (how an instrument behaves), `factors`, `prices`,
`macro` and `fred`, `market` (the payloads).
"""

from sources.simulated_market.grid import UnknownInputError
from sources.simulated_market.market import SimulatedMarket

__all__ = ["SimulatedMarket", "UnknownInputError"]
