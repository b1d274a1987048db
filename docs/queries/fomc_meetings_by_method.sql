-- What did CME publish for each meeting on a day, beside the marts' own count? 1 March 2023
select meeting_date,
    max(hike_prob) filter (where as_published) as hike_prob_as_published, max(hike_prob) filter (where method_version = 'cme_2023plus') as hike_prob,
    max(moves_priced) filter (where as_published) as moves_priced_as_published,
    max(moves_priced) filter (where method_version = 'cme_2023plus') as moves_priced
from marts.fomc_meetings_by_method
where as_of_date = date '2023-03-01'
group by meeting_date
order by meeting_date;

-- How far apart are the two counts, by year? In moves of 25 bp priced up to the meeting
select year(newer.as_of_date) as year, count(*) as meetings, median(abs(newer.moves_priced - older.moves_priced)) as median_moves,
    max(abs(newer.moves_priced - older.moves_priced)) as largest_moves
from marts.fomc_meetings_by_method as newer
inner join marts.fomc_meetings_by_method as older
    on newer.as_of_date = older.as_of_date and newer.meeting_date = older.meeting_date and older.method_version = 'cme_2022'
where newer.method_version = 'cme_2023plus' and newer.moves_priced is not null and older.moves_priced is not null
group by 1
order by 1 desc;

-- Which meetings does CME's table list on the last settlement day, and which does it leave out?
select meeting_date, cme_number, expected_rate_pct, moves_priced, reason
from marts.fomc_meetings_by_method
where as_published and as_of_date = (select max(as_of_date) from marts.fomc_meetings_by_method)
order by meeting_date;
