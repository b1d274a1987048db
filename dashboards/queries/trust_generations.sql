-- One row per generation: its session, when it was published, how long its run took, the rows that its run loaded and built, and how its
-- steps ended. What is loaded counts the payloads that were read; what is built counts the rows of all tables, carried over or computed.
select
    publication.generation,
    publication.session_date,
    publication.data_source,
    publication.published_at_utc,
    date_diff('second', min(runs.started_at_utc), publication.published_at_utc) / 60.0 as minutes_until_built,
    max(runs.rows) filter (where runs.step = 'fetch') as payloads_fetched,
    max(runs.rows) filter (where runs.step = 'load') as rows_loaded,
    max(runs.rows) filter (where runs.step = 'build') as rows_built,
    count(*) filter (where runs.outcome = 'warning') as steps_with_warnings,
    coalesce(max(runs.message) filter (where runs.step = 'build'), 'no remark') as message,
    publication.code_version,
    publication.run_id
from ops.publication as publication
left join ops.runs as runs on publication.run_id = runs.run_id
group by
    publication.generation,
    publication.session_date,
    publication.data_source,
    publication.published_at_utc,
    publication.code_version,
    publication.run_id
