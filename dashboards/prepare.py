"""Makes Superset ready in one process: metadata, roles, users, the bundle. Runs in Superset's environment.

In: `dashboards/superset`, secrets as files, Superset's metadata. Out: metadata as the files say, however
often it is run; one line per step on standard output. Only files that changed since they were last imported
are imported again, so what somebody edited in Superset stays until its file changes
(`ROTATION_DASHBOARDS_RESET=1` imports every file). What a file of the bundle made goes when the file goes;
what was clicked together beside it stays.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from yaml.parser import ParserError

from dashboards.bundle import BUNDLE, METADATA, RECORD, mark, parsed

ANALYST = "Analyst"
PEOPLE = {"admin": "Admin", "analyst": ANALYST}
# What Superset's own role for readers may do beyond reading ...
WRITES = (
    "can_write", "can_delete", "can_add", "can_edit", "can_import", "can_upload", "can_save",
    "can_bulk_create", "can_tag", "can_put_chart_customizations", "can_invalidate", "can_cache",
    "can_export_as_example",
)  # fmt: skip
# ... but for what a reader's own filters, links and tabs of SQL Lab are kept in: without it filters fail.
OWN_STATE = {
    "DashboardFilterStateRestApi", "DashboardPermalinkRestApi", "ExploreFormDataRestApi",
    "ExplorePermalinkRestApi", "SqlLabPermalinkRestApi", "TabStateView", "TableSchemaView",
}  # fmt: skip
PROGRESS = "▸"


def main() -> int:
    """Run all steps; the exit code is 0 when the dashboards can be opened."""
    started = time.monotonic()

    def step(words: str) -> None:
        print(f"{PROGRESS} {time.monotonic() - started:4.0f} s  {words}", flush=True)

    step("starting Superset")
    from superset.app import create_app

    app = create_app()
    with app.app_context():
        prepare(step)
    step("the dashboards are ready")
    return 0


def prepare(step: Callable[[str], None]) -> None:
    """The steps, inside Superset's application."""
    from flask_migrate import upgrade
    from superset import appbuilder, security_manager

    step("metadata: tables")
    import superset

    upgrade(directory=str(Path(superset.__file__).parent / "migrations"))
    step("metadata: permissions and roles")
    appbuilder.add_permissions(update_perms=True)
    security_manager.sync_role_definitions()
    step("users")
    make_users(security_manager)
    step("importing the bundle")
    step(import_bundle(security_manager.find_user("admin")))
    allow_analysts(security_manager)


def import_bundle(user: Any) -> str:
    """Import the files that changed; remove what earlier files made and no file has now.

    Returns:
        What was done, in words.
    """
    from flask import g
    from superset import db
    from superset.daos.key_value import KeyValueDAO
    from superset.key_value.types import JsonKeyValueCodec, KeyValueResource

    g.user = user
    texts = {
        path.relative_to(BUNDLE).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(BUNDLE.rglob("*.yaml"))
    }
    metadata = texts.pop(METADATA)
    now = {path: mark(text) for path, text in texts.items()}
    codec = JsonKeyValueCodec()
    before = KeyValueDAO.get_value(KeyValueResource.APP, RECORD, codec) or {}
    present = {str(item.uuid) for model in _models().values() for item in db.session.query(model.uuid)}
    again = bool(os.environ.get("ROTATION_DASHBOARDS_RESET"))
    changed = [
        path for path, known in now.items() if again or before.get(path) != known or known[1] not in present
    ]
    if changed:
        with _publication_open():
            _importer()({METADATA: metadata, **{path: texts[path] for path in changed}}, sparse=True).run()
    gone = {known[1]: path for path, known in before.items()}
    for _, identifier in now.values():
        gone.pop(identifier, None)
    # Dashboards before their charts, charts before their datasets.
    for kind, model in _models().items():
        for identifier, path in gone.items():
            if path.startswith(kind):
                for item in db.session.query(model).filter_by(uuid=uuid.UUID(identifier)):
                    db.session.delete(item)
    KeyValueDAO.upsert_entry(KeyValueResource.APP, now, codec, RECORD)
    db.session.commit()
    return f"{len(changed)} of {len(now)} files imported" + (f", {len(gone)} removed" if gone else "")


def _models() -> dict[str, Any]:
    """The folders of the bundle and Superset's class for each, users before what they use."""
    from superset.connectors.sqla.models import SqlaTable
    from superset.models.core import Database
    from superset.models.dashboard import Dashboard
    from superset.models.slice import Slice

    return {"dashboards": Dashboard, "charts": Slice, "datasets": SqlaTable, "databases": Database}


def _importer() -> Any:
    """Superset's importer, with the parser in C: its own needs longer than the import itself."""
    from superset.commands.importers.v1 import assets, utils

    # What it asks of the module yaml.
    utils.yaml = SimpleNamespace(safe_load=parsed, parser=SimpleNamespace(ParserError=ParserError))
    return assets.ImportAssetsCommand


@contextmanager
def _publication_open() -> Iterator[None]:
    """The import looks for each table by its own connection, which is quick while another one is open."""
    from dashboards.connection import NoPublicationYet, connect

    try:
        connection = connect()
    except NoPublicationYet:
        # The import takes the tables for granted then, and the server finds them once there is a publication.
        yield
        return
    try:
        yield
    finally:
        connection.close()


def make_users(security_manager: Any) -> None:
    """The administrator and the analyst, with the passwords of the secret files."""
    secrets = Path(os.environ["ROTATION_DASHBOARDS_SECRETS"])
    if security_manager.find_role(ANALYST) is None:
        security_manager.add_role(ANALYST)
    for name, role in PEOPLE.items():
        password = (secrets / f"dashboards_{name}_password").read_text(encoding="utf-8").strip()
        user = security_manager.find_user(name)
        if user is None:
            user = security_manager.add_user(
                name,
                name.capitalize(),
                "Rotation",
                f"{name}@localhost",
                security_manager.find_role(role),
                password,
            )
        else:
            security_manager.reset_password(user.id, password)


def allow_analysts(security_manager: Any) -> None:
    """Give the analysts' role what reading takes: Gamma's and SQL Lab's rights but for those that write."""
    role = security_manager.find_role(ANALYST)
    allowed = [
        right
        for source in ("Gamma", "sql_lab")
        for right in security_manager.find_role(source).permissions
        if not right.permission.name.startswith(WRITES) or right.view_menu.name in OWN_STATE
    ]
    from superset import db
    from superset.models.core import Database

    for database in db.session.query(Database).all():
        allowed.append(security_manager.add_permission_view_menu("database_access", database.perm))
    role.permissions = list(dict.fromkeys(allowed))
    db.session.commit()


if __name__ == "__main__":
    sys.exit(main())
