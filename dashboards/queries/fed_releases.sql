-- One row per kind of day by what came out since the settlement day before: CPI, the jobs report, an FOMC decision, Jackson Hole, none.
select distinct
    coalesce(
        replace(
            replace(replace(replace(replace(event_types, '+', ' and '), 'cpi', 'CPI'), 'fomc', 'FOMC'), 'jobs', 'Jobs report'),
            'jackson_hole',
            'Jackson Hole'
        ),
        'No release'
    ) as release
from marts.policy_repricing
