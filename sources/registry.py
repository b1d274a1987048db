"""Which class serves which source name; a new provider is one module and one branch here."""

from __future__ import annotations

from typing import cast

from sources.protocol import Parsed, Source
from warehouse.payloads import Payload
from warehouse.settings import Settings, SettingsError


def parse_payload(payload: Payload) -> Parsed:
    """Read a payload by the source that it came from, whatever the settings are now; needs neither key nor
    address.
    """
    if payload.source in ("files", "simulated"):
        from sources.tabular import parse_tabular

        return parse_tabular(payload)
    if payload.request.dataset == "bank_financials":
        from sources.fdic import FdicSource

        return FdicSource().parse(payload)
    from sources.live import LiveSource

    return LiveSource({}).parse(payload)


def open_source(settings: Settings, dataset: str) -> Source:
    """The source of one dataset, imported only when it is used."""
    name = settings.source_of(dataset)
    if dataset == "bank_financials":
        from sources.fdic import FdicSource

        return FdicSource.from_environment()
    if name == "files":
        from sources.files import FilesSource

        if settings.files_dir is None:
            raise SettingsError(
                "ROTATION_FILES_DIR is not set: the source 'files' reads its data from that folder."
            )
        return FilesSource(settings.files_dir)
    if name == "simulated":
        from sources.simulated import SimulatedSource

        return SimulatedSource()
    from sources.live import LiveSource

    return cast(Source, LiveSource())
