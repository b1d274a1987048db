"""Where the recorded market data is: not part of the repository, and most checkouts have none.

`ROTATION_REPLAY_DIR` names its folder, by default `../shared/replay` beside the checkout. The tests that need
it are in `tests/recorded/` and are collected only where it is.
"""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
RECORDED = Path(os.environ.get("ROTATION_REPLAY_DIR", str(REPOSITORY.parent / "shared" / "replay")))


def has_recorded_data() -> bool:
    """Whether the recorded market data is there."""
    return (RECORDED / "MANIFEST.csv").is_file()
