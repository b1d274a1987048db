"""Collectors of metrics on loopback for tests: StatsD over UDP, OpenTelemetry over HTTP.

Out: `StatsdServer` and `OtlpServer`, both context managers that keep what they are sent as (name, tags) →
value. Caveat: they take gauges; Airflow's own counters and timers are passed over.
"""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.loopback import LoopbackServer

Key = tuple[str, frozenset[tuple[str, str]]]
"""A name without Airflow's prefix, and its tags."""


class Gauges:
    """The newest value of every gauge of ours."""

    def __init__(self) -> None:
        self.values: dict[Key, float] = {}

    def keep(self, name: str, tags: Mapping[str, str], value: float) -> None:
        """Keep one value, if its name is one of ours."""
        if name.startswith("airflow.rotation."):
            self.values[name.removeprefix("airflow."), frozenset(tags.items())] = value

    def value(self, name: str, **tags: str) -> float:
        """The value of a gauge; raises KeyError when there is none."""
        return self.values[name, frozenset(tags.items())]

    def names(self) -> set[str]:
        """The names received so far."""
        return {name for name, _ in self.values}

    def wait_for(self, name: str, seconds: float = 10) -> None:
        """Wait until a name has come."""
        end = time.monotonic() + seconds
        while name not in self.names():
            assert time.monotonic() < end, f"no {name} among {sorted(self.names())}"
            time.sleep(0.02)


class StatsdServer(Gauges):
    """Reads StatsD's lines from a UDP port; tags as InfluxDB writes them, in the name."""

    def __enter__(self) -> StatsdServer:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.port = int(self.socket.getsockname()[1])
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self.thread.join(10)
        self.socket.close()

    def settings(self, **more: str) -> dict[str, str]:
        """Airflow's settings for it; `more` are others of the section `[metrics]`."""
        return {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(self.port),
            **{f"AIRFLOW__METRICS__{name.upper()}": value for name, value in more.items()},
        }

    def _read(self) -> None:
        while packet := self.socket.recv(65_535):
            for line in packet.decode().splitlines():
                name, _, rest = line.partition(":")
                value, kind = rest.split("|")[:2]
                if kind == "g":
                    name, *tags = name.split(",")
                    self.keep(name, dict(tag.split("=", 1) for tag in tags), float(value))


class OtlpServer(LoopbackServer, Gauges):
    """Takes what an OpenTelemetry exporter posts (protobuf over HTTP).

    Attributes:
        delay_seconds: how long it waits with its answer.
    """

    delay_seconds = 0.0

    def __init__(self) -> None:
        Gauges.__init__(self)
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector._keep(ExportMetricsServiceRequest.FromString(_plain(body, self.headers)))
                time.sleep(collector.delay_seconds)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing on the terminal."""

        LoopbackServer.__init__(self, Handler)

    def settings(self) -> dict[str, str]:
        """Airflow's and OpenTelemetry's settings for it."""
        return {
            "AIRFLOW__METRICS__OTEL_ON": "True",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.server.server_port}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        }

    def _keep(self, request: ExportMetricsServiceRequest) -> None:
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.gauge.data_points:
                        tags = {item.key: item.value.string_value for item in point.attributes}
                        value = point.as_double if point.HasField("as_double") else point.as_int
                        self.keep(metric.name, tags, float(value))


def _plain(body: bytes, headers: Any) -> bytes:
    return gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
