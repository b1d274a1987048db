-- Where do the two day counts differ most?
select new.as_of_date, new.meeting_date, new.target_lower_pct, new.prob as cme_2023plus, old.prob as cme_2022
from marts.fomc_probabilities_by_method as new
inner join marts.fomc_probabilities_by_method as old
    on new.as_of_date = old.as_of_date and new.meeting_date = old.meeting_date and new.target_lower_pct = old.target_lower_pct
where new.method_version = 'cme_2023plus' and old.method_version = 'cme_2022'
order by abs(new.prob - old.prob) desc, new.as_of_date, new.meeting_date, new.target_lower_pct
limit 10;

-- Which days does each method cover?
select method_version, min(as_of_date) as from_date, max(as_of_date) as to_date, count(*) as rows
from marts.fomc_probabilities_by_method
group by method_version
order by method_version;

-- What did CME publish on 12 July 2022 for 27 July? In bp from the range in force
select method_version, 25 * moves as change_bp, target_lower_pct, target_upper_pct, prob
from marts.fomc_probabilities_by_method
where as_published and as_of_date = date '2022-07-12' and meeting_date = date '2022-07-27'
order by moves;

-- The probabilities as CME published them then, next meeting of 1 February 2023
select as_of_date, target_lower_pct, prob
from marts.fomc_probabilities_by_method
where method_version = 'cme_2022' and meeting_date = date '2023-02-01'
order by as_of_date desc, target_lower_pct
limit 20;
