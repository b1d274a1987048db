-- A statement whose published figure is a month or a year, as published.
select
    claim_id,
    part,
    figure
from ref.claims where unit = 'date' and regexp_full_match(figure, '[0-9]{4}(-[0-9]{2})?')
