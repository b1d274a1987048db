"""What nobody may do in the dashboards: SQL that gets out, roles that write, sign-in that can be guessed.

In: a real Superset on the publication of a small market. Every statement of ESCAPES gets out of some DuckDB
server, or acts on one; they are asked by both roles in SQL Lab, and some through a database that the
administrator describes otherwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.dashboards.looked_at import SLUGS
from tests.dashboards.served import (
    PEOPLE,
    SECONDS,
    Served,
    ask_sql,
    interpreter,
    prepared,
    served,
    sign_in,
    words,
)
from tests.shared_homes import HomeAfter

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]
COMMAND, FUNCTION = "Only SELECT statements are run here", "is not allowed here"
MUTATES, NO_TABLE, UNREAD = "does not allow for DDL/DML", "does not exist", ""
ESCAPES = {
    "select * from read_text('/etc/passwd')": FUNCTION,
    "select * from read_csv('/etc/passwd')": FUNCTION,
    "select * from read_blob('/proc/self/environ')": FUNCTION,
    "select * from glob('/*')": FUNCTION,
    "select * from read_parquet('http://127.0.0.1:1/x.parquet')": FUNCTION,
    "with x as (select * from read_text('/etc/passwd')) select * from x": FUNCTION,
    "select (select content from read_text('/etc/passwd'))": FUNCTION,
    "select * from query('select 1')": FUNCTION,
    "select * from json_execute_serialized_sql(json_serialize_sql('select 1'))": FUNCTION,
    "select * from duckdb_settings()": FUNCTION,
    "select * from duckdb_secrets()": FUNCTION,
    "select * from enable_logging()": FUNCTION,
    "select * from duckdb_logs()": FUNCTION,
    "select * from enable_profiling()": FUNCTION,
    "select * from force_checkpoint()": FUNCTION,
    "select getenv('ROTATION_CANARY')": FUNCTION,
    "select current_setting('allowed_paths')": FUNCTION,
    "select pg_sleep(100)": FUNCTION,
    "select write_log('x')": FUNCTION,
    "select * from '/etc/passwd'": NO_TABLE,
    'select * from "/etc/passwd"': NO_TABLE,
    "select * from 'http://127.0.0.1:1/x.csv'": UNREAD,
    # A name of the server's own program.
    "select * from statement": NO_TABLE,
    "call enable_logging(storage = 'stdout')": COMMAND,
    "copy (select 1) to '/tmp/escaped-dashboards.csv'": COMMAND,
    "copy marts.daily_summary to '/tmp/escaped-dashboards.csv'": COMMAND,
    "export database '/tmp/escaped-dashboards'": UNREAD,
    "import database '/tmp'": UNREAD,
    "attach '/tmp/escaped-dashboards.duckdb'": COMMAND,
    "attach ':memory:' as marts": COMMAND,
    "detach warehouse": COMMAND,
    "install httpfs": COMMAND,
    "load httpfs": COMMAND,
    "set enable_external_access = true": COMMAND,
    "set search_path = 'ops'": COMMAND,
    "reset lock_configuration": COMMAND,
    "pragma memory_limit='100GB'": COMMAND,
    "pragma database_list": COMMAND,
    "use memory": COMMAND,
    "checkpoint": COMMAND,
    "begin": COMMAND,
    "prepare x as select 1": COMMAND,
    "explain analyze select 1": COMMAND,
    "create temp table x as select 1": MUTATES,
    "create temp macro x() as table from read_text('/etc/passwd')": UNREAD,
    "create secret x (type s3)": UNREAD,
    "insert into marts.daily_summary default values": MUTATES,
    "delete from marts.daily_summary": MUTATES,
    "drop table marts.daily_summary": MUTATES,
    "select 1; copy (select 1) to '/tmp/escaped-dashboards.csv'": COMMAND,
    "select 1; pragma enable_profiling": COMMAND,
    "pragma profiling_output='/tmp/escaped-dashboards.json'": COMMAND,
    "vacuum": COMMAND,
    "set variable x = 1": COMMAND,
    "execute x": COMMAND,
    "copy (select 1) to '/dev/stdout'": COMMAND,
    "/* select */ copy (select 1) to '/tmp/escaped-dashboards.csv'": COMMAND,
    "-- select\ncopy (select 1) to '/tmp/escaped-dashboards.csv'": COMMAND,
    "with x as (insert into marts.daily_summary default values returning *) select * from x": MUTATES,
    "summarize select * from read_text('/etc/passwd')": FUNCTION,
    "select list_transform([1], x -> (select count(*) from read_text('/etc/passwd')))": FUNCTION,
    "select * from query_table('/etc/passwd')": FUNCTION,
    "from read_csv_auto('/etc/passwd')": FUNCTION,
    "from parquet_metadata('/tmp/x.parquet')": FUNCTION,
    "from sniff_csv('/etc/passwd')": FUNCTION,
    "from duckdb_variables()": FUNCTION,
    "select '{{ url_param(''x'') }}' from read_text('/etc/passwd')": FUNCTION,
}
LONGEST = (
    "select count(*) from range(9999) a, range(9999) b, range(99999) c where a.range + b.range > c.range"
)
# Addresses that somebody may type, and what could be asked with them.
ADDRESSES = (
    "duckdb:////etc/passwd",
    "duckdb:///:memory:",
    "duckdb:///publication.duckdb",
    "duckdb+duckdb_engine:///publication",
    "sqlite:////etc/passwd",
    "postgresql://somebody:x@127.0.0.1:1/x",
)
# With the address of the publication, but settings that would undo what shuts it.
EXTRAS: tuple[dict[str, Any], ...] = (
    {"engine_params": {"connect_args": {"read_only": False, "config": {"enable_external_access": "true"}}}},
    {"engine_params": {"connect_args": {"preload_extensions": ["httpfs"]}, "creator": None}},
    {"engine_params": {"connect_args": {"database": "/etc/passwd"}, "plugins": []}},
)
OWN = {
    "DashboardFilterStateRestApi", "DashboardPermalinkRestApi", "ExploreFormDataRestApi",
    "ExplorePermalinkRestApi", "SqlLabPermalinkRestApi", "TabStateView", "TableSchemaView",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(home_after: HomeAfter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A Superset of this module's own: the administrator tries to change it."""
    published = home_after("2024-07-16").published
    python = interpreter()
    ready = prepared(tmp_path_factory, python, published)
    with served(python, ready, tmp_path_factory.mktemp("superset") / "state", published) as running:
        yield running


