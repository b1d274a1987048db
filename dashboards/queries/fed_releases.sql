-- One row per kind of day by what came out since the settlement day before: CPI, the jobs report, an FOMC decision, Jackson Hole, none.
select distinct release
from shared.policy_repricing
