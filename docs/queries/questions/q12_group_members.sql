-- Who was in which group on a day?
select group_id, group_name, symbol, instrument_name
from marts.group_memberships
where date '2024-07-16' between member_first_date and member_last_date
order by group_id, symbol;
