-- Quarters of net interest income out of the periods that filings state: the quarter itself where one does, else the difference of two
-- longer periods that begin on the same day, the shorter one as it was known at the filing of the longer one (the fourth quarter is the
-- year less nine months). First print and newest amount are those of the first and the last filing that they follow from.
with periods as (
    select
        *,
        round((period_end - period_start) / 30.44) as months
    from staging.bank_income_filings
    -- Banks' fiscal quarters are the calendar's; anything else is no quarter of these.
    where period_end = last_day(period_end) and month(period_end) % 3 = 0 and day(period_start) = 1
),

stated as (
    select
        symbol,
        concept,
        period_end as quarter_end,
        amount_usd,
        filed_on,
        form,
        accession_number,
        'stated' as quarter_basis
    from periods
    where months = 3
),

differences as (
    select
        longer.symbol,
        longer.concept,
        longer.period_end as quarter_end,
        longer.amount_usd - shorter.amount_usd as amount_usd,
        longer.filed_on,
        longer.form,
        longer.accession_number,
        case longer.months
            when 12 then 'year_less_nine_months'
            when 9 then 'nine_months_less_half'
            else 'half_less_quarter'
        end as quarter_basis
    from periods as longer
    inner join periods as shorter
        on
            longer.symbol = shorter.symbol
            and longer.concept = shorter.concept
            and longer.period_start = shorter.period_start
            and longer.months = shorter.months + 3
            and longer.filed_on >= shorter.filed_on
    where longer.months in (6, 9, 12)
    qualify
        row_number() over (
            partition by longer.symbol, longer.concept, longer.period_start, longer.period_end, longer.accession_number
            order by shorter.filed_on desc, shorter.accession_number desc
        ) = 1
),

candidates as (
    select * from stated
    union all
    select * from differences
),

-- Within a filing what it states comes before what follows from it, and the usual concept before another one.
ordered as (
    select
        *,
        row_number() over (
            partition by symbol, quarter_end
            order by
                filed_on, quarter_basis <> 'stated', concept <> 'InterestIncomeExpenseNet', concept, accession_number
        ) as from_first,
        row_number() over (
            partition by symbol, quarter_end
            order by
                filed_on desc, quarter_basis <> 'stated' asc, concept <> 'InterestIncomeExpenseNet' asc, concept asc,
                accession_number desc
        ) as from_last
    from candidates
),

newest as (
    select
        symbol,
        quarter_end,
        amount_usd
    from ordered
    where from_last = 1
),

-- The newest amount is that of the first filing that had it: later ones only repeat it.
quarters as (
    select
        ordered.symbol,
        ordered.quarter_end,
        ordered.amount_usd as net_interest_income_usd,
        ordered.quarter_basis,
        ordered.filed_on,
        ordered.form,
        ordered.accession_number,
        first_one.amount_usd as first_print_usd,
        first_one.filed_on as first_filed_on
    from ordered
    inner join newest
        on
            ordered.symbol = newest.symbol
            and ordered.quarter_end = newest.quarter_end
            and ordered.amount_usd = newest.amount_usd
    inner join ordered as first_one
        on ordered.symbol = first_one.symbol and ordered.quarter_end = first_one.quarter_end and first_one.from_first = 1
    qualify row_number() over (partition by ordered.symbol, ordered.quarter_end order by ordered.from_first) = 1
)

select
    quarters.symbol,
    quarters.quarter_end,
    quarters.net_interest_income_usd,
    case
        when year_before.net_interest_income_usd > 0
            then 100 * (quarters.net_interest_income_usd / year_before.net_interest_income_usd - 1)
    end as change_on_year_pct,
    quarters.quarter_basis,
    quarters.filed_on,
    quarters.form,
    quarters.accession_number,
    quarters.first_print_usd,
    quarters.first_filed_on,
    quarters.net_interest_income_usd <> quarters.first_print_usd as is_restated
from quarters
left join quarters as year_before
    on
        quarters.symbol = year_before.symbol
        and last_day(quarters.quarter_end - interval 1 year) = year_before.quarter_end
