"""The server for language models; with `--configuration` (`make mcp`) what a client needs to start it.

In: the settings. Out: the protocol on standard output, or the configuration as JSON. Exit code 2 when the
package `mcp` is not installed.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from typing import Any

from warehouse.settings import REPOSITORY, Settings, SettingsError

MISSING = "The package mcp is not installed here. Run `make mcp` once; it installs requirements-mcp.lock."


def main(arguments: list[str]) -> int:
    """Serve, or print the configuration."""
    if importlib.util.find_spec("mcp") is None:
        print(MISSING, file=sys.stderr)
        return 2
    try:
        settings = Settings.from_environment()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    if arguments == ["--configuration"]:
        print(json.dumps(configuration(settings), indent=2))
        return 0
    from doors.server import make_server

    make_server().run("stdio")
    return 0


def configuration(settings: Settings) -> dict[str, Any]:
    """The entry for a client's list of servers, as most clients read it (`mcpServers`)."""
    environment = {
        "PYTHONPATH": str(REPOSITORY),
        "ROTATION_HOME": str(settings.home),
        "ROTATION_SOURCE": settings.source,
        **({"ROTATION_FILES_DIR": str(settings.files_dir)} if settings.files_dir else {}),
    }
    server = {"command": sys.executable, "args": ["-m", "cli.language_model"], "env": environment}
    return {"mcpServers": {"rotation-warehouse": server}}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
