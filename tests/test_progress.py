"""What a person sees of a long command."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from cli import progress
from cli.progress import Progress, run_logged

TALKS = """
import sys, time
for number in range(8):
    print("noise", number, flush=True)
    time.sleep(0.1)
print("news", flush=True)
sys.exit(7)
"""


def test_a_silent_command_gives_signs_of_life_and_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LONGEST_SILENCE_S", 0.3)
    log, seen = tmp_path / "log", Progress("at build")
    code = run_logged(
        [sys.executable, "-c", TALKS],
        os.environ,
        log,
        seen,
        lambda line: seen.say(line.strip()) if line.startswith("news") else None,
    )
    assert code == 7
    assert log.read_text().splitlines() == [*(f"noise {number}" for number in range(8)), "news"]
    lines = capsys.readouterr().out.splitlines()
    assert all(re.match(r" +\d+ s  ", line) for line in lines)
    words = [line.split(" s  ")[1] for line in lines]
    assert words.count("... at build") >= 2
    assert words[-1] == "news"
