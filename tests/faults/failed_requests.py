"""Requests of a public API that fail, and the class of error that each has, whatever the publisher."""

from __future__ import annotations

from sources.protocol import SourceError, SourceUnavailable, Unreadable
from sources.transport import Forbidden, NotData, RateLimited
from tests.faults.server import Fault, hang_up, silent, truncated

# Larger than the limit with which they are tried.
MAX_BYTES = 1_000_000
FAILED_REQUESTS: list[tuple[Fault, type[SourceError]]] = [
    (Fault(status=403), Forbidden),
    (Fault(status=429, headers={"Retry-After": "120"}), RateLimited),
    (Fault(status=503), SourceUnavailable),
    (Fault(send=hang_up), SourceUnavailable),
    (Fault(send=silent), SourceUnavailable),
    (Fault(send=truncated), SourceUnavailable),
    (Fault(body=lambda body: b""), NotData),
    (Fault(body=lambda body: b"<!DOCTYPE html><html>maintenance</html>"), NotData),
    (Fault(body=lambda body: body + b" " * 3 * MAX_BYTES), Unreadable),
    # It points to itself.
    (Fault(status=301, headers={"Location": "/elsewhere"}), SourceUnavailable),
]
