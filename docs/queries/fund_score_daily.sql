-- The funds by score, with what each one passes
select
    symbol,
    round(score, 2) as score,
    is_price_signal_buy,
    is_above_50d_mean,
    is_above_200d_mean,
    is_rs_column_x,
    is_rs_signal_buy,
    round(peer_share, 2) as peer_share,
    score_change_30_days
from latest.fund_score_daily
order by score desc, symbol;

-- The small-cap funds on one day
select symbol, round(score, 2) as score, is_acceptable, is_strong
from marts.fund_score_daily
where session_date = '2024-07-16' and symbol in ('IWM', 'IWN', 'IWO', 'IJR', 'VBR')
order by score desc, symbol;

-- Share of the funds that are strong, by session of the last month
select session_date, count(*) as funds, round(100 * avg(is_strong::int), 1) as strong_pct
from marts.fund_score_daily
group by session_date
order by session_date desc
limit 21;
