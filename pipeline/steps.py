"""The steps of the run: `plan` → `fetch` (one call per batch) → `load` → `build` → `audit` → `publish`.

Each takes the `RunContext` alone and can be run again. Airflow calls them through `orchestration.operators`.
"""

from __future__ import annotations

from pipeline.audit import audit
from pipeline.build import build
from pipeline.dry_run import dry_run
from pipeline.fetch import fetch
from pipeline.load import load
from pipeline.plan import plan
from pipeline.publish import publish

__all__ = ["audit", "build", "dry_run", "fetch", "load", "plan", "publish"]
