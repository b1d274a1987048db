"""Where words can stand without touching each other.

In: positions of what is labelled. Out: positions of the labels. Caveat: the width of a word is estimated from
its number of letters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

# Left, top, right, bottom in pixels; y grows downwards.
Box = tuple[float, float, float, float]
# Offset to the right, offset downwards, alignment of the text.
Place = tuple[float, float, str]


def spread_labels(values: list[float], gap: float) -> list[float]:
    """Positions near the values that keep a distance of `gap`; the order stays."""
    order = sorted(range(len(values)), key=lambda index: values[index])
    placed = [values[index] for index in order]
    for _ in range(50):
        moved = False
        for low, high in zip(range(len(placed) - 1), range(1, len(placed)), strict=True):
            lack = gap - (placed[high] - placed[low])
            if lack > 1e-9:
                placed[low] -= lack / 2
                placed[high] += lack / 2
                moved = True
        if not moved:
            break
    result = [0.0] * len(values)
    for position, index in enumerate(order):
        result[index] = placed[position]
    return result


def label_rows(places: list[tuple[float, float]]) -> list[int]:
    """The lowest row for each label in which it touches none before.

    Args:
        places: Middle and width of each label, from left to right.
    """
    ends: list[float] = []
    rows = []
    for middle, width in places:
        left = middle - width / 2
        row = next((row for row, end in enumerate(ends) if left > end + 4), len(ends))
        ends[row : row + 1] = [middle + width / 2]
        rows.append(row)
    return rows


def place_labels(dots: list[tuple[float, float]], names: list[str], size: int) -> list[Place]:
    """A place for the label of each dot that hits no other dot and no label placed before.

    Args:
        dots: Positions in pixels from the upper left corner of a square drawing.
        names: The label of each dot.
        size: The side of the square; its corners are kept free for the names of the quadrants.

    Returns:
        For each dot the cheapest of several places around it.
    """
    taken: list[Box] = [(px - 5, py - 5, px + 5, py + 5) for px, py in dots]
    taken += [
        (0, 0, 75, 22),
        (size - 75, 0, size, 22),
        (0, size - 22, 75, size),
        (size - 80, size - 22, size, size),
    ]
    places = []
    for dot, name in zip(dots, names, strict=True):
        costs = [
            (sum(_overlap(box, other) for other in taken) + 3 * _outside(box, size) + remoteness, place, box)
            for remoteness, place, box in _candidates(dot, 7.4 * len(name))
        ]
        _, place, box = min(costs, key=lambda candidate: candidate[0])
        taken.append(box)
        places.append(place)
    return places


def _candidates(dot: tuple[float, float], width: float) -> Iterator[tuple[float, Place, Box]]:
    """The places around a dot for a label of this width: a cost for being far off, the place, its box."""
    px, py = dot
    for distance in (9, 18, 30, 45, 62, 80):
        for angle in range(0, 360, 30):
            dx, dy = distance * math.cos(math.radians(angle)), -distance * math.sin(math.radians(angle))
            align = "left" if dx > 3 else "right" if dx < -3 else "center"
            left = px + dx - (0 if align == "left" else width if align == "right" else width / 2)
            box = (left, py + dy - 7, left + width, py + dy + 7)
            yield distance / 3 + (angle % 180) / 90, (round(dx, 1), round(dy, 1), align), box


def _overlap(one: Box, other: Box) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def _outside(box: Box, size: int) -> float:
    return sum(max(0.0, excess) for excess in (-box[0], -box[1], box[2] - size, box[3] - size)) * 10
