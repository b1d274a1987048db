"""A person at the dashboards, by Superset's own interface: signs in, asks, is refused.

In: the address of the server. Out: what it answers, with its status. Nothing but the standard library.
"""

from __future__ import annotations

import http.cookiejar
import json
import urllib.error
import urllib.request
from typing import Any

CHART = "Where these numbers come from"
DATASET = "provenance"


class Person:
    """One person's browser."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.headers = {"Content-Type": "application/json", "Referer": address}
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(cookies)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """One request: its status, and the document or the text of the answer."""
        request = urllib.request.Request(
            f"{self.address}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers=self.headers,
        )
        try:
            with self.opener.open(request, timeout=60) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text

    def sign_in(self, name: str, password: str) -> int:
        """The status of the answer; 200 when the password is right."""
        body = {"username": name, "password": password, "provider": "db", "refresh": True}
        status, answer = self.call("POST", "/api/v1/security/login", body)
        if status == 200:
            self.headers["Authorization"] = f"Bearer {answer['access_token']}"
            _, token = self.call("GET", "/api/v1/security/csrf_token/")
            self.headers["X-CSRFToken"] = token["result"]
        return status

    def rows(self, dataset: str, columns: list[str]) -> tuple[int, Any]:
        """What a table chart of a dataset shows, as a dashboard asks for it."""
        _, found = self.call("GET", "/api/v1/dataset/?q=(page_size:500)")
        number = next(entry["id"] for entry in found["result"] if entry["table_name"] == dataset)
        status, answer = self.call(
            "POST",
            "/api/v1/chart/data",
            {
                "datasource": {"id": number, "type": "table"},
                "queries": [{"columns": columns, "row_limit": 10}],
                "result_format": "json",
                "result_type": "full",
            },
        )
        return status, answer["result"][0]["data"] if status == 200 else answer

    def sql(self, statement: str) -> tuple[int, Any]:
        """A statement typed into SQL Lab."""
        _, found = self.call("GET", "/api/v1/database/")
        body = {
            "database_id": found["result"][0]["id"],
            "sql": statement,
            "schema": "marts",
            "runAsync": False,
        }
        return self.call("POST", "/api/v1/sqllab/execute/", body)

    def retitle(self, title: str) -> int:
        """Try to give a chart another title; the status of the answer."""
        _, found = self.call("GET", "/api/v1/chart/?q=(page_size:200)")
        number = next(entry["id"] for entry in found["result"] if entry["slice_name"] == CHART)
        status, _ = self.call("PUT", f"/api/v1/chart/{number}", {"slice_name": title})
        return status
