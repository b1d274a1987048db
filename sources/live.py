"""The source `live`: not served yet; every method says so. It arrives with fredapi and yfinance behind the same protocol."""

from __future__ import annotations

from warehouse.settings import SettingsError


class LiveSource:
    """Refuses to start, with advice."""

    name = "live"

    def __init__(self) -> None:
        raise SettingsError(
            "ROTATION_SOURCE=live is not served by this version yet. Set ROTATION_SOURCE=files with ROTATION_FILES_DIR "
            "for real data, or ROTATION_SOURCE=simulated for a made-up market."
        )
