"""A dashboard in headless Chromium: what it asked, what it was answered, what it complained of, its filters.

In: a server (`served.Served`) and a browser. Out: `Visit`. A page is as high as all its charts, so that none
waits for somebody to scroll to it.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.dashboards.bundle_read import Entry
from tests.dashboards.served import Served

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DESK, TABLET = 1440, 1024
HEIGHT = 1_000
SETTLE_SECONDS = 180
# Superset's page asks for a counting pixel of its maker; our content security policy refuses it, and says so.
PIXEL = "apachesuperset.gateway.scarf.sh"
# A machine whose network interfaces change, as containers come and go, makes Chromium drop all connections.
NETWORK_CHANGED = "ERR_NETWORK_CHANGED"
# The page offers Superset the colours that it gave to series, whoever looks. From an analyst that is refused,
# out of sight; the browser counts the request, its line on the console and a rejected promise.
COLOURS = re.compile(
    r"403 \S+/api/v1/dashboard/\d+/colors\?mark_updated=false|Response|.*status of 403 \(FORBIDDEN\)"
)
BUSY = ".loading, [data-test=loading-indicator], .ant-skeleton"
# What a person would see of a chart that failed or has nothing to show, of a cut one, and of any failure.
TROUBLE = {
    "error": "[data-test=dashboard-content-wrapper] .ant-alert-error, [data-test=error-message]",
    "warning": "[data-test=dashboard-content-wrapper] .ant-alert",
    "empty": "[data-test=dashboard-content-wrapper] .ant-empty",
    "cut": "[data-test=slice-header] [data-test=warning], [data-test=slice-header] .anticon-warning",
    "toast": "[data-test=toast-container] .toast, .toast--danger, .toast--warning",
}
UNDER_TITLES = (
    "all => all.map(e => ((e.closest('[data-test=dashboard-component-chart-holder]')"
    "?.querySelector('[data-test=slice-header]')?.innerText) || 'the page')"
    " + ': ' + e.innerText.slice(0, 300))"
)
APPLY, CLEAR = "[data-test=filter-bar__apply-button]", "[data-test=filter-bar__clear-button]"
OPTIONS = ".ant-select-dropdown:not(.ant-select-dropdown-hidden) .ant-select-item-option"
NO_OPTIONS = ".ant-select-dropdown:not(.ant-select-dropdown-hidden) .ant-empty"


@dataclass(frozen=True)
class Answer:
    """One request of a chart, and its answer.

    Attributes:
        title: of the chart.
        queries: what was asked; a chart may ask several at once.
        results: as many, empty where the server refused.
        said: the server's words where it refused.
    """

    title: str
    queries: list[Entry]
    results: list[Entry]
    said: str


class Visit:
    """A dashboard that somebody looks at."""

    def __init__(self, page: Any, server: Served, slug: str, person: str) -> None:
        self.page, self.server, self.slug = page, server, slug
        charts = server.signed_in(person).get(f"/api/v1/dashboard/{slug}/charts").json()["result"]
        self.titles: dict[int, str] = {chart["id"]: chart["slice_name"] for chart in charts}
        self.complaints: list[str] = []
        self._responses: list[Any] = []
        self._waiting = 0
        # Seconds at the end of the last `settle` in which nothing happened.
        self.waited_for_quiet = 0.0
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._asked)
        page.on("requestfinished", self._finished)
        page.on("requestfailed", self._failed)
        page.on("response", self._responded)
        self.load()

    def load(self) -> None:
        """Open it, anew when the machine's network changed meanwhile; it is loaded when this returns."""
        for _ in range(3):
            self.forget()
            self.complaints.clear()
            self.page.set_viewport_size({"width": DESK, "height": HEIGHT})
            self.page.goto(f"{self.server.base}/superset/dashboard/{self.slug}/")
            self.page.wait_for_selector("[data-test=slice-header]", timeout=SETTLE_SECONDS * 1_000)
            self.widen(DESK)
            self.settle(set(self.titles.values()))
            if not any(NETWORK_CHANGED in said for said in self.complaints):
                self._forgive_colours()
                return
        raise AssertionError(f"{self.slug}: {self.complaints}")

    def _forgive_colours(self) -> None:
        refused = [said for said in self.complaints if said.startswith("403 ")]
        if all(COLOURS.fullmatch(said) for said in refused):
            self.complaints = [said for said in self.complaints if not COLOURS.fullmatch(said)]

    def widen(self, width: int) -> None:
        """Make the page so wide, and as high as everything on it."""
        self.page.set_viewport_size({"width": width, "height": HEIGHT})
        tall = self.page.locator("[data-test=grid-container], #app")
        high = max(tall.evaluate_all("all => all.map(e => e.scrollHeight)"))
        self.page.set_viewport_size({"width": width, "height": high + 300})

    def settle(self, titles: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        """Wait until nothing is asked or drawn any more.

        Args:
            titles: charts that must have been answered.
        """
        until, quiet = time.monotonic() + SETTLE_SECONDS, 0
        since = time.monotonic()
        while quiet < 4:
            # The titles alone: each body would be fetched from the browser again, four times a second.
            missing = titles - {self._title(response) for response in self._responses}
            assert time.monotonic() < until, f"{self.slug}: still waiting for {missing or self._waiting}"
            self.page.wait_for_timeout(250)
            busy = self._waiting > 0 or missing or self.page.locator(BUSY).count() > 0
            quiet = 0 if busy else quiet + 1
            since = time.monotonic() if busy else since
        self.waited_for_quiet = time.monotonic() - since

    def answers(self) -> list[Answer]:
        """What the charts were answered since `forget`, the values of the filters' lists not among them."""
        found = []
        for response in self._responses:
            title = self._title(response)
            if title:
                body = response.json()
                said = "" if response.ok else str(body)[:1_000]
                queries = json.loads(response.request.post_data)["queries"]
                found.append(Answer(title, queries, body.get("result", []), said))
        return found

    def _title(self, response: Any) -> str | None:
        """Of the chart that was answered; None for the values of a filter's list."""
        form = json.loads(response.request.post_data or "{}").get("form_data", {})
        return None if "native_filter_id" in form else self.titles.get(form.get("slice_id"))

    def questions(self) -> list[Entry]:
        """What the charts asked since `forget`, to be asked again."""
        return [json.loads(response.request.post_data or "{}") for response in self._responses]

    def forget(self) -> None:
        """What was answered before is no longer of interest."""
        self._responses.clear()

    def troubles(self) -> dict[str, list[str]]:
        """What a person would see that is wrong, by kind, in words."""
        look = self.page.locator
        seen = {kind: look(place).evaluate_all(UNDER_TITLES) for kind, place in TROUBLE.items()}
        return {kind: words for kind, words in seen.items() if words}

    def chart(self, title: str) -> Any:
        """The part of the page that shows a chart."""
        return self.page.locator("[data-test=dashboard-component-chart-holder]").filter(
            has=self.page.locator("[data-test=slice-header]").get_by_text(title, exact=True)
        )

    def choose_other(self, identifier: str) -> str:
        """Choose a value in a filter's list that is not chosen now, and apply it.

        Returns:
            The value's words, empty where the list has no other value in this market.
        """
        field = self.page.locator(f"[data-test={identifier}]").locator("input[type=search]").first
        options = self.page.locator(f"{OPTIONS}, {NO_OPTIONS}").first
        for _ in range(5):
            # Where values are chosen already their tags lie over the field; a list that another filter has
            # just changed closes once.
            field.click(force=True)
            self.page.wait_for_timeout(500)
            if not options.is_visible():
                field.press("ArrowDown")
                self.page.wait_for_timeout(3_000)
            if options.is_visible():
                break
            field.press("Escape")
        assert options.is_visible(), f"the list of {identifier} does not open"
        others = self.page.locator(f"{OPTIONS}:not(.ant-select-item-option-selected)")
        if not others.count():
            self.page.keyboard.press("Escape")
            return ""
        words = str(others.first.get_attribute("title") or others.first.inner_text()).strip()
        others.first.click()
        self.page.keyboard.press("Escape")
        self.apply()
        return words

    def apply(self) -> None:
        """Press the button below the filters; everything is loaded when this returns."""
        self.forget()
        self.page.wait_for_selector(f"{APPLY}:not([disabled])", timeout=30_000)
        self.page.locator(APPLY).click()
        self.page.wait_for_timeout(500)
        self.settle()

    def _said(self, message: Any) -> None:
        if message.type == "error" and PIXEL not in message.text:
            self.complaints.append(message.text)

    def _asked(self, request: Any) -> None:
        self._waiting += "/api/" in request.url
        if not request.url.startswith((self.server.base, "data:", "blob:")) and PIXEL not in request.url:
            self.complaints.append(f"asked for {request.url}")

    def _finished(self, request: Any) -> None:
        self._waiting -= "/api/" in request.url

    def _failed(self, request: Any) -> None:
        self._waiting -= "/api/" in request.url
        # A chart that is asked anew gives its earlier question up; the pixel is refused by our policy.
        if PIXEL not in request.url and request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"{request.failure} {request.url}")

    def _responded(self, response: Any) -> None:
        if "/api/v1/chart/data" in response.url:
            self._responses.append(response)
        if response.status >= 400:
            self.complaints.append(f"{response.status} {response.url}")


@contextmanager
def chromium() -> Iterator[Any]:
    """Headless Chromium; skips without one."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no chromium on this machine (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright  # only these tests need it

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield running
        running.close()


@contextmanager
def visit(browser: Any, server: Served, slug: str, person: str = "analyst") -> Iterator[Visit]:
    """Look at a dashboard as somebody who is signed in."""
    context = browser.new_context()
    context.add_cookies(server.cookies(person))
    try:
        yield Visit(context.new_page(), server, slug, person)
    finally:
        context.close()


def number_in(text: str) -> tuple[float, float] | None:
    """The number that a cell shows, and by how much rounding may have moved it; None where it is none."""
    bare = text.strip().replace(",", "").replace("−", "-").lstrip("+")
    found = re.fullmatch(r"(-?\d*(?:\.(\d+))?)(%?)", bare)
    if not found or not found.group(1):
        return None
    share = 0.01 if found.group(3) else 1.0
    return float(found.group(1)) * share, 0.5001 * share * 10.0 ** -len(found.group(2) or "")
