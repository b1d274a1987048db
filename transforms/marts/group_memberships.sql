-- Members of each group with the first and the last day of their membership and the names of both. In: ref.group_members, ref.groups,
-- ref.instruments, ref.calendar. A membership without a bound gets the first or the last day of the calendar, so that "who belonged to it
-- on that day" is one condition.
select
    members.group_id,
    members.symbol,
    groups.name as group_name,
    groups.group_kind,
    instruments.name as instrument_name,
    coalesce(members.member_from, (select min(calendar_date) from ref.calendar)) as member_first_date,
    coalesce(members.member_to, (select max(calendar_date) from ref.calendar)) as member_last_date,
    members.membership_note
from ref.group_members as members
inner join ref.groups as groups on members.group_id = groups.group_id
inner join ref.instruments as instruments on members.symbol = instruments.symbol
