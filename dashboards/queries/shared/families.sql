-- One row per session and family of answers of marts.daily_summary: its newest day that was known, and why its numbers are not shown.
select
    session_date,
    unnest([ -- noqa: AL03
        { 'family': 'Fed funds futures', 'reason_column': 'fed_missing_reason', 'newest_date': fed_date, 'reason': fed_missing_reason },
        {
            'family': 'Expected policy and regime',
            'reason_column': 'regime_missing_reason',
            'newest_date': regime_date,
            'reason': regime_missing_reason
        },
        {
            'family': 'Treasury yields',
            'reason_column': 'curve_missing_reason',
            'newest_date': curve_date,
            'reason': curve_missing_reason
        },
        {
            'family': 'Sensitivity of banks to yields',
            'reason_column': 'banks_missing_reason',
            'newest_date': banks_date,
            'reason': banks_missing_reason
        },
        {
            'family': 'Sensitivity of KRE to yields',
            'reason_column': 'kre_rates_missing_reason',
            'newest_date': kre_rates_date,
            'reason': kre_rates_missing_reason
        },
        {
            'family': 'Jobless claims',
            'reason_column': 'growth_missing_reason',
            'newest_date': growth_date,
            'reason': growth_missing_reason
        },
        { 'family': 'VIX', 'reason_column': 'vix_missing_reason', 'newest_date': vix_date, 'reason': vix_missing_reason },
        {
            'family': 'Baa spread',
            'reason_column': 'baa_spread_missing_reason',
            'newest_date': baa_spread_date,
            'reason': baa_spread_missing_reason
        },
        {
            'family': 'High-yield spread',
            'reason_column': 'high_yield_spread_missing_reason',
            'newest_date': high_yield_spread_date,
            'reason': high_yield_spread_missing_reason
        }
    ], recursive := true)
from marts.daily_summary
