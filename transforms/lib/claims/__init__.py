"""Published statements recomputed from the warehouse, and the verdict on each.

`metrics` lists the registered functions, which are in `price_metrics` and `mart_metrics` and read the
publication through `evidence`; `parameters` reads and checks the texts of a row of ref.claims; `verdict`
compares. A row holds no SQL: it names one of the registered metrics and its parameters.

Parameters are `key=value;key=value`. `other_bases` are further readings of the same statement, divided by
` | `, each the parameters that differ (and `shift=-1` for the session before).
"""
