-- One part of banks' securities on one session: its estimated gain or loss since the last published quarter, or why there is none.
select
    session_date,
    bucket,
    case bucket
        when 'lt_1y' then 1
        when '1_3y' then 2
        when '3_5y' then 3
        when '5_10y' then 4
        when 'gt_10y' then 5
        when 'mbs' then 6
        else 7
    end as part_number,
    case bucket
        when 'lt_1y' then 'Under 1 year'
        when '1_3y' then '1 to 3 years'
        when '3_5y' then '3 to 5 years'
        when '5_10y' then '5 to 10 years'
        when 'gt_10y' then 'Over 10 years'
        when 'mbs' then 'Mortgage-backed'
        when 'covered' then 'Together, where the fund has prices'
        else bucket
    end as part_of_the_securities,
    etf_symbol,
    weight_pct,
    price_change_pct,
    mark_pct_of_book,
    since_date,
    'since ' || strftime(since_date, '%Y-%m-%d') as since_in_words,
    case when price_change_pct is null then 'the fund has no prices here' else 'weight ' || weight_basis end as note
from marts.bank_securities_mark
union all
select
    sessions.session_date,
    null as bucket,
    null as part_number,
    'No estimate' as part_of_the_securities,
    null as etf_symbol,
    null as weight_pct,
    null as price_change_pct,
    null as mark_pct_of_book,
    null as since_date,
    null as since_in_words,
    'none of the quarters held here had been published by this session' as note
from (select distinct session_date from marts.bank_sensitivity_daily) as sessions
anti join marts.bank_securities_mark as marked on sessions.session_date = marked.session_date
