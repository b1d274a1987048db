"""Published statements recomputed from the warehouse, and the verdict on each.

`metrics` lists the registered functions, which are in `price_metrics`, `mart_metrics`, `fund_metrics` and
`bank_metrics` and read the publication through `evidence`; `parameters` reads and checks the texts of a row
of ref.claims; `verdict` compares, `nearby` moves a reading by one step. A row holds no SQL: it names one of
the registered metrics and its parameters.

Parameters are `key=value;key=value`. `other_bases` are further readings of the same statement, divided by
` | `, each the parameters that differ (`shift=-1` is the session before; `fitted=yes` marks a reading that
was chosen because the figure comes out on it, and confirms nothing).
"""
