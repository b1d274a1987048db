-- One row per settlement day, meeting ahead and moment: that day, and a day, a week and a month before it;
-- reason: why there is no figure then.
select
    meetings.as_of_date,
    meetings.meeting_date,
    meetings.meeting_number,
    spans.span,
    case spans.span
        when 'now' then meetings.as_of_date
        when 'a day before' then meetings.compared_date_1d
        when 'a week before' then meetings.compared_date_1w
        else meetings.compared_date_1m
    end as settlement_date,
    case spans.span
        when 'now' then meetings.reason
        when 'a day before' then meetings.change_1d_reason
        when 'a week before' then meetings.change_1w_reason
        else meetings.change_1m_reason
    end as reason
from shared.fomc_meetings_daily as meetings
cross join (values ('now'), ('a day before'), ('a week before'), ('a month before')) as spans (span)
