"""Pages in Airflow's web interface: the published brief and checks, and the documentation.

Below `/rotation`: `published/current/` and `published/generations/<n>/`, each with `brief.html` and
`validation.html`, `published/briefs/<session>.html` and `index.html`, and `docs/….md`. In: the published
folder and the `docs/` of this checkout, both read-only. Out: those files and no other: every part of an
address is a number, a date or a known name, never a path. Who may read the DAG `rotation_daily` may read
them. Where the API server does not see the folder, a page says what to set.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Container
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

from brief.script import POLICY
from warehouse.settings import REPOSITORY, Settings, SettingsError

DAG_ID = "rotation_daily"
PAGES = ("brief.html", "validation.html")
SESSION_PAGE = re.compile(r"(?:\d{4}-\d{2}-\d{2}|index)\.html")
GENERATION = re.compile(r"[0-9]{1,9}")
HEADERS = {
    # No script but the brief's own, no network, and no page of another origin around it.
    "Content-Security-Policy": f"{POLICY}; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}
STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{border:1px solid #8888;padding:.3rem .6rem;text-align:left}"
    "code,pre{background:#8882;padding:.1rem .3rem}pre{overflow:auto;padding:.6rem}pre code{background:none}"
)


class NoSuchPage(LookupError):
    """What to tell the reader instead of the page."""


class Pages:
    """The application, made when the first request comes: every process of Airflow loads the plugin, and only
    the API server serves it.
    """

    def __init__(self) -> None:
        """Nothing yet."""
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        if self._app is None:
            self._app = make_app()
        await self._app(scope, receive, send)


def make_app() -> Any:
    """The FastAPI application, under Airflow's own authentication."""
    from airflow.api_fastapi.core_api.security import requires_access_dag
    from fastapi import Depends, FastAPI, Request
    from fastapi.responses import HTMLResponse
    from starlette.exceptions import HTTPException

    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(requires_access_dag("GET", param_dag_id=DAG_ID))],
    )

    @app.exception_handler(NoSuchPage)
    def _missing(request: Request, error: NoSuchPage) -> HTMLResponse:
        newest = f"{request.scope.get('root_path', '')}/published/current/brief.html"
        return HTMLResponse(message_page("Not here", str(error), newest), 404, HEADERS)

    # Starlette's, of which FastAPI's is a kind: the one for an address or a method that is not there, too.
    @app.exception_handler(HTTPException)
    def _refused(request: Request, error: HTTPException) -> HTMLResponse:
        title, text = {
            401: ("Not shown", "Log in to Airflow first, then open this page again."),
            403: ("Not shown", f"You may not read the DAG {DAG_ID}, whose pages these are."),
            404: ("Not here", "There is no such page."),
        }.get(error.status_code, ("Not shown", f"{error.detail}."))
        return HTMLResponse(
            message_page(title, text), error.status_code, {**(error.headers or {}), **HEADERS}
        )

    @app.exception_handler(OSError)
    def _unreadable(request: Request, error: OSError) -> HTMLResponse:
        text = f"The API server cannot read the published folder: {error.strerror or type(error).__name__}."
        return HTMLResponse(message_page("Not shown", text), 503, HEADERS)

    @app.get("/published/current/{page}")
    def current(page: str) -> HTMLResponse:
        folder = published_folder()
        return HTMLResponse(generation_page(folder, current_number(folder), page), headers=HEADERS)

    @app.get("/published/generations/{number}/{page}")
    def generation(number: str, page: str) -> HTMLResponse:
        shown = generation_page(published_folder(), generation_number(number), page)
        return HTMLResponse(shown, headers=HEADERS)

    @app.get("/published/generations/{number}/")
    def contents(number: str) -> HTMLResponse:
        shown = contents_page(published_folder(), generation_number(number))
        return HTMLResponse(shown, headers=HEADERS)

    @app.get("/published/briefs/{page}")
    def brief(page: str) -> HTMLResponse:
        return HTMLResponse(session_page(published_folder(), page), headers=HEADERS)

    @app.get("/docs/{path:path}")
    def documentation(path: str) -> HTMLResponse:
        return HTMLResponse(documentation_page(path), headers=HEADERS)

    return app


def published_folder() -> Path:
    """The published folder, as the API server sees it.

    Raises:
        NoSuchPage: it does not see it; says what to set.
    """
    try:
        folder = Settings.from_environment().published
    except SettingsError as error:
        raise NoSuchPage(f"The API server has a wrong setting: {error}") from None
    if not (folder / "generations").is_dir():
        raise NoSuchPage(
            f"The API server sees no published folder at {folder}. Mount it there, read-only, with the same"
            " ROTATION_HOME as the tasks, or serve it elsewhere and set ROTATION_PUBLISHED_URL for the tasks."
            " Before the first run there is nothing to show either."
        )
    return folder


def current_number(folder: Path) -> int:
    """The number of the generation that readers see.

    Raises:
        NoSuchPage: there is none.
    """
    link = folder / "current"
    target = os.readlink(link) if link.is_symlink() else ""
    name = Path(target).name
    if not name.isascii() or not name.isdecimal():
        raise NoSuchPage("Nothing has been published yet.")
    return int(name)


