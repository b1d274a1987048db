"""The registered metrics: the functions that a row of ref.claims may name, and the parameters of each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from transforms.lib.claims import bank_metrics, fund_metrics, mart_metrics, price_metrics
from transforms.lib.claims.evidence import Evidence, Finding, Parameters


@dataclass(frozen=True)
class Metric:
    """A registered metric: its function, the kinds of its parameters (`parameters.check_parameters`), and the
    kinds of readings that lie next to one (`nearby`).
    """

    function: Callable[[Evidence, dt.date, Parameters], Finding]
    required: Mapping[str, str]
    optional: Mapping[str, str] = field(default_factory=dict)
    is_date: bool = False
    nearby: tuple[str, ...] = ()


_TURN = {"event": "first_cut,first_hike", "symbol": "symbol", "horizon": "integer"}
_BANKS = ",".join(bank_metrics.BANKS)
_WINDOW = {"sessions": "integer", "start": "date", "years": "integer"}
METRICS: dict[str, Metric] = {
    "return_pct": Metric(
        price_metrics.return_pct,
        {"symbol": "symbol"},
        {**_WINDOW, "price": "close,session", "start_price": "close,low,high", "return": "price,total"},
        nearby=("session", "window", "start", "twin"),
    ),
    "spread_pp": Metric(
        price_metrics.spread_pp,
        {"base": "symbol", "quote": "symbol"},
        {**_WINDOW, "price": "close,session", "kind": "spread,ratio", "return": "price,total"},
        nearby=("session", "window", "start", "twin"),
    ),
    "best_since": Metric(
        price_metrics.best_since,
        {"base": "symbol", "sessions": "integer"},
        {"quote": "symbol", "price": "close,session", "kind": "spread,ratio", "value": "number"},
        is_date=True,
        nearby=("session", "window", "start", "twin"),
    ),
    "streak_sessions": Metric(
        price_metrics.streak_sessions, {"symbol": "symbol", "above_pct": "0,1"}, nearby=("session", "twin")
    ),
    "history_position": Metric(
        price_metrics.history_position,
        {"base": "symbol", "sessions": "integer", "statistic": "z,percentile,rank,per_century"},
        {"quote": "symbol", "kind": "spread,ratio"},
        nearby=("session", "window", "start", "twin"),
    ),
    "more_extreme_count": Metric(
        price_metrics.more_extreme_count,
        {"symbol": "symbol", "measure": "rsi_14,price_z_20d,distance_from_50d_pct,distance_from_200d_pct"},
        {"funds": "all,broad"},
        nearby=("session", "twin"),
    ),
    "drawdown_pct": Metric(
        price_metrics.drawdown_pct,
        {"symbol": "symbol"},
        {"price": "close,intraday"},
        nearby=("session", "twin"),
    ),
    "record_date": Metric(
        price_metrics.record_date,
        {"symbol": "symbol"},
        {"price": "close,intraday", "series": "series"},
        is_date=True,
        nearby=("session", "twin"),
    ),
    "bottom_places_held": Metric(
        mart_metrics.bottom_places_held,
        {"symbols": "symbols", "places": "integer", "scores": "publisher,open"},
        nearby=("session",),
    ),
    "improvement_rank": Metric(
        mart_metrics.improvement_rank, {"group": "group", "scores": "publisher,open"}, nearby=("session",)
    ),
    "meeting_probability_pct": Metric(
        mart_metrics.meeting_probability_pct,
        {"meeting": "date", "outcome": "cut,hold,hike"},
        {"scope": "cumulative,meeting"},
        nearby=("session",),
    ),
    "inversion_start": Metric(mart_metrics.inversion_start, {}, is_date=True),
    "series_change_pct": Metric(
        mart_metrics.series_change_pct,
        {"series": "series", "from": "date", "to": "date"},
        nearby=("observed",),
    ),
    "rate_effect_pct": Metric(
        mart_metrics.rate_effect_pct,
        {"symbol": "symbol"},
        {
            "estimator": "w60,w126,w252,ewm60,fomc_days",
            "model": "market_2y_slope,y2_only,y10_only,market_year_end_rate,market_level_slope_curvature,"
            "market_2y_up_down,market_2y_dimson,surprise",
            "factor": "y2,y10,slope,year_end_rate,level,curvature,y2_up,y2_down,y2_sum,surprise,y2_residual",
        },
        nearby=("estimator", "twin"),
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
        nearby=("twin", "horizon"),
    ),
    "record_closes": Metric(
        price_metrics.record_closes,
        {"symbol": "symbol", "start": "date"},
        {"series": "series", "price": "close,intraday"},
        nearby=("session", "start", "twin"),
    ),
    "smallest_drawdown_pct": Metric(
        price_metrics.smallest_drawdown_pct,
        {"symbol": "symbol", "start": "date", "end": "date"},
        {"price": "close,intraday"},
        nearby=("start", "twin"),
    ),
    "drop_line": Metric(
        price_metrics.drop_line,
        {"symbol": "symbol", "drop_pct": "integer"},
        {"price": "close,intraday"},
        nearby=("session", "twin"),
    ),
    "price_level": Metric(
        price_metrics.price_level, {"symbol": "symbol"}, {"price": "close,high,low"}, nearby=("session",)
    ),
    "largest_gain_pct": Metric(
        price_metrics.largest_gain_pct,
        {"symbol": "symbol", "start": "date"},
        {"price": "close,session"},
        nearby=("session", "start", "twin"),
    ),
    "ratio_larger_count": Metric(
        price_metrics.ratio_larger_count,
        {"base": "symbol", "quote": "symbol", "basis": "valuation,price"},
        nearby=("session",),
    ),
    "group_score": Metric(
        mart_metrics.group_score, {"group": "group", "scores": "publisher,open"}, nearby=("session",)
    ),
    "group_score_change": Metric(
        mart_metrics.group_score_change, {"group": "group", "scores": "publisher,open"}, nearby=("session",)
    ),
    "last_policy_move": Metric(mart_metrics.last_policy_move, {"direction": "cut,hike"}, is_date=True),
    "priced_change_bp": Metric(
        mart_metrics.priced_change_bp, {"measure": "year_end,12m,next_meeting,two_year"}
    ),
    "series_trend_pct": Metric(
        mart_metrics.series_trend_pct, {"series": "series", "average": "integer", "back": "integer"}
    ),
    "series_percentile": Metric(mart_metrics.series_percentile, {"series": "series"}),
    "turn_mean_return_pct": Metric(
        mart_metrics.turn_mean_return_pct,
        _TURN,
        nearby=("horizon", "twin"),
    ),
    "turn_mean_over_market_pp": Metric(
        mart_metrics.turn_mean_over_market_pp,
        _TURN,
        nearby=("horizon", "twin"),
    ),
    "fund_score": Metric(
        fund_metrics.fund_score, {"symbol": "symbol", "scores": "publisher,open"}, nearby=("session",)
    ),
    "funds_above_count": Metric(
        fund_metrics.funds_above_count,
        {"symbols": "symbols", "score": "number", "scores": "publisher,open"},
        nearby=("session",),
    ),
    "sector_weight_pct": Metric(
        fund_metrics.sector_weight_pct,
        {"symbol": "symbol", "sectors": "sectors"},
        {"reports_back": "integer"},
        nearby=("holdings",),
    ),
    "sector_rank": Metric(
        fund_metrics.sector_rank,
        {"symbol": "symbol", "sectors": "sectors"},
        {"reports_back": "integer"},
        nearby=("holdings",),
    ),
    "positions_share_pct": Metric(
        fund_metrics.positions_share_pct,
        {"market": "market", "report": "date"},
        {"traders": "leveraged_funds,asset_managers"},
        nearby=("report",),
    ),
    "positions_change_contracts": Metric(
        fund_metrics.positions_change_contracts,
        {"market": "market", "since": "date", "report": "date"},
        {"measure": "net,shorts_closed"},
        nearby=("report", "since"),
    ),
    "size_premium_rank": Metric(
        fund_metrics.size_premium_rank,
        {"month": "date", "years": "1,10"},
        {
            "portfolios": "lo_10/hi_10,lo_20/hi_20,lo_30/hi_30",
            "weighting": "value,equal",
            "place": "windows,stretches,ratio",
        },
        nearby=("month",),
    ),
    "net_interest_income_change_pct": Metric(
        bank_metrics.net_interest_income_change_pct,
        {"symbol": "symbol", "quarter": "date"},
        {"amounts": "first_print,newest"},
        nearby=("quarter",),
    ),
    "margin_change_pp": Metric(
        bank_metrics.margin_change_pp,
        {"banks": _BANKS, "quarter": "date", "cycle": "hikes,cuts"},
        {"against": _BANKS},
        nearby=("quarter",),
    ),
}