def require_shut(server: Served, answer: str) -> None:
    """Nothing of the machine is in an answer, and nothing was written."""
    assert not re.search(r"root:|canary-key|Traceback", answer), answer[:500]
    assert not list(Path("/tmp").glob("escaped-dashboards*"))
    assert not list((server.published / "current").resolve().glob("*.wal"))


# ---- SQL


@pytest.mark.parametrize("person", PEOPLE)
def test_no_statement_gets_out(server: Served, person: str) -> None:
    client = server.signed_in(person)
    for statement, expected in ESCAPES.items():
        status, body = ask_sql(client, statement)
        assert status >= 400, f"{statement}: {str(body)[:500]}"
        assert expected in words(body), f"{statement}: {words(body)}"
        require_shut(server, json.dumps(body))
    assert "enable_logging" not in "".join(
        line for line in server.log().splitlines(keepends=True) if "QueryLog" in line
    )
    status, body = ask_sql(client, "select count(*) as pairs from ref.pairs")
    assert status == 200 and body["data"][0]["pairs"] > 0


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_administrator_cannot_describe_another_database(server: Served, address: str) -> None:
    admin = server.signed_in("admin")
    described = {"database_name": f"other {address}", "sqlalchemy_uri": address, "expose_in_sqllab": True}
    for path in ("/api/v1/database/test_connection/", "/api/v1/database/"):
        answer = admin.post(path, json=described)
        assert answer.status_code >= 400, f"{path}: {answer.text[:300]}"
        require_shut(server, answer.text)
    assert admin.get("/api/v1/database/").json()["count"] == 1


@pytest.mark.parametrize("query", ["", "?access_mode=READ_WRITE", "?enable_external_access=true&user=x"])
@pytest.mark.parametrize("extra", EXTRAS, ids=range(len(EXTRAS)))
def test_another_database_with_this_address_is_as_shut(
    server: Served, query: str, extra: dict[str, Any]
) -> None:
    admin = server.signed_in("admin")
    described = {
        "database_name": f"other {query} {EXTRAS.index(extra)}",
        "sqlalchemy_uri": f"duckdb:///publication{query}",
        "expose_in_sqllab": True,
        "allow_dml": True,
        "allow_ctas": True,
        "allow_file_upload": True,
        "extra": json.dumps({**extra, "allow_multi_catalog": True}),
    }
    made = admin.post("/api/v1/database/", json=described)
    if made.status_code >= 400:
        require_shut(server, made.text)
        return
    number = made.json()["id"]
    try:
        for statement in (
            "select * from read_text('/etc/passwd')",
            "create table marts.x as select 1",
            "copy (select 1) to '/tmp/escaped-dashboards.csv'",
            "load httpfs",
            "set memory_limit = '100GB'",
        ):
            status, body = ask_sql(admin, statement, database_id=number)
            assert status >= 400, f"{statement}: {body}"
            require_shut(server, json.dumps(body))
    finally:
        assert admin.delete(f"/api/v1/database/{number}").status_code == 200


