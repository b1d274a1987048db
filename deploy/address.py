"""Print the address of the metadata database or of the broker, with its password, for Airflow's *_cmd
settings.

In: the secret files of the compose stack. Out: one URL on standard output. Only the standard library,
because Airflow runs this at every start of a process; a password may contain any character.
"""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import quote

SECRETS = Path("/run/secrets")


def secret(name: str) -> str:
    """The content of a secret file, without the newline that editors put at its end."""
    return (SECRETS / name).read_text(encoding="utf-8").strip()


def address(of: str) -> str:
    """The URL of `database` or `broker`."""
    if of == "broker":
        return f"redis://:{quote(secret('redis_password'), safe='')}@redis:6379/0"
    return (
        f"postgresql+psycopg2://airflow:{quote(secret('postgres_password'), safe='')}@postgres:5432/airflow"
    )


if __name__ == "__main__":
    print(address(sys.argv[1]), end="")
