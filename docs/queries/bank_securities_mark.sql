-- The last estimate by bucket
select bucket, etf_symbol, weight_pct, price_change_pct, mark_pct_of_book, since_date
from latest.bank_securities_mark
order by bucket;

-- How much of the securities does it cover?
select session_date, weight_pct as covered_pct, mark_pct_of_book
from marts.bank_securities_mark
where bucket = 'covered'
order by session_date desc
limit 10;

-- The lowest mark since each reported quarter
select since_date, min(mark_pct_of_book) as lowest_mark_pct_of_book
from marts.bank_securities_mark
where bucket = 'covered'
group by since_date
order by since_date desc;
