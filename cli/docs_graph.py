"""The graph of the tables as SVG: inputs on the left, users on the right, every box a link.

In: names of tables and (input, user) pairs without a circle. Out: one `<svg>` for a page; colours come from
the site's style sheet (one class per schema), so that it follows light and dark. Method: Sugiyama's. A
table stands in the column after its last input, long arrows run through invisible points in the columns
between (those of one table share them), and each column is sorted by the mean position of its neighbours, a
few times forward and back. Caveat: the order is a good one, not the one with the fewest crossings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from itertools import pairwise

BOX_WIDTH = 226
BOX_HEIGHT = 28
COLUMN_GAP = 46
ROW_GAP = 12
POINT_HEIGHT = 8
MARGIN = 12
SWEEPS = 24

Edge = tuple[str, str]


@dataclass(frozen=True)
class Point:
    """A position in a column: a table, or where the long arrows of that table pass."""

    name: str
    column: int
    is_table: bool


def lineage_svg(tables: Iterable[str], edges: Iterable[Edge], link: Callable[[str], str], title: str) -> str:
    """Draw the graph.

    Args:
        tables: the full names; tables without an arrow are drawn, too.
        edges: pairs of input and user, both among the tables.
        link: gives the address of a table's page.
        title: what a screen reader says.

    Returns:
        The `<svg>` element, without an empty line.
    """
    pairs = sorted(set(edges))
    columns, chains = _columns(_ranks(sorted(set(tables)), pairs), pairs)
    _sort_columns(columns, chains)
    positions = _positions(columns)
    width = max(x for x, _ in positions.values()) + BOX_WIDTH + MARGIN
    height = max(y for _, y in positions.values()) + BOX_HEIGHT + MARGIN
    lines = [
        f'<svg class="lineage" role="img" viewBox="0 0 {width} {height:.0f}" width="{width}"'
        f' height="{height:.0f}" xmlns="http://www.w3.org/2000/svg">',
        f"<title>{escape(title)}</title>",
        *(_arrow(pair, [positions[point] for point in chains[pair]]) for pair in pairs),
        *(
            _box(point.name, link(point.name), *positions[point])
            for column in columns
            for point in column
            if point.is_table
        ),
        "</svg>",
    ]
    return "\n".join(lines)


def _ranks(tables: list[str], pairs: list[Edge]) -> dict[str, int]:
    """The column of every table: after its last input; one without inputs stands before its first user."""
    inputs: dict[str, list[str]] = defaultdict(list)
    users: dict[str, list[str]] = defaultdict(list)
    for source, user in pairs:
        inputs[user].append(source)
        users[source].append(user)
    ranks: dict[str, int] = {}

    def rank(name: str) -> int:
        if name not in ranks:
            ranks[name] = 1 + max((rank(item) for item in inputs[name]), default=-1)
        return ranks[name]

    for name in tables:
        rank(name)
    for name in tables:
        if not inputs[name] and users[name]:
            ranks[name] = min(ranks[user] for user in users[name]) - 1
    return ranks


def _columns(ranks: dict[str, int], pairs: list[Edge]) -> tuple[list[list[Point]], dict[Edge, list[Point]]]:
    """Tables and bends by column, and for each arrow the points that it runs through."""
    columns: list[list[Point]] = [[] for _ in range(max(ranks.values()) + 1)]
    tables = {name: Point(name, rank, True) for name, rank in ranks.items()}
    for point in tables.values():
        columns[point.column].append(point)
    chains = {}
    for source, user in pairs:
        bends = [Point(source, column, False) for column in range(ranks[source] + 1, ranks[user])]
        for bend in bends:
            if bend not in columns[bend.column]:
                columns[bend.column].append(bend)
        chains[source, user] = [tables[source], *bends, tables[user]]
    return columns, chains


def _sort_columns(columns: list[list[Point]], chains: dict[Edge, list[Point]]) -> None:
    """Sort each column by the mean position of the neighbours, forward by inputs and back by users."""
    before: dict[Point, list[Point]] = defaultdict(list)
    after: dict[Point, list[Point]] = defaultdict(list)
    steps = {(left, right) for chain in chains.values() for left, right in pairwise(chain)}
    for left, right in sorted(steps, key=lambda step: (step[0].name, step[1].name, step[1].column)):
        before[right].append(left)
        after[left].append(right)
    for sweep in range(SWEEPS):
        neighbours = before if sweep % 2 == 0 else after
        position = {
            point: row / max(len(column) - 1, 1) for column in columns for row, point in enumerate(column)
        }
        for column in columns if sweep % 2 == 0 else reversed(columns):
            means = {
                point: (
                    sum(position[item] for item in neighbours[point]) / len(neighbours[point])
                    if neighbours[point]
                    else position[point]
                )
                for point in column
            }
            column.sort(key=lambda point: (means[point], point.name))
            position.update({point: row / max(len(column) - 1, 1) for row, point in enumerate(column)})


def _positions(columns: list[list[Point]]) -> dict[Point, tuple[float, float]]:
    """Left upper corners; every column is centred."""
    heights = [
        sum((BOX_HEIGHT if point.is_table else POINT_HEIGHT) + ROW_GAP for point in column)
        for column in columns
    ]
    positions = {}
    for index, column in enumerate(columns):
        y = MARGIN + (max(heights) - heights[index]) / 2
        for point in column:
            positions[point] = (float(MARGIN + index * (BOX_WIDTH + COLUMN_GAP)), y)
            y += (BOX_HEIGHT if point.is_table else POINT_HEIGHT) + ROW_GAP
    return positions


def _arrow(pair: Edge, corners: list[tuple[float, float]]) -> str:
    """A curve from the right side of the input, through the bends, to the left side of the user."""
    (x, y), *bends, (end_x, end_y) = corners
    x, y = x + BOX_WIDTH, y + BOX_HEIGHT / 2
    parts = [f"M{x:.0f} {y:.0f}"]
    for bend_x, bend_y in bends:
        middle = bend_y + POINT_HEIGHT / 2
        parts.append(_curve(x, y, bend_x, middle) + f"H{bend_x + BOX_WIDTH:.0f}")
        x, y = bend_x + BOX_WIDTH, middle
    parts.append(_curve(x, y, end_x - 5, end_y + BOX_HEIGHT / 2) + "l0 -3 5 3 -5 3 0 -3")
    source, user = map(escape, pair)
    return f'<path class="edge" data-from="{source}" data-to="{user}" d="{"".join(parts)}"/>'


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    half = (x + to_x) / 2
    return f"C{half:.0f} {y:.0f} {half:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"


def _box(name: str, address: str, x: float, y: float) -> str:
    schema = name.split(".")[0]
    return (
        f'<a class="node {escape(schema)}" data-table="{escape(name)}" href="{escape(address)}">'
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="5"/>'
        f'<text x="{x + 8:.0f}" y="{y + BOX_HEIGHT / 2 + 4:.0f}">{escape(name)}</text></a>'
    )
