-- How good were the probabilities, by horizon?
select horizon_days, scored_meetings, mean_brier_score, mean_brier_score_no_change
from marts.fomc_calibration
where method_version = 'cme_2023plus' and mean_brier_score is not null
qualify row_number() over (partition by horizon_days order by meeting_date desc) = 1
order by horizon_days;

-- The decisions that surprised most, a month before
select meeting_date, as_of_date, decided_prob, brier_score
from marts.fomc_calibration
where method_version = 'cme_2023plus' and horizon_days = 30 and brier_score is not null
order by brier_score desc, meeting_date
limit 10;

-- Were they better in some years than in others? Thirty days before
select year(meeting_date) as year, count(brier_score) as scored, count(*) - count(brier_score) as without_score, avg(brier_score) as brier_score
from marts.fomc_calibration
where method_version = 'cme_2023plus' and horizon_days = 30
group by 1
order by 1 desc;

-- How good was what CME published at the time, beside both day counts?
select horizon_days, max_by(mean_brier_score_as_published, meeting_date) filter (where as_published) as as_published,
    max_by(mean_brier_score, meeting_date) filter (where method_version = 'cme_2022') as cme_2022,
    max_by(mean_brier_score, meeting_date) filter (where method_version = 'cme_2023plus') as cme_2023plus
from marts.fomc_calibration
where brier_score is not null
group by horizon_days
order by horizon_days;
