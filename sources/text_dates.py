"""A column of dates as text → days, in the spellings that programs write, and never by this machine's zone or
language.

In: the texts of one column. Out: one day per row, missing where a row's text is not a date. Read are
`2024-07-16`, `20240716`, `2024/07/16`, `16 Jul 2024`, `Jul 16, 2024`, stamps at midnight, and numbers in
the order day-month or month-day where the column itself proves the order (`07/16/2024`). The whole column is
refused where it leaves two readings: an order that nothing proves, years of two digits, a time of day. A
stamp with a zone is the day as stamped when it is midnight there; written in UTC it may also be midnight in
New York or Chicago. Caveat: rows that are written differently from most of the column are not dates.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd

# The zones in which a midnight that is written in UTC may have been one.
MIDNIGHT_ZONES = ("UTC", "America/New_York", "America/Chicago")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# Between summer and winter one zone's offset changes by an hour.
ONE_ZONE = timedelta(hours=1)

_KINDS = {
    "iso": re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ]00:00(?::00(?:\.0+)?)?)?"),
    "compact": re.compile(r"((?:19|20)\d{2})(\d{2})(\d{2})(?:\.0)?"),
    "year_first": re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})"),
    "zoned": re.compile(
        r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?) ?(Z|UTC|[+-]\d{2}(?::?\d{2})?)"
    ),
    "moment": re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?"),
    "slashes": re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})"),
    "dots": re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})"),
    "dashes": re.compile(r"(\d{1,2})-(\d{1,2})-(\d{4})"),
    "short_year": re.compile(r"\d{1,2}[/.-]\d{1,2}[/.-]\d{2}"),
    "day_month_name": re.compile(r"(\d{1,2})[- ]([A-Za-z]{3})[a-z]*[- ,]+(\d{4})"),
    "month_name_day": re.compile(r"([A-Za-z]{3})[a-z]*[. ]+(\d{1,2}),? (\d{4})"),
}


class UnclearDates(ValueError):
    """The column can be read in more than one way, or not at all; the message says why and what to do."""


def read_dates(texts: pd.Series, zone: str | None = None, order: str | None = None) -> pd.Series:
    """The days of a column of texts; missing where a text is not a date.

    Args:
        texts: the column, blanks around the texts removed.
        zone: the time zone that the file states for the column.
        order: `month_first` or `day_first` where the layout of the file promises it.

    Raises:
        UnclearDates: the column as a whole cannot be read without a guess.
    """
    if texts.str.fullmatch(r"\d{4}-\d{2}-\d{2}").all():
        return pd.to_datetime(texts, format="%Y-%m-%d", errors="coerce")
    kinds = texts.map(_kind_of)
    counts = kinds[kinds != ""].value_counts()
    if counts.empty:
        if (texts != "").any():
            raise UnclearDates("no row has a date that can be read; write dates as 2024-07-16")
        return _days(texts, lambda text: None)
    kind = str(counts[counts == counts.max()].index.sort_values()[0])
    chosen = texts[kinds == kind]
    return _days(texts.where(kinds == kind, ""), _reader(kind, chosen, zone, order))


def _kind_of(text: str) -> str:
    return next((kind for kind, pattern in _KINDS.items() if pattern.fullmatch(text)), "")


def _days(texts: pd.Series, read: Callable[[str], date | None]) -> pd.Series:
    days = [read(text) if text else None for text in texts]
    return pd.to_datetime(pd.Series(days, index=texts.index, dtype="object"), errors="coerce").astype(
        "datetime64[us]"
    )


def _reader(kind: str, texts: pd.Series, zone: str | None, order: str | None) -> Callable[[str], date | None]:
    """The function that reads one text of the kind."""
    pattern, example = _KINDS[kind], texts.iloc[0]
    if kind == "moment":
        raise UnclearDates(
            f"the dates have a time of day and no time zone ({example!r}); write the day alone, as 2024-07-16"
        )
    if kind == "short_year":
        raise UnclearDates(f"the dates have years of two digits ({example!r}); write them as 2024-07-16")
    if kind == "zoned":
        return _zoned_reader(texts, zone)
    parts = (2, 1, 0)
    if kind in ("slashes", "dots", "dashes"):
        parts = _proven_order(texts, pattern, order)
    elif kind in ("iso", "compact", "year_first"):
        parts = (0, 1, 2)
    elif kind == "month_name_day":
        parts = (2, 0, 1)

    def read(text: str) -> date | None:
        found = pattern.fullmatch(text)
        assert found is not None
        groups = found.groups()
        year, month, day = (groups[position] for position in parts)
        return _day(year, month, day)

    return read


def _day(year: str, month: str, day: str) -> date | None:
    number = int(month) if month.isdigit() else _month_number(month)
    try:
        return date(int(year), number, int(day))
    except ValueError:
        return None


def _month_number(name: str) -> int:
    return MONTHS.index(name.lower()) + 1 if name.lower() in MONTHS else 0


def _proven_order(texts: pd.Series, pattern: re.Pattern[str], order: str | None) -> tuple[int, int, int]:
    """Positions of year, month and day: proven by a number above twelve, else as the layout promises."""
    numbers = texts.str.extract(pattern).astype(int)
    day_first, month_first = bool((numbers[0] > 12).any()), bool((numbers[1] > 12).any())
    promised = {"day_first": (True, False), "month_first": (False, True)}.get(order or "")
    if day_first and month_first:
        raise UnclearDates(
            "the dates are in two orders, day before month and month before day; write them as 2024-07-16"
        )
    if not (day_first or month_first):
        if promised is None:
            raise UnclearDates(
                f"the dates may be day before month or month before day (the first is {texts.iloc[0]!r});"
                " write them as 2024-07-16"
            )
        day_first, month_first = promised
    return (2, 1, 0) if day_first else (2, 0, 1)


def _zoned_reader(texts: pd.Series, zone: str | None) -> Callable[[str], date | None]:
    """The day as stamped: midnight by the offset that is written, or midnight in one zone."""
    moments = {text: _moment(text) for text in texts.unique()}
    known = [moment for moment in moments.values() if moment is not None]
    if not known:
        raise UnclearDates("no row has a date that can be read; write dates as 2024-07-16")
    offsets = {moment.utcoffset() or timedelta(0) for moment in known}
    in_utc = offsets == {timedelta(0)}
    for candidate in _candidates(zone, in_utc):
        local = [moment if candidate is None else moment.astimezone(candidate) for moment in known]
        spread = max(offsets) - min(offsets)
        if all(_is_midnight(moment) for moment in local) and (candidate or spread <= ONE_ZONE):
            return lambda text: _local_day(moments[text], candidate)
    stated = f" in {zone}" if zone else ""
    late = next(
        (text for text, moment in moments.items() if moment and not _is_midnight(moment)), texts.iloc[0]
    )
    raise UnclearDates(
        f"the dates have a time zone and are not midnight{stated} in one zone ({late!r}): the day that is"
        " meant cannot be told; write the day alone, as 2024-07-16"
    )


def _candidates(zone: str | None, in_utc: bool) -> list[tzinfo | None]:
    """The zones to try: the stated one, else the offset as written, else those of `MIDNIGHT_ZONES`; a column
    that states UTC is only written so.
    """
    if zone and zone != "UTC":
        try:
            return [ZoneInfo(zone)]
        except (ZoneInfoNotFoundError, ValueError):
            return [_fixed_offset(zone)]
    return [ZoneInfo(name) for name in MIDNIGHT_ZONES] if in_utc or zone else [None]


def _fixed_offset(zone: str) -> tzinfo:
    """The zone of a text such as `-05:00`; UTC where it is none, which is then checked like any other."""
    try:
        return datetime.fromisoformat(f"2000-01-01T00:00:00{zone}").tzinfo or UTC
    except ValueError:
        return UTC


def _moment(text: str) -> datetime | None:
    found = _KINDS["zoned"].fullmatch(text)
    assert found is not None
    day, time, offset = found.groups()
    # Nanoseconds are more than Python holds; what is below a microsecond is not midnight either.
    whole, _, fraction = time.partition(".")
    if fraction and int(fraction):
        whole += "." + fraction[:6].ljust(6, "0") if int(fraction[:6]) else ".000001"
    try:
        return datetime.fromisoformat(f"{day}T{whole}{'+00:00' if offset in ('Z', 'UTC') else offset}")
    except ValueError:
        return None


def _is_midnight(moment: datetime) -> bool:
    return (moment.hour, moment.minute, moment.second, moment.microsecond) == (0, 0, 0, 0)


def _local_day(moment: datetime | None, zone: tzinfo | None) -> date | None:
    if moment is None:
        return None
    return (moment if zone is None else moment.astimezone(zone)).date()
