"""The bundle: what Superset holds and what the files hold, in one form, so that the two can be compared.

In: `dashboards/superset/**.yaml`, and Superset's metadata. Out: `bundle_files` and `exported_bundle`, both
by path within the bundle. `python -m dashboards.bundle`, in Superset's environment, writes what was edited
back into the files. Superset's export has ids and leftovers of its own in it, other ones on every machine:
`normalised` takes them out. Datasets are made from the catalog (dashboards.datasets), so they are compared
and never written.
"""

from __future__ import annotations

import copy
import hashlib
import re
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

BUNDLE = Path(__file__).resolve().parent / "superset"
METADATA = "metadata.yaml"
# The folders of the bundle. Queries that somebody saved in SQL Lab are no part of it.
KINDS = ("databases", "datasets", "charts", "dashboards")
Entry = dict[str, Any]
# In C where there is one: the pure one takes longer to read the files than Superset to import them.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# What a chart's form leaves in its parameters: ids of this machine, and where it was opened.
CHART_LEFTOVERS = (
    "datasource",
    "slice_id",
    "dashboards",
    "url_params",
    "dashboardId",
    "force",
    "result_format",
    "result_type",
)
# What a browser works out for a dashboard each time that it is saved.
DASHBOARD_LEFTOVERS = (
    "positions", "shared_label_colors", "map_label_colors", "color_scheme_domain", "chart_configuration",
    "default_filters", "filter_scopes", "import_time",
)  # fmt: skip
FILTER_LEFTOVERS = ("chartsInScope", "tabsInScope")
# Where Superset's metadata remembers which text of a file it holds: path → [hash, uuid].
RECORD = uuid.uuid5(uuid.NAMESPACE_URL, "rotation-warehouse/dashboards/imported")


def text_of(entry: Entry) -> str:
    """YAML as everywhere in the bundle: keys in Superset's order, no anchors."""
    return yaml.dump(entry, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=1000)


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def parsed(text: str) -> Any:
    """The content of YAML."""
    return yaml.load(text, Loader=LOADER)


def bundle_files() -> dict[str, Entry]:
    """Every file of the bundle by its path, such as `charts/Spread.yaml`."""
    found = {}
    for path in sorted(BUNDLE.rglob("*.yaml")):
        name = path.relative_to(BUNDLE).as_posix()
        found[name] = normalised(name, parsed(path.read_text(encoding="utf-8")))
    return found


def exported_bundle() -> dict[str, Entry]:
    """Everything that Superset holds, as its export has it; inside Superset's application.

    A chart that has a file keeps its path, whatever it is called now.
    """
    from flask import g
    from superset import security_manager
    from superset.commands.export.assets import ExportAssetsCommand

    g.user = security_manager.find_user("admin")
    paths = {entry["uuid"]: path for path, entry in bundle_files().items() if "uuid" in entry}
    found: dict[str, Entry] = {}
    for name, content in ExportAssetsCommand().run():
        if name != METADATA and name.split("/")[0] not in KINDS:
            continue
        entry: Entry = parsed(content())
        path = paths.get(entry.get("uuid", "")) or _path(name, entry)
        found[path] = normalised(path, entry)
    return dict(sorted(found.items()))


def _path(exported: str, entry: Entry) -> str:
    """A path without Superset's number, for what has no file yet."""
    kind = exported.split("/")[0]
    if kind == "dashboards" and entry.get("slug"):
        return f"{kind}/{entry['slug']}.yaml"
    if kind == "charts":
        return f"{kind}/{re.sub(r'[^A-Za-z0-9]+', '_', entry['slice_name']).strip('_')}.yaml"
    return re.sub(r"_\d+\.yaml$", ".yaml", exported)


def normalised(path: str, entry: Entry) -> Entry:
    """An entry without what differs from machine to machine.

    Args:
        path: within the bundle; its folder says what the entry is.
    """
    forms: Mapping[str, Callable[[Entry], None]] = {
        METADATA: _metadata,
        "databases": _database,
        "datasets": _dataset,
        "charts": _chart,
        "dashboards": _dashboard,
    }
    copied = copy.deepcopy(entry)
    forms[path.split("/")[0]](copied)
    return copied


def _metadata(entry: Entry) -> None:
    entry["timestamp"] = "2026-01-01T00:00:00+00:00"


def _database(entry: Entry) -> None:
    pass


def _dataset(entry: Entry) -> None:
    # Exported only where it is set.
    if entry.get("source_db_engine") is None:
        entry.pop("source_db_engine", None)
    # Superset gives them in the order in which they were made.
    entry["columns"] = sorted(entry["columns"], key=lambda column: column["column_name"])
    entry["metrics"] = sorted(entry["metrics"], key=lambda metric: metric["metric_name"])


