"""`make docs`: the documentation site in build/docs, from `docs/`, the pages at the root and the catalog.

In: the repository. Out: static HTML for any web server or a double click; nothing in it is loaded from
another host. The site's source is assembled in a folder of its own, laid out like the repository, so that a
link which works there works here: README.md becomes the first page, docs/data-dictionary.md the list of
tables, a folder its index page. Sphinx builds it, and a warning (a link to a page or heading that does not
exist, a page that is in no menu) fails the build; after that every link and every address in the HTML is
checked, those of the drawn graphs, too.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cli.docs_pages import generated_pages
from warehouse.catalog import load_catalog
from warehouse.settings import REPOSITORY

SITE = REPOSITORY / "build" / "docs"
CONFIGURATION = REPOSITORY / "docs" / "site"
# The menu. A page of docs/ that is named nowhere comes under "More".
MENU = {
    "Use": [
        "docs/dashboards",
        "docs/connect",
        "docs/language-models",
        "docs/observe",
        "docs/queries/index",
        "docs/data-sources",
        "docs/live-sources",
        "docs/cross-checks",
    ],
    "Data": ["docs/data-dictionary", "lineage"],
    "Methods": ["docs/metrics-rotation", "docs/metrics-fed", "docs/metrics-banks"],
    "Operate": ["docs/operations", "docs/deploy-existing-airflow", "docs/runbook/README"],
    "More": [],
    "Project": ["CONTRIBUTING", "docs/benchmarks", "docs/adr/index", "SECURITY", "CHANGELOG"],
}
ROOT_PAGES = ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
# [words](target) of a Markdown page; neither an address nor a heading of the same page.
LOCAL_LINK = re.compile(r"(\]\()(?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?(\))")


class DocsError(RuntimeError):
    """The site could not be built; the message says what is wrong with it."""


def main(arguments: list[str]) -> int:
    """Build the site.

    Args:
        arguments: a folder for the site instead of build/docs.

    Returns:
        The exit code.
    """
    site = Path(arguments[0]).resolve() if arguments else SITE
    try:
        build(site)
    except DocsError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(list(site.rglob('*.html')))} pages: {site / 'index.html'}")
    return 0


def build(site: Path) -> None:
    """Assemble, build and check; the site is replaced whole."""
    source = site.with_name(f"{site.name}-source")
    for folder in (site, source):
        shutil.rmtree(folder, ignore_errors=True)
    assemble(source)
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", "--nitpicky"]
    result = subprocess.run(
        [*command, "-c", str(CONFIGURATION), "-d", str(source / ".doctrees"), str(source), str(site)],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise DocsError(f"Sphinx refused the site:\n{result.stdout}{result.stderr}")
    problems = problems_of(site)
    if problems:
        raise DocsError("\n".join(problems))


def assemble(source: Path) -> None:
    """Write the source of the site: the committed pages, the generated ones, and what they link to."""
    generated = generated_pages(load_catalog())
    pages = {
        path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((REPOSITORY / "docs").rglob("*.md"))
    }
    pages |= {name: (REPOSITORY / name).read_text(encoding="utf-8") for name in ROOT_PAGES}
    pages |= generated
    pages["docs/runbook/README.md"] += _toctree(
        [Path(name).stem for name in pages if re.fullmatch(r"docs/runbook/(?!README)[\w-]+\.md", name)]
    )
    pages["docs/adr/index.md"] = _decisions(pages)
    pages["index.md"] = (REPOSITORY / "README.md").read_text(encoding="utf-8") + _menu(sorted(pages))
    for name, text in pages.items():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if name not in generated:
            text = _with_files(text, Path(name), source)
        target.write_text(text, encoding="utf-8")


def _with_files(text: str, page: Path, source: Path) -> str:
    """Copy the files that a page links to; a link to a folder goes to its index, one to the README to the
    first page. What does not exist stays as it is, and Sphinx refuses it.
    """

    def target(found: re.Match[str]) -> str:
        before, link, heading, after = found.groups()
        path = (REPOSITORY / page.parent / unquote(link)).resolve()
        if path == REPOSITORY / "README.md":
            link = link.replace("README.md", "index.md")
        elif path.is_dir():
            link = f"{link.rstrip('/')}/index.md"
        elif path.is_file() and path.suffix != ".md":
            copy = source / path.relative_to(REPOSITORY)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
        return f"{before}{link}{heading or ''}{after}"

    return LOCAL_LINK.sub(target, text)


def _menu(pages: list[str]) -> str:
    """The toctrees of the first page, one per part of the menu."""
    named = {page for part in MENU.values() for page in part}
    rest = [
        page.removesuffix(".md")
        for page in pages
        if re.fullmatch(r"docs/[\w-]+\.md", page) and page.removesuffix(".md") not in named
    ]
    parts = {**MENU, "More": rest}
    return "".join(_toctree(entries, caption) for caption, entries in parts.items() if entries)


def _decisions(pages: dict[str, str]) -> str:
    """The list of decisions."""
    names = sorted(Path(name).stem for name in pages if re.fullmatch(r"docs/adr/\d+.*\.md", name))
    links = "\n".join(
        f"* [{pages[f'docs/adr/{name}.md'].split(chr(10))[0][2:]}]({name}.md)" for name in names
    )
    return f"# Decisions\n\nWhy it is built this way.\n\n{links}\n{_toctree(names)}"


def _toctree(entries: list[str], caption: str = "") -> str:
    options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["", "```{toctree}", *options, "", *entries, "```", ""])


class _Addresses(HTMLParser):
    """The ids of a page, the targets of its links, and what a browser loads with it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value}
        self.ids |= {found[name] for name in ("id", "data-table") if name in found}
        if tag in ("a", "area") and "href" in found:
            self.links.append(found["href"])
        elif "href" in found and found.get("rel") not in ("canonical", "search", "index", "next", "prev"):
            self.loaded.append(found["href"])
        self.loaded += [found[name] for name in ("src", "srcset", "poster", "data") if name in found]


def problems_of(site: Path) -> list[str]:
    """Links that lead nowhere, and what a page would load from another host."""
    pages = {
        path: _Addresses(path.read_text(encoding="utf-8")) for path in sorted(site.resolve().rglob("*.html"))
    }
    problems = []
    for page, addresses in pages.items():
        here = page.relative_to(site.resolve())
        problems += [f"{here} loads {address}" for address in addresses.loaded if _is_elsewhere(address)]
        for link in dict.fromkeys([*addresses.links, *addresses.loaded]):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not target.is_file():
                problems.append(f"{here} links to {link}, which does not exist")
            elif target in pages and parts.fragment and unquote(parts.fragment) not in pages[target].ids:
                problems.append(f"{here} links to {link}, which has no such heading")
    for style in sorted(site.rglob("*.css")):
        found = re.findall(
            r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')]+)""", style.read_text(encoding="utf-8")
        )
        problems += [f"{style.relative_to(site)} loads {address}" for address in found]
    return problems


def _is_elsewhere(address: str) -> bool:
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme not in ("", "data")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
