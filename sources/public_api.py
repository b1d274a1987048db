"""What providers share whose API needs no key: one session, one kind of answer, and what an answer means
before it is read.

In: an address, a path and parameters. Out: the body as served, asked for through the common transport.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from sources.protocol import Provider
from sources.transport import (
    Body,
    NotData,
    Transport,
    Verdict,
    asks_to_slow_down,
    judge_slow_down,
    judge_status,
    looks_like_a_notice,
    looks_like_a_page,
    rate_limit,
    service_url,
)
from warehouse.settings import Settings


@dataclass(frozen=True)
class Reply:
    """One HTTP answer."""

    status: int
    retry_after: str | None
    content: bytes


class PublicApi(Provider):
    """A provider with a public API.

    Attributes:
        title: what messages call it.
        base_url: its address.
        url_setting: the setting with another address.
    """

    title: ClassVar[str]
    base_url: ClassVar[str]
    url_setting: ClassVar[str]

    def __init__(self, url: str | None, transport: Transport[Reply]) -> None:
        self.url = url or self.base_url
        self.transport = transport
        self._session: Any = None

    @classmethod
    def open(cls, settings: Settings, environ: Mapping[str, str]) -> Self:
        """Read the setting of the address."""
        url = service_url(cls.url_setting, environ)
        return cls(url, Transport(cls.title, requests_per_second=rate_limit(url, environ)))

    def ask(self, what: str, path: str, parameters: Mapping[str, str]) -> bytes:
        """The body of one answer.

        Args:
            what: the request as messages name it.
            path: below the address.
            parameters: of the query.
        """

        def send(seconds: float, body: Body) -> Reply:
            from curl_cffi import requests

            if self._session is None:
                self._session = requests.Session(headers={"User-Agent": self.user_agent()})
            answer = self._session.get(
                f"{self.url}/{path}",
                params=dict(parameters),
                timeout=seconds,
                content_callback=body.take,
            )
            return Reply(answer.status_code, answer.headers.get("Retry-After"), body.content)

        return self.transport.ask(what, send, lambda reply: self.judge(what, reply)).content

    def user_agent(self) -> str:
        """What the provider is told about who asks."""
        return "rotation-warehouse"

    def judge(self, what: str, reply: Reply) -> Verdict:
        """What an answer means before it is read."""
        return judge_reply(what, reply)


def judge_reply(what: str, reply: Reply) -> Verdict:
    """What an answer means before it is read."""
    if asks_to_slow_down(reply.content):
        return judge_slow_down(what, reply.retry_after)
    shared = judge_status(what, reply.status, reply.retry_after)
    if shared.error is not None:
        return shared
    if not reply.content.strip():
        return Verdict(NotData(f"{what}: the answer is empty"), retry=True)
    if looks_like_a_notice(reply.content):
        return Verdict(NotData(f"{what}: a sentence was returned instead of data; it may be a notice"))
    if looks_like_a_page(reply.content):
        text = "a web page was returned instead of data; it may be a notice or a proxy's"
        return Verdict(NotData(f"{what}: {text}"))
    return Verdict()
