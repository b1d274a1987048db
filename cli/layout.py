"""`python -m cli.layout`: write down the layout of the homes that this version makes.

In: the catalog, the descriptions in landing and the models of the runs' state. Out:
`warehouse/migrations/layouts/<LAYOUT>.yml`. A test compares the file with the code, so a column or a
document that changes without a new number is found. The file of a number that has been released is never
written again: raise `LAYOUT` in `warehouse/database.py` and write the step to it.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable
from dataclasses import MISSING, fields

from pydantic import BaseModel

import pipeline.state  # noqa: F401 (its documents are subclasses of HandOver)
from datasets.base import PlannedInput
from pipeline.home_state import HandOver, HomeState
from warehouse.catalog import load_catalog
from warehouse.database import LAYOUT
from warehouse.landing import Landed
from warehouse.migrations.stored import FOLDER, layout_description
from warehouse.schema import catalog_tables

OPTIONAL = " = default"
# Lives as long as the home; what is in them must not change without a step.
KEPT = ("home.json", "landing", "runs/state.json")
WIDTH = 104
ADVICE = (
    f"That is not layout {LAYOUT} any more. If a release has made homes of layout {LAYOUT}, raise LAYOUT in"
    " warehouse/database.py, write the step to it in warehouse/migrations and run `python -m cli.layout`."
    f" If none has, add the change to the step to {LAYOUT}, remove the file of layout {LAYOUT} in"
    " warehouse/migrations/layouts and run that command."
)

Description = dict[str, dict[str, str]]


def described() -> Description:
    """Tables with their columns and documents with their fields, as in the file."""
    tables = {
        name: ", ".join(str(column) for column in columns)
        for name, columns in catalog_tables(load_catalog()).items()
    }
    documents = {
        "home.json": "kind: str, layout: int",
        "landing": _dataclass_fields(Landed),
        "runs/state.json": _model_fields(HomeState),
        "runs/*/PlannedInput": _dataclass_fields(PlannedInput),
        **{
            f"runs/*/{model.__name__}": _model_fields(model)
            for model in HandOver.__subclasses__()
            if model is not HomeState
        },
    }
    return {"tables": dict(sorted(tables.items())), "documents": dict(sorted(documents.items()))}


def _dataclass_fields(kind: type) -> str:
    return _listed(
        (
            field.name,
            str(field.type),
            field.default is not MISSING or field.default_factory is not MISSING,
        )
        for field in fields(kind)
    )


def _model_fields(model: type[BaseModel]) -> str:
    return _listed(
        (name, model.__annotations__[name], not field.is_required())
        for name, field in model.model_fields.items()
    )


def _listed(found: Iterable[tuple[str, str, bool]]) -> str:
    return ", ".join(
        f"{name}: {kind.replace(', ', ',')}{OPTIONAL if optional else ''}" for name, kind, optional in found
    )


def changes(written: Description, now: Description) -> list[str]:
    """What the code has otherwise than the file of its layout, as sentences; empty when homes of that layout
    are still what the code reads and writes.

    In a document that lives no longer than its run, a new field with a default is no change, nor is a new
    document: what a run has written before is read as before.
    """
    found = [
        sentence
        for name in sorted({**written["tables"], **now["tables"]})
        for sentence in _differences(f"table {name}", written["tables"].get(name), now["tables"].get(name))
    ]
    for name, text in sorted(written["documents"].items()):
        for sentence in _differences(f"document {name}", text, now["documents"].get(name)):
            if name in KEPT or not (" has got " in sentence and sentence.endswith(OPTIONAL)):
                found.append(sentence)
    return found


def _differences(what: str, written: str | None, now: str | None) -> list[str]:
    if now is None:
        return [f"{what} is gone"]
    if written is None:
        return [f"{what} is new"]
    before, after = written.split(", "), now.split(", ")
    found = [f"{what} no longer has {item}" for item in before if item not in after]
    found += [f"{what} has got {item}" for item in after if item not in before]
    return found or ([] if before == after else [f"{what} has another order"])


def layout_text() -> str:
    """The file of the present layout."""
    lines = []
    for part, entries in described().items():
        lines.append(f"{part}:")
        for name, text in entries.items():
            lines.append(f'  "{name}": >-')
            lines += textwrap.wrap(
                text, WIDTH, initial_indent="    ", subsequent_indent="    ", break_long_words=False
            )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the file of the present layout.

    Returns:
        The exit code: 0 when the file says what the code has, 1 when it is the file of another layout.
    """
    path = FOLDER / f"{LAYOUT}.yml"
    if path.exists() and (found := changes(layout_description(LAYOUT), described())):
        print(f"{'; '.join(found)}. {ADVICE}", file=sys.stderr)
        return 1
    path.write_text(layout_text(), encoding="utf-8")
    print(f"layout {LAYOUT} is written to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
