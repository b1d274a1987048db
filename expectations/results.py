"""One result per rule, in the shape of `ops.validation_results`."""

from __future__ import annotations

from typing import Any, TypedDict

import pandas as pd

from warehouse.catalog import Table

SAMPLE_ROWS = 5
# Columns that do not help to see why a row is wrong.
NOT_SHOWN = ("payload_sha256", "known_at_utc", "run_id")


class RuleResult(TypedDict):
    """A row of `ops.validation_results`, without the run."""

    table_name: str
    rule: str
    column_name: str | None
    severity: str
    passed: bool
    checked_rows: int
    failed_rows: int
    sample: str | None


def rule_result(
    table: Table,
    rule: str,
    column: str | None,
    severity: str,
    checked: int,
    failed: int,
    sample: pd.DataFrame | str | None,
) -> RuleResult:
    """The result of one rule.

    Args:
        table: the table checked.
        rule: name of the rule.
        column: the column it is about, if it is about one.
        severity: critical, warning or info.
        checked: rows checked.
        failed: rows that broke the rule.
        sample: some of these rows, or a sentence.
    """
    text = sample if isinstance(sample, str) else None
    if isinstance(sample, pd.DataFrame) and failed:
        shown = sample[
            [name for name in sample.columns if name not in NOT_SHOWN and not name.startswith("_")]
        ]
        text = "; ".join(
            ", ".join(f"{key}={_plain(value)}" for key, value in row.items())
            for row in shown.head(SAMPLE_ROWS).to_dict("records")
        )
    return {
        "table_name": table.full_name,
        "rule": rule,
        "column_name": column,
        "severity": severity,
        "passed": failed == 0,
        "checked_rows": checked,
        "failed_rows": failed,
        "sample": text,
    }


def _plain(value: Any) -> str:
    if isinstance(value, pd.Timestamp) and value == value.normalize():
        return str(value.date())
    return "NULL" if pd.isna(value) else str(value)
