"""A real mail server and a real web server on loopback that keep what they are sent, for tests of the alerts.

Out: `MailServer` (aiosmtpd; takes one user and password) and `HookServer` (answers with a status that can
be set), both context managers. Caveat: no TLS.
"""

from __future__ import annotations

import email
import email.policy
import json
import queue
import socket
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.loopback import LoopbackServer

USER = "alerts"


class MailServer:
    """Takes mail from those who log in as USER with the password."""

    def __init__(self, password: str) -> None:
        self.password = password
        self.messages: queue.Queue[EmailMessage] = queue.Queue()
        self.controller = Controller(
            self,
            hostname="127.0.0.1",
            port=free_port(),
            authenticator=self._authenticate,
            auth_required=True,
            auth_require_tls=False,
        )

    def __enter__(self) -> MailServer:
        self.controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.controller.stop()

    def connection(self, **changes: Any) -> str:
        """The Airflow connection to it, as the JSON of AIRFLOW_CONN_SMTP_DEFAULT."""
        extra = {"disable_tls": True, "disable_ssl": True, "from_email": "rotation@example.com"}
        return json.dumps(
            {
                "conn_type": "smtp",
                "host": "127.0.0.1",
                "port": self.controller.port,
                "login": USER,
                "password": self.password,
                "extra": extra,
            }
            | changes
        )

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        """Keep the message; the envelope's recipients go into a header of ours."""
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        message["X-Recipients"] = ", ".join(envelope.rcpt_tos)
        self.messages.put(message)
        return "250 kept"

    def _authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any
    ) -> AuthResult:
        right = (
            isinstance(data, LoginPassword)
            and data.login == USER.encode()
            and data.password == self.password.encode()
        )
        return AuthResult(success=right, handled=right)


class HookServer(LoopbackServer):
    """Keeps the JSON of every POST to the secret path; everything else is 404."""

    def __init__(self, secret: str) -> None:
        hook = self
        self.path = f"/services/{secret}"
        self.status = 200
        self.bodies: queue.Queue[dict[str, Any]] = queue.Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                right = self.path == hook.path and self.headers["Content-Type"] == "application/json"
                if right and hook.status == 200:
                    hook.bodies.put(json.loads(body))
                self.send_response(hook.status if right else 404)
                self.send_header("Location", hook.url)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                """Quiet."""

        super().__init__(Handler)

    @property
    def url(self) -> str:
        """The address with its secret."""
        return f"http://127.0.0.1:{self.server.server_port}{self.path}"


def html_of(message: EmailMessage) -> str:
    """The HTML part of a mail."""
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
