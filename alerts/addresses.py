"""Where a person finds the documentation and the published pages in a browser.

In: ROTATION_RUNBOOK_URL, ROTATION_PUBLISHED_URL and Airflow's own `[api] base_url`. Out: addresses for
alerts, notes and links. Without the settings they lead to the pages that the plugin serves in Airflow's web
interface (`orchestration.pages`). Caveat: asked at run time only; no DAG holds an address.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from airflow.configuration import conf

from warehouse.settings import SettingsError, environment

# Under Airflow's own address; `docs/` and `published/` are below.
PAGES = "/rotation"


def documentation_url() -> str:
    """The address under which `docs/` lies: ROTATION_RUNBOOK_URL, else the pages in Airflow's web interface;
    empty when Airflow does not know its own address, as in `make run`.
    """
    given = _web_address("ROTATION_RUNBOOK_URL")
    interface = str(conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return given or (f"{interface}{PAGES}" if interface else "")


def runbook_link(page: str) -> str:
    """A page of the runbook for a link in the web interface."""
    return f"{_web_address('ROTATION_RUNBOOK_URL') or _in_the_interface()}/docs/runbook/{page}"


def published_link(path: str) -> str:
    """A file of the published folder for a link in the web interface."""
    return f"{_web_address('ROTATION_PUBLISHED_URL') or f'{_in_the_interface()}/published'}/{path}"


def published_url(path: str) -> str:
    """The same with its host, for a mail; empty when Airflow does not know its own address."""
    interface = str(conf.get("api", "base_url", fallback="") or "").rstrip("/")
    base = _web_address("ROTATION_PUBLISHED_URL") or (f"{interface}{PAGES}/published" if interface else "")
    return f"{base}/{path}" if base else ""


def _in_the_interface() -> str:
    """Without a host: the browser keeps the one by which it reaches Airflow, a tunnel's too."""
    base = str(conf.get("api", "base_url", fallback="") or "")
    return f"{urlsplit(base).path.rstrip('/')}{PAGES}"


def _web_address(name: str) -> str:
    text = environment().get(name, "").strip().rstrip("/")
    if text and (urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).hostname):
        raise SettingsError(
            f"{name}={text!r} is not a web address; write it as https://example.com/rotation, or leave it"
            " empty."
        )
    return text
