"""The assets of the daily run: one for the publication and one for each family of marts.

In: `family` of every mart's .yml. Out: the outlets of the task `publish`, and what it says in their events
(docs/observe.md). Parsing a DAG file imports this, so the families are read from the lines of the files and
not from the catalog, which needs a YAML parser and takes forty times as long.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

if TYPE_CHECKING:
    from orchestration.facts import PublicationFacts

MARTS = Path(__file__).resolve().parent.parent / "transforms" / "marts"
PUBLICATION = Asset(name="rotation_warehouse_publication", uri="rotation://publication")
# A publication with thirty failed rules is told by their number; the event is kept in Airflow's database.
NAMED_RULES = 20


def families() -> dict[str, list[str]]:
    """The marts (`marts.<name>`) of each family."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(MARTS.glob("*.yml")):
        line = re.search(r"^family: *(\w+) *$", path.read_text(encoding="utf-8"), re.MULTILINE)
        # Without one the catalog refuses the file, before anything is built.
        if line:
            found[line.group(1)].append(f"marts.{path.stem}")
    return dict(sorted(found.items()))


FAMILIES = {
    name: Asset(name=f"rotation_marts_{name}", uri=f"rotation://marts/{name}", extra={"tables": tables})
    for name, tables in families().items()
}
OUTLETS = [PUBLICATION, *FAMILIES.values()]


def announce(facts: PublicationFacts, outlet_events: Mapping[Any, Any]) -> None:
    """Fill the events that Airflow sends when the task has ended well.

    Each gets the published session as its partition key, so that the publication of a run that has no key, or
    one for an earlier session, reaches the consumers under the session that they find in it.

    Args:
        facts: of the publication.
        outlet_events: of the task's context.
    """
    events = {PUBLICATION: facts.extra()}
    events |= {asset: facts.extra(name) for name, asset in FAMILIES.items()}
    for asset, extra in events.items():
        event = outlet_events[asset]
        event.extra.update(extra)
        event.add_partitions(str(facts.session))
