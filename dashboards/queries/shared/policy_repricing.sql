-- One row per row of marts.policy_repricing, with the kind of day in words: what came out since the settlement day before.
select
    as_of_date,
    horizon,
    change_bp,
    reason,
    coalesce(
        replace(
            replace(replace(replace(replace(event_types, '+', ' and '), 'cpi', 'CPI'), 'fomc', 'FOMC'), 'jobs', 'Jobs report'),
            'jackson_hole',
            'Jackson Hole'
        ),
        'No release'
    ) as release
from marts.policy_repricing
