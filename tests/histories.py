"""How many random histories the tests that replay whole worlds try.

A history takes half a minute, so every run tries few, and other ones each time; what once failed stands
beside them as an explicit example. `HISTORIES=20 SLOW=1 make test` tries more.
"""

from __future__ import annotations

import os


def histories(usual: int) -> int:
    """The number that the environment variable HISTORIES names, else the usual one of the test."""
    return int(os.environ.get("HISTORIES") or usual)
