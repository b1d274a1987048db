"""Airflow's side of `make run`, in one process: prepares Airflow's own database once, then runs one command.

In: Airflow's environment, the stamp of the preparation, the arguments of a command. Out: Airflow's output and
its exit code. Each further process of Airflow would cost two seconds, and more the first time.
"""

from __future__ import annotations

import fcntl
import gc
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.log import MARK

POOL = "rotation_warehouse"
PREPARATION = (["db", "migrate"], ["pools", "set", POOL, "1", "one writer at a time: DuckDB"])
# What the steps import. Python compiles it on the other core while Airflow is prepared.
COMPILED_BESIDE = "import expectations.gx_project, brief.page, pipeline.steps, transforms.lib.rolling_ols"


def main(stamp: Path, command: Sequence[str]) -> int:
    """Prepare Airflow where its stamp is missing, and run a command.

    Args:
        stamp: a file that is there when Airflow of this version is prepared.
        command: the arguments of `airflow`.

    Returns:
        The exit code of the first command that failed, else 0.
    """
    if stamp.exists():
        return airflow(command)
    with subprocess.Popen(
        [sys.executable, "-c", COMPILED_BESIDE], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ):
        return _prepare(stamp) or airflow(command)


def _prepare(stamp: Path) -> int:
    """Migrate the database and create the pool."""
    # Two runs that start in an empty folder must not migrate the same database at once.
    with stamp.with_name(".prepare.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists():
            return 0
        print(f"{MARK} preparing Airflow (once)", flush=True)
        for command in PREPARATION:
            code = 1
            try:
                code = airflow(command)
            finally:
                if code:
                    print(f"{MARK} airflow {' '.join(command)} failed; the log says why", flush=True)
            if code:
                return code
        stamp.touch()
    return 0


def airflow(command: Sequence[str]) -> int:
    """Run `airflow` with these arguments in this process; returns its exit code."""
    from airflow.__main__ import main as run

    sys.argv = ["airflow", *command]
    try:
        run()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    return 0


if __name__ == "__main__":
    # Hundreds of thousands of objects are made by imports and stay. Looking through them again and again for
    # garbage takes a second of the run, and taking them apart at its end two more.
    gc.set_threshold(50_000, 20, 20)
    code = main(Path(sys.argv[1]), sys.argv[2:])
    gc.freeze()
    sys.exit(code)