@pytest.mark.parametrize("person", PEOPLE)
def test_a_statement_that_would_run_for_ever_is_stopped_with_its_reason(server: Served, person: str) -> None:
    status, body = ask_sql(server.signed_in(person), LONGEST)
    assert status >= 400
    assert f"Stopped after {SECONDS} s, the limit of a statement" in words(body)
    status, body = ask_sql(server.signed_in(person), "select 1 as one")
    assert (status, body["data"]) == (200, [{"one": 1}])


def test_a_statement_that_needs_too_much_memory_is_stopped_with_its_reason(server: Served) -> None:
    status, body = ask_sql(
        server.signed_in("analyst"), "select string_agg(repeat('x', 1000000), '') from range(5000)"
    )
    assert status >= 400 and re.search("Stopped: it needs more memory|Stopped after", words(body))


def test_a_long_result_is_cut_and_says_so(server: Served) -> None:
    client = server.signed_in("analyst")
    status, body = ask_sql(client, "select range as a from range(200000)", queryLimit=1_000)
    assert status == 200 and len(body["data"]) == 1_000
    # What SQL Lab writes under a result that is not NOT_LIMITED: the number of rows, and that there are more.
    assert body["query"]["limitingFactor"] != "NOT_LIMITED" and body["query"]["rows"] == 1_000
    status, body = ask_sql(client, "select range as a from range(200000)", queryLimit=10_000_000)
    assert status == 200 and len(body["data"]) <= 100_000
    status, body = ask_sql(client, "select range as a from range(7)", queryLimit=1_000)
    assert len(body["data"]) == 7 and body["query"]["limitingFactor"] == "NOT_LIMITED"


# ---- roles


def test_an_analyst_reads(server: Served) -> None:
    client = server.signed_in("analyst")
    for slug in SLUGS:
        assert client.get(f"/api/v1/dashboard/{slug}").status_code == 200
        assert client.get(f"/superset/dashboard/{slug}/").status_code == 200
    assert client.get("/api/v1/dataset/").json()["count"] > 50
    status, body = ask_sql(
        # Superset puts its own limit in the place of one that ends a statement (docs/dashboards.md).
        client,
        "select * from (select session_date from daily_summary order by 1 desc limit 3) order by 1 desc",
        client_id="analyst-1",
    )
    assert status == 200 and len(body["data"]) == 3
    lines = client.get("/api/v1/sqllab/export/analyst-1/").text.splitlines()
    assert [line[:10] for line in lines[1:]] == [row["session_date"][:10] for row in body["data"]]
    explored = client.get("/explore/", params={"slice_id": some_id(client, "chart")})
    assert explored.status_code == 200


def some_id(client: Any, kind: str) -> int:
    """The number of the first thing of a kind."""
    return int(client.get(f"/api/v1/{kind}/").json()["result"][0]["id"])


def as_it_is(client: Any, kind: str, number: int) -> dict[str, Any]:
    """A thing without how long ago it was changed."""
    found = client.get(f"/api/v1/{kind}/{number}").json()["result"]
    return {key: value for key, value in found.items() if "humanized" not in key}


@pytest.mark.parametrize("kind", ["dashboard", "chart", "dataset", "database"])
def test_an_analyst_changes_nothing(server: Served, kind: str) -> None:
    admin, analyst = server.signed_in("admin"), server.signed_in("analyst")
    number = some_id(admin, kind)
    before = as_it_is(admin, kind, number)
    names: dict[str, Any] = {
        "dashboard": {"dashboard_title": "x"},
        "chart": {"slice_name": "x", "viz_type": "table", "datasource_id": 1, "datasource_type": "table"},
        "dataset": {"table_name": "x", "database": 1, "schema": "marts"},
        "database": {"database_name": "x", "sqlalchemy_uri": "duckdb:///publication"},
    }[kind]
    tried = {
        "create": analyst.post(f"/api/v1/{kind}/", json=names),
        "edit": analyst.put(f"/api/v1/{kind}/{number}", json={next(iter(names)): "x"}),
        "delete": analyst.delete(f"/api/v1/{kind}/{number}"),
        "delete many": analyst.delete(f"/api/v1/{kind}/", params={"q": f"!({number})"}),
        "import": analyst.post(f"/api/v1/{kind}/import/", files={"formData": b"x"}),
    }
    allowed = {name: answer.text[:200] for name, answer in tried.items() if answer.status_code < 400}
    assert allowed == {}
    refused = {name: answer.status_code for name, answer in tried.items()}
    assert set(refused.values()) <= {403, 404, 405}, refused
    assert as_it_is(admin, kind, number) == before


