-- Who was a regional bank on a day?
select symbol, instrument_name, member_first_date, member_last_date, membership_note
from marts.group_memberships
where group_id = 'regional' and date '2016-03-01' between member_first_date and member_last_date
order by symbol;

-- All groups and their members at present
select group_kind, group_name, list(symbol order by symbol) as members
from marts.group_memberships
where (select max(session_date) from marts.instrument_daily) between member_first_date and member_last_date
group by all
order by group_kind, group_name;

-- Which groups does a bank belong to, since when and until when?
select group_name, member_first_date, member_last_date
from marts.group_memberships
where symbol = 'WAL'
order by group_name;
