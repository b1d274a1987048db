"""What a person may write for a statement: SQL, or the name of a query of docs/queries.

`rotation_pair_daily` is the first query of its file, `rotation_pair_daily:2` the second, and
`q03_spreads_to_date` one of the questions of docs/queries/questions.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from warehouse.settings import REPOSITORY

FOLDER = REPOSITORY / "docs" / "queries"
NAME = re.compile(r"([a-z][a-z0-9_]*)(?::(\d+))?")


class UnknownQuery(ValueError):
    """No query has that name; the message names close ones."""


def statement_of(text: str, folder: Path = FOLDER) -> str:
    """The SQL of a name, or the text itself when it is SQL.

    Raises:
        UnknownQuery: it is a single word, so no SQL, and no query has that name.
    """
    found = NAME.fullmatch(text.strip())
    if not found:
        return text.strip().rstrip(";").rstrip()
    name, number = found[1], int(found[2] or 1)
    files = {path.stem: path for path in sorted(folder.rglob("*.sql"))}
    if name not in files:
        close = difflib.get_close_matches(name, files, n=3, cutoff=0.4) or list(files)[:3]
        raise UnknownQuery(
            f"docs/queries has no query {name}; close to it: {', '.join(close)}. Name one of them, or write a"
            " statement such as 'from marts.daily_summary'."
        )
    queries = [part.strip() for part in files[name].read_text(encoding="utf-8").split(";") if part.strip()]
    if not 1 <= number <= len(queries):
        raise UnknownQuery(
            f"{files[name].name} of docs/queries has {len(queries)} queries, and {number} is asked for."
        )
    return queries[number - 1]