def test_an_analyst_s_role_holds_no_right_to_write_but_for_the_reader_s_own_state(server: Served) -> None:
    admin = server.signed_in("admin")
    roles = admin.get("/api/v1/security/roles/").json()["result"]
    number = next(role["id"] for role in roles if role["name"] == "Analyst")
    held = admin.get(f"/api/v1/security/roles/{number}/permissions/").json()["result"]
    acts = re.compile(
        r"write|delete|add|edit|import|upload|save|tag|bulk|put|invalidate|cache|create|update|set_"
    )
    writes = {right["view_menu_name"] for right in held if acts.search(right["permission_name"])}
    assert len(held) > 50
    # Filters, links and tabs of SQL Lab; none of them is seen by another reader.
    assert writes <= OWN, sorted(writes - OWN)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/security/users/",
        "/api/v1/security/roles/",
        "/users/list/",
        "/roles/list/",
        "/api/v1/database/{database}/connection",
        "/api/v1/assets/export/",
        "/api/v1/database/export/?q=!({database})",
        "/api/v1/log/",
        "/logmodelview/list/",
        "/api/v1/report/",
        "/api/v1/annotation_layer/",
    ],
)
def test_an_analyst_does_not_see_who_is_there_nor_how_it_is_connected(server: Served, path: str) -> None:
    number = some_id(server.signed_in("admin"), "database")
    answer = server.signed_in("analyst").get(path.format(database=number))
    assert answer.status_code in (302, 403, 404), f"{answer.status_code}: {answer.text[:300]}"
    if answer.status_code == 302:
        assert server.signed_in("analyst").get(path, follow_redirects=True).url.path in (
            "/",
            "/superset/welcome/",
            "/login/",
        )


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/dashboard/",
        "/api/v1/dashboard/rotation",
        "/api/v1/chart/",
        "/api/v1/dataset/",
        "/api/v1/database/",
        "/api/v1/security/users/",
        "/api/v1/me/",
    ],
)
def test_somebody_who_is_not_signed_in_sees_nothing(server: Served, path: str) -> None:
    with server.client() as stranger:
        answer = stranger.get(path)
        assert answer.status_code in (401, 403, 404) or answer.json()["count"] == 0, answer.text[:300]
        page = stranger.get("/superset/dashboard/rotation/")
        assert page.status_code in (302, 401, 403) and "SIMULATED" not in page.text
        assert stranger.post("/api/v1/chart/data", json={}).status_code in (400, 401, 403)
        assert stranger.post("/api/v1/sqllab/execute/", json={}).status_code in (400, 401, 403)


def test_a_wrong_password_is_refused_and_tries_are_slowed(server: Served) -> None:
    # By another address of loopback: the limit is that of an address.
    with server.client("127.0.0.3") as stranger:
        statuses = [sign_in(stranger, "admin", f"wrong {number}").status_code for number in range(12)]
        assert statuses[-1] == 429, statuses
        assert stranger.get("/api/v1/me/").status_code == 401
        api = [
            stranger.post(
                "/api/v1/security/login",
                json={"username": "admin", "password": f"wrong {number}", "provider": "db"},
            ).status_code
            for number in range(12)
        ]
        assert 200 not in api and api[-1] == 429
    assert server.signed_in("admin").get("/api/v1/me/").status_code == 200


# ---- many readers


def test_sixteen_readers_at_once_get_the_same(server: Served) -> None:
    client = server.signed_in("analyst")
    # A sum of floating-point numbers depends on the order of its threads; this does not.
    statement = (
        "select count(*) as rows, bit_xor(hash(pair))::varchar as content from rotation_pair_daily as pair"
    )

    def ask(_: int) -> tuple[int, str]:
        status, body = ask_sql(client, statement)
        return status, json.dumps(body.get("data"))

    with ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(ask, range(64)))
    assert len(answers) == 1 and next(iter(answers))[0] == 200
