"""Readings next to a reading: would a verdict hold a session earlier or later, or on the other index?

In: a metric and its parameters. Out: for each neighbour the parameters that change (`shift` in sessions). The
kinds of neighbours are registered with each metric; none is chosen by hand for a row.

    session    the session before and after
    window     one session more and one less
    start      counted from the session before and after
    twin       the other index or fund on the same shares
    estimator  the other lengths of the regression
    horizon    the next shorter and longer horizon
    observed   the observation before and after the first one of a series
    holdings   the holdings report before
    report     the report on positions before and after
    since      the report from which a change is counted, the one before and after
    month      the month before and after
    quarter    the quarter before and after
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

from transforms.lib.claims.evidence import Evidence, Parameters
from transforms.lib.claims.metrics import METRICS

_TWINS = [("^RUT", "IWM"), ("^GSPC", "SPY"), ("^NDX", "QQQ"), ("^DJI", "DIA"), ("KRE", "KBE"), ("IJH", "MDY")]
TWINS = {name: other for pair in _TWINS for name, other in (pair, pair[::-1])}
ESTIMATORS = ("w60", "w126", "w252")
HORIZONS = (21, 63, 126, 252)
Neighbours = Iterator[dict[str, str]]


def neighbours(evidence: Evidence, metric: str, parameters: Parameters) -> list[dict[str, str]]:
    """What each registered neighbour of a reading changes."""
    return [
        change
        for kind in METRICS[metric].nearby
        for change in KINDS[kind](evidence, metric, dict(parameters))
    ]


def _session(evidence: Evidence, metric: str, p: dict[str, str]) -> Neighbours:
    yield {"shift": "-1"}
    yield {"shift": "1"}


def _window(evidence: Evidence, metric: str, p: dict[str, str]) -> Neighbours:
    if "sessions" not in p or "start" in p:  # a start says where the window begins
        return
    for sessions in (int(p["sessions"]) - 1, int(p["sessions"]) + 1):
        if sessions >= 1:
            yield {"sessions": str(sessions)}


def _start(evidence: Evidence, metric: str, p: dict[str, str]) -> Neighbours:
    if "start" in p:
        number = evidence.session_at(dt.date.fromisoformat(p["start"]))
        for beside in (number - 1, number + 1):
            if beside in evidence.dates:
                yield {"start": str(evidence.dates[beside])}


def _twin(evidence: Evidence, metric: str, p: dict[str, str]) -> Neighbours:
    if "pair" in p:
        symbols = p["pair"].split("/")
        if all(symbol in TWINS for symbol in symbols):
            yield {"pair": "/".join(TWINS[symbol] for symbol in symbols)}
        return
    named = [key for key in ("symbol", "base", "quote") if key in p]
    if named and all(p[key] in TWINS for key in named):
        yield {key: TWINS[p[key]] for key in named}


def _estimator(evidence: Evidence, metric: str, p: dict[str, str]) -> Neighbours:
    own = p.get("estimator", ESTIMATORS[-1])
    yield from ({"estimator": name} for name in ESTIMATORS if own in ESTIMATORS and name != own)


def _horizon(evidence: Evidence, metric: str, p: dict[str, str]) -> Neighbours:
    own = int(p["horizon"])
    place = HORIZONS.index(own) if own in HORIZONS else len(HORIZONS)
    for beside in (place - 1, place + 1):
        if 0 <= beside < len(HORIZONS) and place < len(HORIZONS):
            yield {"horizon": str(HORIZONS[beside])}


def _observed(evidence: Evidence, metric: str, p: dict[str, str]) -> Neighbours:
    for day in evidence.observations_beside(p["series"], dt.date.fromisoformat(p["from"])):
        yield {"from": str(day)}


def _holdings(evidence: Evidence, metric: str, p: dict[str, str]) -> Neighbours:
    yield {"reports_back": str(int(p.get("reports_back", 0)) + 1)}


def _report(evidence: Evidence, metric: str, p: dict[str, str]) -> Neighbours:
    for day in evidence.reports_beside(p["market"], dt.date.fromisoformat(p["report"])):
        if str(day) > p.get("since", ""):
            yield {"report": str(day)}


def _since(evidence: Evidence, metric: str, p: dict[str, str]) -> Neighbours:
    for day in evidence.reports_beside(p["market"], dt.date.fromisoformat(p["since"])):
        if str(day) < p["report"]:
            yield {"since": str(day)}


def _month(evidence: Evidence, metric: str, p: dict[str, str]) -> Neighbours:
    yield from ({"month": str(_months_on(p["month"], count))} for count in (-1, 1))


def _quarter(evidence: Evidence, metric: str, p: dict[str, str]) -> Neighbours:
    yield from ({"quarter": str(_months_on(p["quarter"], count))} for count in (-3, 3))


def _months_on(end: str, count: int) -> dt.date:
    """The last day of the month so many months after one that ends on a day."""
    year, month = divmod(12 * int(end[:4]) + int(end[5:7]) + count, 12)
    return dt.date(year, month + 1, 1) - dt.timedelta(days=1)


KINDS: dict[str, Callable[[Evidence, str, dict[str, str]], Neighbours]] = {
    "session": _session,
    "window": _window,
    "start": _start,
    "twin": _twin,
    "estimator": _estimator,
    "horizon": _horizon,
    "observed": _observed,
    "holdings": _holdings,
    "report": _report,
    "since": _since,
    "month": _month,
    "quarter": _quarter,
}
