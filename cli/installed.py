"""`python -I cli/installed.py LOCK`: is everything that the lock names installed in this interpreter's own
environment?

In: a lock file as `uv pip compile` writes it. Out: exit code 0, or 1 and what is missing or has another
version. `make` writes its stamp only after this check, because an installer that was pointed elsewhere (an
active virtual environment, a setting of pip or uv) succeeds and leaves the project's environment empty. It
is run by path and with `-I`, so that neither the current folder nor a variable can lend it a package, and
it needs nothing but pip, which every virtual environment has. Caveat: it reads the packages' metadata; it
does not import them.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

# packaging itself may be among the packages that are missing; pip brings a copy of its own.
from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name

SHOWN = 5


def main(arguments: list[str]) -> int:
    """Compare the environment with the lock.

    Args:
        arguments: the path of the lock file.

    Returns:
        The exit code.
    """
    lock = Path(arguments[0])
    problems = differences(locked(lock.read_text(encoding="utf-8")), installed())
    if not problems:
        return 0
    shown = ", ".join(problems[:SHOWN]) + (
        f" and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    )
    print(
        f"{lock} is not installed in {sys.prefix}: {shown}. A setting of pip or uv sends packages elsewhere:"
        " look for target, prefix or python in their configuration files and variables.",
        file=sys.stderr,
    )
    return 1


def locked(text: str) -> list[Requirement]:
    """The requirements of a lock that apply to this interpreter and platform."""
    statements = re.sub(r"\\\n", " ", text).splitlines()
    entries = [line.split(" --hash")[0].strip() for line in statements if line and not line.startswith("#")]
    requirements = [Requirement(entry) for entry in entries if entry]
    return [item for item in requirements if item.marker is None or item.marker.evaluate()]


def installed() -> dict[str, str]:
    """Name and version of the packages in this environment's own folders, not in any other on the path."""
    folders = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    return {
        canonicalize_name(found.metadata["Name"]): found.version
        for found in metadata.distributions(path=folders)
    }


def differences(wanted: list[Requirement], found: dict[str, str]) -> list[str]:
    """What is missing or has another version than the lock says."""
    problems = []
    for item in wanted:
        version = found.get(canonicalize_name(item.name))
        if version is None:
            problems.append(f"{item.name} is missing")
        elif not item.specifier.contains(version, prereleases=True):
            problems.append(f"{item.name} is {version}, not {str(item.specifier).removeprefix('==')}")
    return problems


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
