-- One beta on interest rates of one bank or fund on one session, by one model and one estimator, in % per +10 bp;
-- for groups, and where the bank has no estimate, the reason.
with entities as (
    select
        entity_id,
        entity_type,
        session_date,
        case
            when entity_type = 'group' then 'Group: ' || entity_name
            else entity_id || ', ' || entity_name
        end as bank_or_group
    from marts.bank_sensitivity_daily
),

-- Not materialised: one session and one bank are read of millions of rows.
rates as not materialized (
    select
        symbol,
        session_date as estimate_date,
        model,
        estimator,
        factor,
        beta,
        std_error,
        t_stat,
        critical_t,
        p_wild,
        p_up_equals_down,
        observations,
        reason
    from marts.bank_rate_betas
    where factor != 'market'
),

-- Announcement days are few: the last one up to the session counts.
of_the_session as (
    select
        entities.bank_or_group,
        entities.session_date,
        rates.*
    from entities
    inner join rates on entities.entity_id = rates.symbol and entities.session_date = rates.estimate_date
    where rates.estimator != 'fomc_days'
    union all
    select
        entities.bank_or_group,
        entities.session_date,
        rates.*
    from entities
    asof inner join (select * from rates where estimator = 'fomc_days' and factor = 'surprise') as rates
        on entities.entity_id = rates.symbol and entities.session_date >= rates.estimate_date
    union all
    select
        entities.bank_or_group,
        entities.session_date,
        rates.*
    from entities
    asof inner join (select * from rates where estimator = 'fomc_days' and factor = 'y2_residual') as rates
        on entities.entity_id = rates.symbol and entities.session_date >= rates.estimate_date
),

named as (
    select
        bank_or_group,
        session_date,
        estimate_date,
        case model
            when 'market_2y_slope' then 1
            when 'market_level_slope_curvature' then 2
            when 'market_2y_up_down' then 3
            when 'market_2y_dimson' then 4
            when 'market_year_end_rate' then 5
            when 'y2_only' then 6
            when 'y10_only' then 7
            when 'surprise' then 8
            else 9
        end as model_number,
        case model
            when 'market_2y_slope' then 'Market, 2-year yield, slope: the main one'
            when 'market_level_slope_curvature' then 'Market, level, slope, curvature'
            when 'market_2y_up_down' then 'Market, rises and falls of the 2-year apart'
            when 'market_2y_dimson' then 'Market, 2-year over three sessions (Dimson)'
            when 'market_year_end_rate' then 'Market, policy rate priced for year end'
            when 'y2_only' then '2-year yield alone, market free'
            when 'y10_only' then '10-year yield alone, market free'
            when 'surprise' then 'FOMC surprise (announcements only)'
            else model
        end as model_in_words,
        case factor
            when 'y2' then '2-year yield'
            when 'y10' then '10-year yield'
            when 'slope' then 'slope, 10-year less 2-year'
            when 'level' then 'level of yields'
            when 'curvature' then 'curvature'
            when 'y2_up' then '2-year yield on rises'
            when 'y2_down' then '2-year yield on falls'
            when 'y2_sum' then '2-year yield, sum of three sessions'
            when 'year_end_rate' then 'policy rate priced for year end'
            when 'surprise' then 'FOMC surprise'
            when 'y2_residual' then '2-year change beyond the surprise'
            else factor
        end as factor_in_words,
        estimator,
        beta,
        beta - 1.645 * std_error as beta_low,
        beta + 1.645 * std_error as beta_high,
        t_stat,
        critical_t,
        observations,
        case
            when beta is null then 'no estimate: ' || replace(coalesce(reason, 'not stated'), '_', ' ')
            -- Of few announcements the bootstrap decides.
            when estimator = 'fomc_days' then format('{}; bootstrap p {:.2f}', if(p_wild < 0.05, 'yes', 'no'), p_wild)
            when abs(t_stat) >= critical_t then 'yes'
            else 'no'
        end
        || case
            when p_up_equals_down is not null then format('; p of equal betas for rises and falls {:.2f}', p_up_equals_down)
            else ''
        end as differs_from_zero
    from of_the_session
),

without as (
    select
        bank_or_group,
        session_date,
        'Other models are estimated for shares and funds, not for groups: choose one of its members.' as why
    from entities
    where entity_type = 'group'
    union all
    select
        banks.bank_or_group,
        sessions.session_date,
        'The chosen bank has no estimate for this session: too short a history, or a price is missing.' as why
    from (select distinct bank_or_group from entities) as banks
    cross join (select distinct session_date from entities) as sessions
    anti join entities as estimated
        on banks.bank_or_group = estimated.bank_or_group and sessions.session_date = estimated.session_date
)

select * from named
union all
select
    without.bank_or_group,
    without.session_date,
    null as estimate_date,
    null as model_number,
    'None' as model_in_words,
    without.why as factor_in_words,
    estimators.estimator,
    null as beta,
    null as beta_low,
    null as beta_high,
    null as t_stat,
    null as critical_t,
    null as observations,
    null as differs_from_zero
from without
cross join (values ('w60'), ('w126'), ('w252'), ('ewm60'), ('fomc_days')) as estimators (estimator)