def generation_number(text: str) -> int:
    """The number in an address; longer ones would be no name that a folder can have.

    Raises:
        NoSuchPage: it is none.
    """
    if not GENERATION.fullmatch(text):
        raise NoSuchPage("A publication is named by its number, such as published/generations/12/.")
    return int(text)


def generation_page(folder: Path, number: int, page: str) -> str:
    """A page of a generation.

    Raises:
        NoSuchPage: there is no such page, or the generation is not kept any more.
    """
    if page not in PAGES:
        raise NoSuchPage(f"A publication has the pages {' and '.join(PAGES)}.")
    return _read(generation_folder(folder, number) / page)


def generation_folder(folder: Path, number: int) -> Path:
    """The folder of a generation.

    Raises:
        NoSuchPage: it is not kept any more, or was never there.
    """
    found = folder / "generations" / str(number)
    if number < 0 or found.is_symlink() or not found.is_dir():
        raise NoSuchPage(f"Generation {number} is not kept any more, or was never published.")
    return found


def contents_page(folder: Path, number: int) -> str:
    """What a generation holds: its pages as links, its files with their sizes."""
    found = generation_folder(folder, number)
    links = "".join(f'<li><a href="{page}">{page}</a>' for page in PAGES if (found / page).is_file())
    files = [path for path in sorted(found.rglob("*")) if path.is_file() and not path.is_symlink()]
    rows = "".join(
        f"<tr><td><code>{escape(str(path.relative_to(found)))}</code><td>{path.stat().st_size:,} bytes"
        for path in files
    )
    newest = current_number(folder)
    which = "what readers see now" if number == newest else f"readers see generation {newest} now"
    return _page(
        f"Generation {number}",
        f"<p>In <code>{escape(str(found))}</code>; {which}.<ul>{links}</ul><table>{rows}</table>",
    )


def session_page(folder: Path, page: str) -> str:
    """The brief of a session, or the list of all.

    Raises:
        NoSuchPage: there is none.
    """
    if not SESSION_PAGE.fullmatch(page, endpos=len(page)) or not page.isascii():
        raise NoSuchPage("Briefs are named by their session, such as 2024-07-16.html; index.html lists them.")
    return _read(folder / "briefs" / page)


def documentation_page(path: str) -> str:
    """A Markdown page of `docs/`, as HTML; a link to another page or to a heading works as in the repository,
    and one to a file that is shown only there is none.

    Raises:
        NoSuchPage: there is no such page, or the API server has no documentation.
    """
    from markdown_it import MarkdownIt

    known = {found.relative_to(REPOSITORY / "docs").as_posix(): found for found in documentation()}
    if path not in known:
        raise NoSuchPage(
            f"There is no page {path}."
            if known
            else f"This installation has no documentation beside its code; docs/{path} is in the repository."
            " Set ROTATION_RUNBOOK_URL to the web address of the repository."
        )
    text = _read(known[path])
    title = next((line.lstrip("# ") for line in text.splitlines() if line.startswith("# ")), path)
    # Written by us; all the same, no HTML of the source is passed on.
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    _name_headings(tokens)
    for token in tokens:
        _keep_links(token.children or [], posixpath.dirname(path), known)
    return _page(title, markdown.renderer.render(tokens, markdown.options, {}), heading=False)


def _name_headings(tokens: list[Any]) -> None:
    """Give each heading the name by which a link finds it."""
    seen: dict[str, int] = {}
    for opening, inline in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        words = "".join(child.content for child in inline.children)
        name = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        count = seen[name] = seen.get(name, -1) + 1
        opening.attrSet("id", f"{name}-{count}" if count else name)


def _keep_links(tokens: list[Any], folder: str, known: Container[str]) -> None:
    """Make a link to a file that is not shown here a piece of text that says where it is."""
    shown = True
    for token in tokens:
        if token.type == "link_open":
            address = str(token.attrGet("href"))
            target = posixpath.normpath(posixpath.join(folder, address.partition("#")[0]))
            shown = "://" in address or address.startswith(("#", "mailto:")) or target in known
            if not shown:
                token.attrs = {"title": f"{posixpath.normpath(f'docs/{target}')}, in the repository"}
        if token.type in ("link_open", "link_close") and not shown:
            token.tag = "span"


def documentation() -> list[Path]:
    """The pages for people who run the product."""
    folder = REPOSITORY / "docs"
    return [*folder.glob("*.md"), *folder.glob("runbook/*.md")]


def message_page(title: str, text: str, newest: str = "") -> str:
    """A page with one sentence, and where the newest brief is."""
    link = f'<p><a href="{escape(newest)}">The newest brief</a>' if newest else ""
    return _page(title, f"<p>{escape(text)}</p>{link}")


def _page(title: str, body: str, *, heading: bool = True) -> str:
    head = f"<h1>{escape(title)}</h1>" if heading else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)} · Rotation</title>'
        f"<style>{STYLE}</style>{head}{body}</html>"
    )


def _read(path: Path) -> str:
    """A regular file that is not behind a link."""
    try:
        with open(path, encoding="utf-8", opener=_open_file) as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        raise NoSuchPage(f"{path.name} is not in this publication, or cannot be read.") from None


def _open_file(path: str, flags: int) -> int:
    """Opens neither what a link leads to nor a pipe, which would be waited for."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(path)
    return descriptor
