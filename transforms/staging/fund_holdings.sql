-- The newest version of every report that could be had by the cut-off. A corrected report replaces all sectors of the one before, also
-- those that it no longer has; its rows share one hash.
with known as (
    select
        *,
        max_by(report_sha256, known_at_utc) over (partition by file_symbol, report_date) as newest_sha256
    from pipeline.raw.fund_holdings
    where available_at_utc <= getvariable('cutoff_utc')
),

sessions as (
    select
        calendar_date as session_date,
        close_at_utc - case when early_close then interval 210 minute else interval 390 minute end as open_at_utc
    from ref.calendar
    where is_nyse_session
),

newest as (
    select *
    from known
    where report_sha256 = newest_sha256
    qualify row_number() over (partition by file_symbol, report_date, sector order by known_at_utc desc) = 1
)

select
    newest.file_symbol,
    newest.report_date,
    newest.sector,
    newest.sector_weight_pct,
    newest.sector_value_usd,
    newest.sector_holdings,
    sessions.session_date as report_known_date,
    newest.source
from newest
asof inner join sessions on newest.available_at_utc < sessions.open_at_utc