def _chart(entry: Entry) -> None:
    params = entry["params"]
    for key in CHART_LEFTOVERS:
        params.pop(key, None)
    if not params.get("annotation_layers"):
        params.pop("annotation_layers", None)
    # The form writes twenty settings of a feature that is off.
    if not params.get("matrixify_enable"):
        for key in [key for key in params if key.startswith("matrixify_")]:
            del params[key]
    # Made again from the parameters wherever the chart is opened.
    entry["query_context"] = None


def chart_id(identifier: str) -> int:
    """The number that stands for a chart inside a dashboard's file; Superset puts its own in its place."""
    return int(identifier[:7], 16)


def _dashboard(entry: Entry) -> None:
    position, metadata = entry["position"], entry["metadata"]
    numbers: dict[int, int] = {}
    for meta in _charts(position):
        numbers[meta["chartId"]] = chart_id(meta["uuid"])
        meta["chartId"] = numbers[meta["chartId"]]
    for key in DASHBOARD_LEFTOVERS:
        metadata.pop(key, None)
    if "timed_refresh_immune_slices" in metadata:
        immune = metadata["timed_refresh_immune_slices"]
        metadata["timed_refresh_immune_slices"] = [numbers[number] for number in immune if number in numbers]
    if "expanded_slices" in metadata:
        expanded = metadata["expanded_slices"].items()
        metadata["expanded_slices"] = {
            str(numbers[int(key)]): shown for key, shown in expanded if int(key) in numbers
        }
    # Which charts a click filters; where it is all of them, nobody chose it.
    if clicks := metadata.get("global_chart_configuration"):
        clicks["chartsInScope"] = []
        scope = clicks.setdefault("scope", {"rootPath": ["ROOT_ID"], "excluded": []})
        scope["excluded"] = sorted(numbers[number] for number in scope["excluded"] if number in numbers)
        if scope == {"rootPath": ["ROOT_ID"], "excluded": []}:
            del metadata["global_chart_configuration"]
    for native in metadata.get("native_filter_configuration", []):
        for key in FILTER_LEFTOVERS:
            native.pop(key, None)
        scope = native.get("scope", {})
        scope["excluded"] = sorted(
            numbers[number] for number in scope.get("excluded", []) if number in numbers
        )


def _charts(position: Entry) -> Iterator[Entry]:
    for item in position.values():
        if isinstance(item, dict) and item.get("type") == "CHART":
            yield item["meta"]


def write(exported: Mapping[str, Entry]) -> list[str]:
    """Make the files as Superset has it; those of charts and dashboards that are gone are removed.

    Returns:
        A line per file that changed, and per dataset that differs.
    """
    said = []
    files = bundle_files()
    for path in sorted({*files, *exported}):
        if files.get(path) == exported.get(path):
            continue
        if path.startswith("datasets/"):
            said.append(
                f"not written  {path}: a dataset is made from the catalog or from dashboards/queries;"
                " change it there and run `python -m dashboards.datasets`"
            )
        elif path.startswith("databases/"):
            said.append(f"not written  {path}: how the publication is opened is no matter of clicks")
        elif path not in exported:
            (BUNDLE / path).unlink()
            said.append(f"removed      {path}")
        else:
            said.append(f"{'changed' if path in files else 'new':<12} {path}")
            (BUNDLE / path).parent.mkdir(parents=True, exist_ok=True)
            (BUNDLE / path).write_text(text_of(exported[path]), encoding="utf-8")
    return said


def mark(text: str) -> list[str]:
    """What the record keeps of a file: the hash of its text, its UUID."""
    return [hashlib.sha256(text.encode()).hexdigest(), parsed(text)["uuid"]]


def remember() -> None:
    """Record that Superset holds the charts and dashboards of the files: to undo that is a change then."""
    from superset import db
    from superset.daos.key_value import KeyValueDAO
    from superset.key_value.types import JsonKeyValueCodec, KeyValueResource

    codec = JsonKeyValueCodec()
    held = KeyValueDAO.get_value(KeyValueResource.APP, RECORD, codec) or {}
    now = {path: known for path, known in held.items() if not path.startswith(("charts/", "dashboards/"))}
    for kind in ("charts", "dashboards"):
        for path in sorted((BUNDLE / kind).rglob("*.yaml")):
            now[path.relative_to(BUNDLE).as_posix()] = mark(path.read_text(encoding="utf-8"))
    KeyValueDAO.upsert_entry(KeyValueResource.APP, now, codec, RECORD)
    db.session.commit()


def main() -> int:
    """Write the export and say what changed."""
    from superset.app import create_app

    with create_app().app_context():
        said = write(exported_bundle())
        remember()
    for line in said or ["The files are as Superset has it."]:
        # Superset prints as well; the mark is what dashboards.start looks for.
        print(f"▸ {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
