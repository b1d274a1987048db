"""Files that grew: which landed payloads are the loaded ones with lines appended, and what is new of them.

In: the payloads of one load. Out: per input that goes on plainly its new rows, and the days of all of its
rows. The daily run of a folder of files would read every file whole otherwise, however long, for one line.

An earlier payload is a base when it is the newest that was loaded of its input, every line of it is a row,
none of its rows went to the quarantine, and raw holds exactly its days: then raw holds what a whole reading
would find again, and the new rows alone are to be judged. Whatever is not so is read whole, and so is an
input whose new rows break a rule: its quarantine, messages and refusals come from all of its rows. Caveat:
rows that are held are not judged again when rules or reference data change, as in a file that did not change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import pandas as pd

from datasets.base import Dataset
from sources.appended import Appended, Earlier, appended, read_appended
from sources.plain_text import Days
from sources.registry import provider_class
from sources.tabular import Layout, priced, with_previous_adj_close_of_each
from warehouse.landing import Landed, PayloadDamaged, read_landed
from warehouse.settings import Settings

GrownFile = tuple[Landed, Layout, Appended]
"""A payload, its layout, and what is new of it."""


@dataclass(frozen=True)
class Grown:
    """One payload that goes on plainly.

    Attributes:
        item: the payload.
        frame: its new rows.
        earlier_rows: rows before the new ones, whatever their day.
        days: of the rows before the new ones, since the history starts, and of the new ones.
    """

    item: Landed
    frame: pd.DataFrame
    earlier_rows: int
    days: Days

    @property
    def unchanged(self) -> int:
        """Rows since the history starts that are held as they are."""
        return len(self.days) - len(self.frame)


@dataclass(frozen=True)
class _Base:
    """The newest loaded payload of an input, and how many days of the input raw holds."""

    earlier: Earlier
    source: str
    held_days: int


def grown_inputs(
    connection: duckdb.DuckDBPyConnection, settings: Settings, dataset: Dataset, landed: Iterable[Landed]
) -> dict[str, GrownFile]:
    """Payloads that are plain text and begin with a base, by input."""
    lines = dataset.lines_before
    if lines is None:
        return {}
    bases = _bases(connection, dataset, settings.history_start)
    found = {}
    for item in landed:
        base, layout = bases.get(item.input), provider_class(item.dataset, item.source).layout(item.input)
        if base is None or layout is None or item.extension != "csv" or item.source != base.source:
            continue
        try:
            content = read_landed(settings.landing, item).content
        except PayloadDamaged:
            continue  # whoever reads it whole says so
        file = appended(content, base.earlier, lines)
        if file is None or item.start > settings.history_start:
            continue
        held = file.days[: -file.new] >= np.datetime64(settings.history_start)
        if int(held.sum()) == base.held_days:
            found[item.input] = item, layout, file
    return found


def _bases(
    connection: duckdb.DuckDBPyConnection, dataset: Dataset, history_start: date
) -> Mapping[str, _Base]:
    rows = connection.execute(
        f"""
        with newest as (
            select input, payload_sha256, byte_count, rows, source, path
            from ops.payloads
            where dataset = $1
            qualify row_number() over (partition by input order by fetched_at_utc desc) = 1
                and request_start_date <= $2
        ),

        held as (
            select {dataset.key}::varchar as input, count(distinct {dataset.day}) as days
            from {dataset.table}
            group by 1
            having bool_and(availability = 'assumed')
        )

        select newest.input, newest.payload_sha256, newest.byte_count, newest.rows, newest.source, held.days
        from newest
        inner join held on newest.input = held.input
        where newest.path like '%.csv.gz'
            and newest.payload_sha256 not in (
                select payload_sha256 from ops.quarantine where payload_sha256 is not null
            )
        """,
        [dataset.name, history_start],
    ).fetchall()
    return {
        name: _Base(Earlier(sha256, size, count), source, days)
        for name, sha256, size, count, source, days in rows
    }


def plain_inputs(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    dataset: Dataset,
    files: Mapping[str, GrownFile],
    beside: pd.DataFrame,
) -> dict[str, Grown]:
    """Of the grown files those whose new rows go on plainly.

    Args:
        connection: the pipeline's database.
        settings: with the start of the history.
        dataset: the kind of input.
        files: from `grown_inputs`.
        beside: the rows that are read whole in the same load.
    """
    frame = read_appended({name: (layout, file) for name, (_, layout, file) in files.items()})
    if frame.empty:
        return {}
    if "adj_close" in frame:
        frame = with_previous_adj_close_of_each(priced(frame))
    start = settings.history_start
    frame = frame[frame[dataset.day] >= pd.Timestamp(start)]
    known = {name: pd.Timestamp(item.fetched_at_utc) for name, (item, _, _) in files.items()}
    frame = frame.assign(known_at_utc=frame["_input"].map(known))
    plain = dataset.goes_on_plainly(connection, frame, beside)
    found = {}
    for name, rows in frame[frame["_is_new"] & frame["_input"].isin(plain)].groupby("_input", sort=False):
        item, _, file = files[str(name)]
        earlier = file.days[: -file.new]
        days = np.concatenate(
            [earlier[earlier >= np.datetime64(start)], rows[dataset.day].to_numpy().astype("datetime64[D]")]
        )
        new = rows.drop(columns=["_input", "_is_new", "known_at_utc"])
        found[str(name)] = Grown(item, new, len(earlier), days)
    return found
