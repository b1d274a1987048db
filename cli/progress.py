"""What a person at the terminal sees of a long command: each line with the time since the start, and a sign
of life where there is none.

In: a command, its log and which of its lines are for people. Out: those lines, each with the seconds since
the start; after three seconds without one, a line that says what is still going on.
"""

from __future__ import annotations

import queue
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

LONGEST_SILENCE_S = 3.0


@dataclass
class Progress:
    """Prints with the time since it was made; `doing` is what a sign of life names."""

    doing: str = "starting"
    started: float = field(default_factory=time.monotonic)
    said: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """One line."""
        self.said = time.monotonic()
        print(f"{self.said - self.started:6.0f} s  {text}", flush=True)

    @property
    def patience_s(self) -> float:
        """How long a person may still be left without a line."""
        return max(self.said + LONGEST_SILENCE_S - time.monotonic(), 0.0)

    def still(self) -> None:
        """A sign of life, when it is time for one."""
        if not self.patience_s:
            self.say(f"... {self.doing}")


def run_logged(
    command: Sequence[str],
    env: Mapping[str, str],
    log: Path,
    progress: Progress,
    shown: Callable[[str], None] = lambda line: None,
) -> int:
    """Run a command, its output to the end of a log; returns its exit code.

    Args:
        command: with its arguments.
        env: its whole environment.
        log: takes every line.
        progress: gives a sign of life when nothing was shown for a while.
        shown: gets each line, and may say something of it.
    """
    with (
        log.open("a", encoding="utf-8") as stream,
        subprocess.Popen(
            command,
            env=dict(env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        assert process.stdout is not None
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
        while True:
            try:
                line = lines.get(timeout=progress.patience_s)
            except queue.Empty:
                progress.still()
                continue
            if line is None:
                break
            stream.write(line)
            shown(line)
            progress.still()
    return process.returncode


def _read(source: IO[str], lines: queue.SimpleQueue[str | None]) -> None:
    for line in source:
        lines.put(line)
    lines.put(None)
