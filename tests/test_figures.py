"""The parts of the drawings: marks of the time axis, places of labels, quadrants, what a drawing holds."""

from __future__ import annotations

import datetime as dt

import pytest

from brief import figures
from brief.figures.labels import label_rows, place_labels
from brief.figures.time_axis import time_axis


def weekly(first: dt.date, weeks: int) -> figures.Points:
    return [{"d": str(first + dt.timedelta(7 * week)), "v": float(week % 9 - 4)} for week in range(weeks)]


@pytest.mark.parametrize(
    ("weeks", "first", "last", "words"),
    [
        (1300, "2005-01-01", "2020-01-01", "%Y"),
        (30, "2000-02-01", "2000-06-01", '"2000-02-01": "Feb 2000", "2000-04-01": "Apr"'),
        (6, "2000-01-10", "2000-02-07", "%-d %b"),
    ],
)
def test_the_time_axis_has_few_marks_inside_the_data(weeks: int, first: str, last: str, words: str) -> None:
    axis = time_axis(weekly(dt.date(2000, 1, 3), weeks))["axis"]
    marks = axis["values"]
    assert (marks[0], marks[-1]) == (first, last)
    assert 3 <= len(marks) <= 6
    assert words in axis.get("format", "") + axis.get("labelExpr", "")


@pytest.mark.parametrize(
    ("trend", "momentum", "name"),
    [
        (101, 101, "leading"),
        (100, 100, "leading"),
        (99, 101, "improving"),
        (99, 99, "lagging"),
        (101, 99, "weakening"),
    ],
)
def test_a_position_names_its_quadrant(trend: float, momentum: float, name: str) -> None:
    assert figures.Position("IWM/SPY", trend, momentum, 0, True).quadrant == name


def test_words_above_bars_move_up_where_they_would_touch() -> None:
    assert label_rows([(0, 40), (30, 40), (60, 40), (200, 40)]) == [0, 1, 0, 0]


def test_labels_of_dots_keep_clear_of_each_other_and_of_the_edge() -> None:
    dots, names = [(160.0, 160.0), (166.0, 162.0), (325.0, 160.0)], ["IWM/SPY", "IWM/QQQ", "KRE/KBWB"]
    boxes = []
    for (px, py), name, (dx, dy, align) in zip(dots, names, place_labels(dots, names, 330), strict=True):
        width = 7.4 * len(name)
        left = px + dx - {"left": 0, "right": width, "center": width / 2}[align]
        boxes.append((left, py + dy - 7, left + width, py + dy + 7))
    assert all(left >= 0 and right <= 330 for left, _, right, _ in boxes)
    for index, one in enumerate(boxes):
        for other in boxes[:index]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_a_gap_of_one_line_does_not_break_another() -> None:
    points = weekly(dt.date(2024, 1, 1), 20)
    for point in points[5:8]:
        point["w"] = 1.0
    spec = figures.lines(points, [("v", "all", figures.BLUE), ("w", "few", figures.ORANGE)], unit="pp")
    drawn = [one["data"]["values"] for one in spec["layer"] if one["mark"].get("type") == "line"]
    assert [len(values) for values in drawn] == [20, 3]
    words = [one["mark"] for one in spec["layer"] if one["mark"].get("text") == "few"]
    assert ["stroke" in mark for mark in words] == [True, False], "a line that ends early has a halo"


def test_a_strip_stands_below_the_values() -> None:
    points = weekly(dt.date(2024, 1, 1), 20)
    strip = ([{"d": "2024-01-01", "until": "2024-03-01", "regime": "up"}], {"up": "red", "down": "blue"})
    spec = figures.lines(points, [("v", "v", figures.BLUE)], unit="pp", strip=strip)
    below = spec["layer"][0]["encoding"]
    assert below["y"]["datum"] == below["y"]["scale"]["domain"][0] < below["y2"]["datum"] < -4.4
    assert below["color"]["scale"] == {"domain": ["up", "down"], "range": ["red", "blue"]}


def shares(day: str, run: int = 0, **held: float) -> figures.Points:
    """Ranges of one day, the lowest first."""
    points, bottom = [], 0.0
    for number, (name, share) in enumerate(held.items()):
        points.append(
            {"d": day, "range": name, "moves": number - 1, "from": bottom, "to": bottom + share, "run": run}
        )
        bottom += share
    return points


def test_areas_are_labelled_at_the_right_or_inside_where_they_were_largest() -> None:
    points = [
        *shares("2024-01-02", low=90, mid=10, high=0),
        *shares("2024-04-02", low=28, mid=62, high=10),
        *shares("2024-07-02", low=2, mid=3, high=95),
    ]
    labels = [
        (one["mark"]["text"], one["data"]["values"][0]["d"], one["data"]["values"][0]["from"])
        for one in figures.range_areas(points)["layer"][1:]
    ]
    assert labels == [("high", "2024-07-02", 52.5), ("low", "2024-01-02", 45.0), ("mid", "2024-04-02", 59.0)]


def test_labels_inside_areas_do_not_cover_each_other() -> None:
    points = [
        *shares("2024-01-02", low=48, mid=40, high=12),
        *shares("2024-01-05", low=30, mid=55, high=15),
        *shares("2024-07-02", low=0, mid=0, high=100),
    ]
    spec = figures.range_areas(points, height=20)
    assert [one["mark"]["text"] for one in spec["layer"][1:]] == ["high", "mid"]


def test_days_without_a_distribution_leave_a_gap() -> None:
    points = [*shares("2024-01-02", low=60, high=40), *shares("2024-02-02", run=1, low=50, high=50)]
    area = figures.range_areas(points)["layer"][0]
    assert area["encoding"]["detail"] == [{"field": "run", "type": "ordinal"}]
    assert area["encoding"]["color"]["scale"] == {"domain": [-1, 0], "range": ["var(--cut1)", "var(--hold)"]}


def test_bars_of_a_day_come_before_those_of_the_days_before() -> None:
    points = [
        {"range": name, "look": look, "share": 50.0, "shown": "50 %"}
        for name in ("5.00–5.25", "5.25–5.50")
        for look in ("share", "share_1w")
    ]
    bars = figures.range_bars(points, ["share", "share_1w"])["layer"][0]["encoding"]
    assert bars["yOffset"]["sort"] == bars["color"]["scale"]["domain"] == ["share", "share_1w"]
    assert bars["y"]["sort"] == ["5.00–5.25", "5.25–5.50"]
    assert bars["color"]["scale"]["range"] == [figures.BLUE, figures.GREY]


def test_a_band_of_steps_holds_until_the_next_and_is_not_broken_by_other_lines() -> None:
    points = [
        {"d": "2024-09-18", "now": 5.0, "low": 4.9, "high": 5.1},
        {"d": "2024-10-01", "before": 5.0},
        {"d": "2024-11-07", "now": 4.6, "low": 4.3, "high": 4.9},
    ]
    series = [("now", "now", "blue"), ("before", "before", "grey")]
    spec = figures.lines(points, series, unit="%", step=True, band=("low", "high"))
    [band] = [layer for layer in spec["layer"] if layer["mark"]["type"] == "area"]
    assert band["mark"]["interpolate"] == "step-after"
    assert [point["d"] for point in band["data"]["values"]] == ["2024-09-18", "2024-11-07"]
    assert (band["encoding"]["y"]["field"], band["encoding"]["y2"]["field"]) == ("low", "high")
