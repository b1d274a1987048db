"""The registered metrics: the functions that a row of ref.claims may name, and the parameters of each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from transforms.lib.claims import mart_metrics, price_metrics
from transforms.lib.claims.evidence import Evidence, Finding, Parameters


@dataclass(frozen=True)
class Metric:
    """A registered metric: its function, and the kinds of its parameters (`parameters.check_parameters`)."""

    function: Callable[[Evidence, dt.date, Parameters], Finding]
    required: Mapping[str, str]
    optional: Mapping[str, str] = field(default_factory=dict)
    is_date: bool = False


_WINDOW = {"sessions": "integer", "start": "date", "years": "integer"}
METRICS: dict[str, Metric] = {
    "return_pct": Metric(
        price_metrics.return_pct,
        {"symbol": "symbol"},
        {**_WINDOW, "price": "close,session", "start_price": "close,low,high", "return": "price,total"},
    ),
    "spread_pp": Metric(
        price_metrics.spread_pp,
        {"base": "symbol", "quote": "symbol"},
        {**_WINDOW, "price": "close,session", "kind": "spread,ratio", "return": "price,total"},
    ),
    "best_since": Metric(
        price_metrics.best_since,
        {"base": "symbol", "sessions": "integer"},
        {"quote": "symbol", "price": "close,session", "kind": "spread,ratio", "value": "number"},
        is_date=True,
    ),
    "streak_sessions": Metric(price_metrics.streak_sessions, {"symbol": "symbol", "above_pct": "0,1"}),
    "history_position": Metric(
        price_metrics.history_position,
        {"base": "symbol", "sessions": "integer", "statistic": "z,percentile,rank,per_century"},
        {"quote": "symbol", "kind": "spread,ratio"},
    ),
    "more_extreme_count": Metric(
        price_metrics.more_extreme_count,
        {"symbol": "symbol", "measure": "rsi_14,price_z_20d,distance_from_50d_pct,distance_from_200d_pct"},
        {"funds": "all,broad"},
    ),
    "drawdown_pct": Metric(price_metrics.drawdown_pct, {"symbol": "symbol"}, {"price": "close,intraday"}),
    "record_date": Metric(
        price_metrics.record_date, {"symbol": "symbol"}, {"price": "close,intraday"}, is_date=True
    ),
    "bottom_places_held": Metric(
        mart_metrics.bottom_places_held,
        {"symbols": "symbols", "places": "integer", "scores": "publisher,open"},
    ),
    "improvement_rank": Metric(mart_metrics.improvement_rank, {"group": "group", "scores": "publisher,open"}),
    "meeting_probability_pct": Metric(
        mart_metrics.meeting_probability_pct,
        {"meeting": "date", "outcome": "cut,hold,hike"},
        {"scope": "cumulative,meeting"},
    ),
    "inversion_start": Metric(mart_metrics.inversion_start, {}, is_date=True),
    "series_change_pct": Metric(
        mart_metrics.series_change_pct, {"series": "series", "from": "date", "to": "date"}
    ),
    "rate_t_stat": Metric(
        mart_metrics.rate_t_stat,
        {"symbol": "symbol"},
        {
            "estimator": "w60,w126,w252,ewm60,fomc_days",
            "model": "market_2y_slope,y2_only,y10_only,market_year_end_rate,market_level_slope_curvature,"
            "market_2y_up_down,market_2y_dimson,surprise",
            "factor": "y2,y10,slope,year_end_rate,level,curvature,y2_up,y2_down,y2_sum,surprise,y2_residual",
        },
    ),
    "bond_rate_beta": Metric(mart_metrics.bond_rate_beta, {"symbol": "symbol"}),
    "reported_loss_slope": Metric(mart_metrics.reported_loss_slope, {}),
    "regime_mean_spread_pp": Metric(
        mart_metrics.regime_mean_spread_pp,
        {
            "pair": "pair",
            "regime": "growth_up_easing,growth_up_tightening,growth_down_easing,growth_down_tightening",
            "horizon": "integer",
        },
    ),
}
