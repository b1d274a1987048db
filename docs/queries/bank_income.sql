-- Net interest income of the newest quarter of each bank, with the change on the year
select symbol, quarter_end, net_interest_income_usd / 1e6 as usd_mn, change_on_year_pct, filed_on
from marts.bank_income
qualify row_number() over (partition by symbol order by quarter_end desc) = 1
order by change_on_year_pct desc;

-- Which quarters were restated, and by how much?
select symbol, quarter_end, first_print_usd / 1e6 as first_usd_mn, net_interest_income_usd / 1e6 as newest_usd_mn, filed_on
from marts.bank_income
where is_restated
order by filed_on desc;

-- The sum of all banks by quarter, with the number of banks in it
select quarter_end, count(*) as banks, sum(net_interest_income_usd) / 1e9 as usd_bn
from marts.bank_income
group by quarter_end
order by quarter_end desc;

-- How long after its end was a quarter known?
select form, count(*) as quarters, median(first_filed_on - quarter_end) as days
from marts.bank_income
group by form
order by form;
