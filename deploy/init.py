"""The one-shot service `init`: Airflow's metadata tables, the pool of the warehouse's one writer, the
connections of the alerts.

In: the secret files of the compose stack. Out: a metadata database that the other services can start on.
Every step can be repeated: this runs at each `docker compose up`, and an upgrade migrates here. A
connection whose secret file is empty is left as it is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from deploy.address import SECRETS, secret

POOL = ("rotation_warehouse", "1", "one writer at a time: DuckDB")


def airflow(*arguments: str) -> None:
    """Run Airflow's command line; exits when it fails."""
    print("▸ airflow", *arguments[:3], flush=True)
    code = subprocess.run(["airflow", *arguments], check=False).returncode
    if code:
        sys.exit(f"airflow {' '.join(arguments[:2])} failed with code {code}; the reason is above.")


def connections() -> dict[str, Any]:
    """Airflow connections from secret files; Airflow encrypts their passwords with the Fernet key.

    `fred_api_key` is the key and `alert_webhook` the whole address, both plain; `smtp_default` is a
    connection's URI or JSON.
    """
    found: dict[str, Any] = {}
    for name, file in (
        ("fred_default", "fred_api_key"),
        ("alert_webhook", "alert_webhook"),
        ("smtp_default", "smtp_default"),
    ):
        text = secret(file) if (SECRETS / file).exists() else ""
        if not text:
            continue
        if name != "smtp_default":
            found[name] = {"conn_type": "generic", "password": text}
        elif text.startswith("{"):
            try:
                found[name] = json.loads(text)
            except ValueError:
                sys.exit(
                    f"The secret file {file} starts with {{ and is not JSON; write the connection as JSON or"
                    " as a URI."
                )
        else:
            found[name] = text
    return found


def main() -> None:
    """Migrate, then the pool, then the connections."""
    airflow("db", "migrate")
    airflow("pools", "set", *POOL)
    if wanted := connections():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "connections.json"
            path.touch(mode=0o600)
            path.write_text(json.dumps(wanted), encoding="utf-8")
            airflow("connections", "import", "--overwrite", str(path))
    print(
        "▸ ready: database, pool",
        *sorted(wanted),
        f"({os.environ.get('ROTATION_COMMIT') or 'no commit named'})",
    )


if __name__ == "__main__":
    main()
