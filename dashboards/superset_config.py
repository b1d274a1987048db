"""Superset's settings, for `make dashboards` and for the stack alike.

In: environment variables, and secrets as files (`ROTATION_DASHBOARDS_SECRETS`). Superset imports this
module by its name, `superset_config`, from the path.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url
from superset.config import TALISMAN_CONFIG as DEFAULT_TALISMAN
from superset.utils.log import StdOutEventLogger

from dashboards.connection import newest_publication

_secrets = Path(os.environ["ROTATION_DASHBOARDS_SECRETS"])


def _secret(name: str) -> str:
    return (_secrets / name).read_text(encoding="utf-8").strip()


SECRET_KEY = _secret("superset_secret_key")
# Sign-in tokens of features that are off; without values Superset would use ones that everybody knows.
GLOBAL_ASYNC_QUERIES_JWT_SECRET = GUEST_TOKEN_JWT_SECRET = SECRET_KEY
_metadata = make_url(os.environ["ROTATION_DASHBOARDS_METADATA"])
if _metadata.get_backend_name() != "sqlite":
    # Never in the environment, where `docker inspect` would show it.
    _metadata = _metadata.set(password=_secret("superset_postgres_password"))
SQLALCHEMY_DATABASE_URI = _metadata.render_as_string(hide_password=False)
# Readers write little here (their sessions and filters), but at the same moment.
SQLALCHEMY_ENGINE_OPTIONS: dict[str, Any] = (
    {"connect_args": {"timeout": 30}}
    if SQLALCHEMY_DATABASE_URI.startswith("sqlite")
    else {"pool_pre_ping": True}
)

# The publication: opened by dashboards.connection, whatever the address says.
DB_CONNECTION_MUTATOR = newest_publication
PREVENT_UNSAFE_DB_CONNECTIONS = False
# No answer is kept: the next question is answered from the newest generation, in milliseconds.
CACHE_CONFIG = DATA_CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}
# Rows of a chart, of a chart at most, of a sample, of the list of a filter, of SQL Lab, and of its screen.
ROW_LIMIT = 10_000
SQL_MAX_ROW = 100_000
SAMPLES_ROW_LIMIT = 1_000
FILTER_SELECT_ROW_LIMIT = 10_000
NATIVE_FILTER_DEFAULT_ROW_LIMIT = 10_000
DISPLAY_MAX_ROW = 10_000
# A statement is stopped by dashboards.connection before these, with a reason.
SQLLAB_TIMEOUT = SUPERSET_WEBSERVER_TIMEOUT = 60
SQLLAB_ASYNC_TIME_LIMIT_SEC = 60

FEATURE_FLAGS = {
    # Templates in SQL would run on the server.
    "ENABLE_TEMPLATE_PROCESSING": False,
    "ALERT_REPORTS": False,
    "DASHBOARD_RBAC": False,
    "TAGGING_SYSTEM": False,
}
AUTH_ROLE_PUBLIC = "Public"
PUBLIC_ROLE_LIKE = None
AUTH_USER_REGISTRATION = False
RATELIMIT_ENABLED = AUTH_RATE_LIMITED = True
AUTH_RATE_LIMIT = "10 per minute"
# Superset itself puts the limit above on the page with the form only, not on what the form is sent to: see
# FLASK_APP_MUTATOR.
RATELIMIT_APPLICATION = "200 per second"
RATELIMIT_STORAGE_URI = "memory://"
PERMANENT_SESSION_LIFETIME = timedelta(hours=12)
SESSION_COOKIE_NAME = "rotation_dashboards"
SESSION_COOKIE_SAMESITE = "Lax"
# Every request as a line on standard output; the metadata would grow with each click.
EVENT_LOGGER = StdOutEventLogger()

# Nothing is loaded from or sent to other servers.
TALISMAN_ENABLED = True
TALISMAN_CONFIG: dict[str, Any] = {
    **DEFAULT_TALISMAN,
    "content_security_policy": {
        **DEFAULT_TALISMAN["content_security_policy"],
        "img-src": ["'self'", "blob:", "data:"],
        "connect-src": ["'self'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'"],
        "frame-ancestors": ["'self'"],
    },
}
APP_NAME = "Rotation Warehouse"
# Colours that people with any colour vision tell apart (Okabe and Ito 2008), and scales that print in grey.
EXTRA_CATEGORICAL_COLOR_SCHEMES = [
    {
        "id": "rotation",
        "label": "Rotation Warehouse",
        "description": "Okabe and Ito",
        "isDefault": True,
        "colors": ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6D1F", "#555555"],
    }
]
EXTRA_SEQUENTIAL_COLOR_SCHEMES = [
    {
        "id": "rotation_diverging",
        "label": "Orange, white, blue",
        "description": "For numbers on both sides of a middle",
        "isDiverging": True,
        "isDefault": False,
        "colors": ["#B35806", "#F1A340", "#FEE0B6", "#F7F7F7", "#D1E5F0", "#67A9CF", "#2166AC"],
    },
    {
        "id": "rotation_sequential",
        "label": "White to blue",
        "description": "For numbers that grow",
        "isDiverging": False,
        "isDefault": False,
        "colors": ["#F7FBFF", "#C6DBEF", "#6BAED6", "#2171B5", "#08306B"],
    },
]


def FLASK_APP_MUTATOR(app: Any) -> None:  # noqa: N802
    """Superset's hook on its application: slow down who tries passwords, in the form and by the API."""
    from flask_appbuilder.security.api import SecurityApi
    from flask_appbuilder.security.views import AuthView
    from superset import appbuilder

    for view in appbuilder.baseviews:
        if isinstance(view, AuthView | SecurityApi):
            appbuilder.sm.limiter.limit(AUTH_RATE_LIMIT, methods=["POST"])(view.blueprint)
