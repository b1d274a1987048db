-- One row per settlement day and FOMC decision up to it: how far the decision and the path moved against what was priced, or why that is
-- not known; decisions_back is 1 for the newest decision.
select
    chosen.as_of_date,
    decisions.meeting_date,
    decisions.decided_change_bp,
    decisions.surprise_bp,
    decisions.path_surprise_bp,
    decisions.path_surprise_12m_bp,
    decisions.contract,
    concat_ws(
        '; ',
        replace(decisions.reason, '_', ' ') || ' (' || decisions.contract || ')',
        case
            when decisions.reason is null or decisions.path_surprise_reason != 'surprise_missing'
                then 'path: ' || replace(decisions.path_surprise_reason, '_', ' ')
        end
    ) as reason,
    row_number() over (partition by chosen.as_of_date order by decisions.meeting_date desc) as decisions_back
from marts.policy_path_daily as chosen
inner join marts.policy_surprises as decisions
    on chosen.as_of_date >= decisions.as_of_date
