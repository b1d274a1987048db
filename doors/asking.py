"""Asks the current publication one question, through a process that can do nothing else (`doors.answering`).

In: the settings and a question. Out: the answer as a dictionary, or `Refused`. The link is looked up for
every question, so the answer comes from the newest generation.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from typing import Any

from doors.answering import Limits, too_long, too_much_memory
from doors.gate import Refused
from doors.opened import NoPublication, published_generation
from warehouse.settings import REPOSITORY, Settings, SettingsError

# What the process may need to start, read the database and end by itself after its time is up.
GRACE_SECONDS = 4.0
NOTHING_THERE = (
    "There is no publication yet. Ask the person who runs the warehouse to make one with `make run`."
)


def ask(kind: str, text: str, limits: Limits) -> dict[str, Any]:
    """The answer to one question.

    Args:
        kind: `query`, `tables` or `table`.
        text: the statement, or the table's name.
        limits: of the answer.

    Raises:
        Refused: it is not answered; the message says why, without any path.
    """
    try:
        folder = published_generation(Settings.from_environment())
    except SettingsError:
        raise Refused(
            "The settings of the server are wrong. Ask the person who runs it to read its log."
        ) from None
    except NoPublication:
        raise Refused(NOTHING_THERE) from None
    question = json.dumps({"ask": kind, "text": text, "limits": asdict(limits)})
    command = [sys.executable, "-P", "-m", "doors.answering"]
    try:
        answer = subprocess.run(
            command,
            input=question.encode("utf-8", "replace"),
            capture_output=True,
            cwd=folder,
            # Nothing of this process's settings, keys and addresses.
            env={
                "PYTHONPATH": str(REPOSITORY),
                "LC_ALL": "C.UTF-8",
                "TZ": "UTC",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            timeout=limits.seconds + GRACE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Refused(too_long(limits)) from None
    except FileNotFoundError:
        # The generation was removed between the look at the link and this.
        raise Refused("The publication has just been replaced. Ask again.") from None
    return _read(answer, limits)


def _read(answer: subprocess.CompletedProcess[bytes], limits: Limits) -> dict[str, Any]:
    if answer.returncode:
        # The system ended it: its time or its memory was used up where DuckDB does not count.
        print(answer.stderr.decode("utf-8", "replace")[-2_000:], file=sys.stderr)
        timed_out = answer.returncode in (-24, -9) and not answer.stderr
        raise Refused(too_long(limits) if timed_out else too_much_memory(limits))
    found = json.loads(answer.stdout)
    if "refused" in found:
        raise Refused(found["refused"])
    result: dict[str, Any] = found["answer"]
    return result
