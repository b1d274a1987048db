"""The compose file, the Dockerfile and Airflow's settings of the stack, read as text: rules that must hold,
and that each rule can fail.

In: `docker-compose.yml`, `Dockerfile`, `dashboards/Dockerfile`, `.dockerignore`, `deploy/airflow.cfg`,
`.env.example`. No container engine is needed; whether the stack works is the matter of `make test-compose`.
"""

from __future__ import annotations

import configparser
import copy
import os
import re
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
Document = dict[str, Any]

# postgres starts as root to own its volume and gives that up; the two inits end by themselves.
ROOT_AT_START = {"postgres": {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}}
ONE_SHOT = {"init", "dashboards-init"}
PROFILES = {"redis": ["celery"], "worker": ["celery"], "dashboards-init": ["bi"], "dashboards": ["bi"]}
# Superset sees what is published and nothing else, and never by its file.
BI_MOUNTS = {"published:/var/lib/rotation/published:ro"}
# What each service mounts: nothing may be added in passing, and what only reads may not write.
TASK_MOUNTS = {
    "logs:/var/lib/rotation/logs",
    "home:/var/lib/rotation/home",
    "published:/var/lib/rotation/home/published",
    "${ROTATION_FILES_DIR:-files}:/var/lib/rotation/files:ro",
}
CALLBACK_MOUNTS = {"logs:/var/lib/rotation/logs", "published:/var/lib/rotation/home/published:ro"}
MOUNTS = {
    "postgres": {"postgres:/var/lib/postgresql/data"},
    "init": {
        "logs:/var/lib/rotation/logs",
        "home:/var/lib/rotation/home:ro",
        "published:/var/lib/rotation/home/published:ro",
    },
    "api-server": {"logs:/var/lib/rotation/logs:ro", "published:/var/lib/rotation/home/published:ro"},
    "scheduler": TASK_MOUNTS,
    "worker": TASK_MOUNTS,
    "dag-processor": CALLBACK_MOUNTS,
    "triggerer": CALLBACK_MOUNTS,
    "redis": set(),
    "dashboards-init": BI_MOUNTS,
    "dashboards": BI_MOUNTS,
}
# Each one-shot service that a service waits for, by image.
WAITS_FOR = {"rotation-warehouse": "init", "rotation-dashboards": "dashboards-init"}
# Superset has no secret of Airflow's; only the service that makes its database has the stack's.
BI_SECRETS = {
    "dashboards": {"superset_secret_key", "superset_postgres_password"},
    "dashboards-init": {
        "postgres_password",
        "superset_secret_key",
        "superset_postgres_password",
        "dashboards_admin_password",
        "dashboards_analyst_password",
    },
}
# Settings of .env.example that the stack does not hand on under their own name, and why.
NOT_PASSED = {
    "ROTATION_SESSION": "tasks never read it; `make run` does",
    "ROTATION_WAREHOUSE": "the pipeline's database lies in the home volume",
    "FRED_API_KEY": "a secret file, which becomes the connection fred_default",
    "FDIC_API_KEY": "a secret file, read at the start of the tasks' containers",
    "ROTATION_ALERT_WEBHOOK_URL": "a secret file, which becomes the connection alert_webhook",
    "TIINGO_API_KEY": "for `make run` and an Airflow of one's own, as docs/live-sources.md says",
    "ROTATION_TIINGO_URL": "the same",
    "DATABENTO_API_KEY": "the same; the image has no Databento client",
    "ROTATION_DATABENTO_URL": "the same",
    "ROTATION_BACKUP_DIR": "a folder of the host, for the backup's own command",
    "ROTATION_DASHBOARDS_HOME": "`make dashboards` alone keeps a folder",
}
SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|FERNET|API_KEY|_CONN(_|$)|SQL_ALCHEMY|BROKER|BACKEND")
PASSWORD_IN_URL = re.compile(r"://[^/\s:@]*:[^/\s@$]+@")


def compose() -> Document:
    document: Document = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
    return document


def compose_findings(document: Document) -> list[str]:
    """What is wrong with the compose file; empty when nothing is."""
    found = []
    for name, service in document["services"].items():
        found += [f"{name}: {text}" for text in _service_findings(name, service)]
        for secret in service.get("secrets", []):
            if secret not in document["secrets"]:
                found.append(f"{name}: the secret {secret} is not declared")
    for name, entry in document["secrets"].items():
        if not re.fullmatch(r"\$\{ROTATION_SECRETS_DIR:\?.*make secrets.*\}/" + name, entry.get("file", "")):
            found.append(f"secret {name}: no file that is refused by name when there is none")
    for name, volume in document["volumes"].items():
        if volume:
            found.append(f"volume {name}: more than a named volume")
    source = document["x-environment"]["ROTATION_SOURCE"]
    if not source.startswith("${ROTATION_SOURCE:?"):
        found.append("ROTATION_SOURCE has a default")
    filled = {str(mount).split(":")[0] for mount in document["services"]["init"]["volumes"]}
    for volume in sorted({"logs", "home", "published"} - filled):
        found.append(f"volume {volume}: shared, and not filled by init before two services fill it at once")
    return found


def _service_findings(name: str, service: Document) -> list[str]:
    found = []
    if not re.fullmatch(r"\$\{[A-Z_]+:-[a-z0-9./-]+:[A-Za-z0-9._-]+\}", service.get("image", "")):
        found.append("image without a variable or a tag")
    if ":latest" in service.get("image", ""):
        found.append("image tagged latest")
    if name not in ROOT_AT_START and service.get("user", "root").split(":")[0] in ("root", "0"):
        found.append("runs as root")
    if service.get("cap_drop") != ["ALL"] or set(service.get("cap_add", [])) != ROOT_AT_START.get(
        name, set()
    ):
        found.append("capabilities")
    if service.get("read_only") is not True:
        found.append("root file system can be written")
    if "no-new-privileges:true" not in service.get("security_opt", []):
        found.append("no-new-privileges is missing")
    for key in ("privileged", "network_mode", "pid", "ipc", "devices", "env_file", "container_name"):
        if key in service:
            found.append(f"{key} is set")
    for key in ("mem_limit", "cpus", "pids_limit"):
        if not service.get(key):
            found.append(f"{key} is missing")
    options = service.get("logging", {}).get("options", {})
    if not (options.get("max-size") and options.get("max-file")):
        found.append("log rotation is missing")
    if name in ONE_SHOT:
        if service.get("restart") != "no":
            found.append("a one-shot service restarts")
    else:
        if not service.get("healthcheck", {}).get("test"):
            found.append("health check is missing")
        if service.get("restart") != "unless-stopped":
            found.append("restart policy is missing")
        if not service.get("stop_grace_period"):
            found.append("stop_grace_period is missing")
    if set(service.get("volumes", [])) != MOUNTS.get(name):
        found.append("mounts are not as intended")
    for port in service.get("ports", []):
        if not str(port).startswith("${ROTATION_BIND:-127.0.0.1}:"):
            found.append(f"port {port} is open to other machines")
    environment = service.get("environment", {})
    for key, value in environment.items() if isinstance(environment, dict) else [("environment", "a list")]:
        if SECRET_NAME.search(key) or value == "a list":
            found.append(f"{key} is set in the environment")
    for key in ("environment", "command", "entrypoint", "healthcheck"):
        if PASSWORD_IN_URL.search(str(service.get(key, ""))):
            found.append(f"a password in {key}")
    if service.get("profiles") != PROFILES.get(name):
        found.append("profile")
    if set(service.get("secrets", [])) != BI_SECRETS.get(name, set(service.get("secrets", []))):
        found.append("secrets are not as intended")
    for image, first in WAITS_FOR.items():
        if image in service.get("image", "") and name not in ONE_SHOT:
            conditions = {key: entry["condition"] for key, entry in service.get("depends_on", {}).items()}
            if (conditions.get("postgres"), conditions.get(first)) != (
                "service_healthy",
                "service_completed_successfully",
            ):
                found.append(f"does not wait for postgres and {first}")
    return found


def dockerfile_findings(text: str) -> list[str]:
    """What is wrong with the Dockerfile."""
    found = []
    if re.search(r"^\s*#\s*syntax\s*=", text, re.MULTILINE | re.IGNORECASE):
        found.append("a syntax line, which a registry is asked for")
    joined = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", text))
    lines = [line.strip() for line in joined.splitlines() if line.strip()]
    for line in lines:
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM" and not rest.startswith("${PYTHON_IMAGE}"):
            found.append("a base image that no variable names")
        if instruction == "ADD":
            found.append("ADD")
        if ":latest" in rest:
            found.append("latest")
        if re.search(r"pip install(?!.*--require-hashes)", rest) or re.search(r"curl|wget", rest):
            found.append("an install without hashes")
        if re.search(r"(?i)(password|secret|token)\s*=", rest):
            found.append("a secret")
    if not any(re.fullmatch(r"ARG PYTHON_IMAGE=python:3\.\d+[a-z0-9.-]*", line) for line in lines):
        found.append("no default base image with a tag")
    final = lines[[i for i, line in enumerate(lines) if line.startswith("FROM")][-1] :]
    users = [line.split()[1] for line in final if line.startswith("USER ")]
    if not users or users[-1].split(":")[0] in ("0", "root"):
        found.append("runs as root")
    if any("pip install" in line or "apt-get" in line for line in final):
        found.append("packages are installed in the final stage")
    code = [i for i, line in enumerate(final) if re.match(r"COPY (?!--from)", line)]
    packages = [i for i, line in enumerate(final) if line.startswith("COPY --from=packages")]
    if not (code and packages and packages[0] < code[0]):
        found.append("code before packages")
    return found


def airflow_findings(text: str) -> list[str]:
    """What is wrong with Airflow's settings."""
    settings = configparser.ConfigParser(interpolation=None)
    settings.read_string(text)
    found = []
    for section in settings.sections():
        for key in settings[section]:
            if re.search(r"(fernet_key|secret|sql_alchemy_conn|broker_url|password)(?!.*(_cmd|_file)$)", key):
                found.append(f"[{section}] {key} is no command that reads a secret file")
    expected = {
        ("core", "load_examples"): "False",
        ("core", "parallelism"): "4",
        ("scheduler", "mp_start_method"): "forkserver",
        ("usage_data_collection", "enabled"): "False",
    }
    for (section, key), value in expected.items():
        if settings.get(section, key, fallback=None) != value:
            found.append(f"[{section}] {key}")
    return found


def test_compose_file_keeps_the_rules() -> None:
    assert compose_findings(compose()) == []


def _set(path: str, value: Any) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        *parents, last = path.split("/")
        place: Any = document
        for part in parents:
            place = place[part]
        if value is None:
            del place[last]
        else:
            place[last] = value

    return change


FAULTS = [
    ("services/scheduler/healthcheck", None, "scheduler: health check is missing"),
    ("services/redis/healthcheck", None, "redis: health check is missing"),
    ("services/triggerer/restart", "always", "triggerer: restart policy is missing"),
    ("services/init/restart", "unless-stopped", "init: a one-shot service restarts"),
    ("services/api-server/user", "0:0", "api-server: runs as root"),
    ("services/worker/user", None, "worker: runs as root"),
    ("services/scheduler/cap_add", ["SYS_ADMIN"], "scheduler: capabilities"),
    ("services/postgres/cap_drop", None, "postgres: capabilities"),
    ("services/scheduler/read_only", False, "scheduler: root file system can be written"),
    ("services/redis/security_opt", [], "redis: no-new-privileges is missing"),
    ("services/worker/mem_limit", None, "worker: mem_limit is missing"),
    ("services/postgres/cpus", None, "postgres: cpus is missing"),
    ("services/postgres/pids_limit", None, "postgres: pids_limit is missing"),
    ("services/dag-processor/logging", {"driver": "json-file"}, "dag-processor: log rotation is missing"),
    ("services/scheduler/stop_grace_period", None, "scheduler: stop_grace_period is missing"),
    ("services/postgres/image", "postgres:16", "postgres: image without a variable or a tag"),
    ("services/redis/image", "${REDIS_IMAGE:-redis:latest}", "redis: image tagged latest"),
    ("services/redis/image", "${REDIS_IMAGE:-redis}", "redis: image without a variable or a tag"),
    ("services/api-server/ports", ["8080:8080"], "api-server: port 8080:8080 is open to other machines"),
    ("services/postgres/ports", ["0.0.0.0:5432:5432"], "postgres: port 0.0.0.0:5432:5432 is open"),
    ("services/postgres/environment/POSTGRES_PASSWORD", "x", "postgres: POSTGRES_PASSWORD is set"),
    ("services/scheduler/environment/AIRFLOW__CORE__FERNET_KEY", "x", "FERNET_KEY is set in the environment"),
    ("services/scheduler/environment/FRED_API_KEY", "${FRED_API_KEY}", "FRED_API_KEY is set"),
    ("services/worker/command", ["x", "redis://:canary@redis:6379/0"], "worker: a password in command"),
    ("services/worker/profiles", None, "worker: profile"),
    ("services/scheduler/profiles", ["celery"], "scheduler: profile"),
    ("services/dashboards/profiles", None, "dashboards: profile"),
    ("services/dashboards/healthcheck", None, "dashboards: health check is missing"),
    ("services/dashboards/user", None, "dashboards: runs as root"),
    ("services/dashboards/read_only", None, "dashboards: root file system can be written"),
    ("services/dashboards/mem_limit", None, "dashboards: mem_limit is missing"),
    ("services/dashboards/ports", ["8088:8088"], "dashboards: port 8088:8088 is open to other machines"),
    (
        "services/dashboards/volumes",
        ["published:/var/lib/rotation/published"],
        "dashboards: mounts are not as intended",
    ),
    (
        "services/dashboards/volumes",
        ["${X}/current/warehouse.duckdb:/warehouse.duckdb:ro"],
        "dashboards: mounts are not as intended",
    ),
    (
        "services/dashboards/secrets",
        ["superset_secret_key", "superset_postgres_password", "fernet_key"],
        "dashboards: secrets are not as intended",
    ),
    ("services/dashboards/environment/SUPERSET_SECRET_KEY", "x", "SUPERSET_SECRET_KEY is set"),
    (
        "services/dashboards/environment/ROTATION_DASHBOARDS_METADATA",
        "postgresql://superset:canary@postgres/superset",
        "dashboards: a password in environment",
    ),
    ("services/dashboards/depends_on", {}, "dashboards: does not wait for postgres and dashboards-init"),
    ("services/dashboards-init/restart", "always", "dashboards-init: a one-shot service restarts"),
    ("services/scheduler/privileged", True, "scheduler: privileged is set"),
    ("services/triggerer/network_mode", "host", "triggerer: network_mode is set"),
    ("services/scheduler/env_file", ".env", "scheduler: env_file is set"),
    ("services/triggerer/volumes", ["logs:/var/lib/rotation/logs"], "triggerer: mounts are not as intended"),
    (
        "services/api-server/volumes",
        ["logs:/var/lib/rotation/logs:ro", "published:/var/lib/rotation/home/published"],
        "api-server: mounts are not as intended",
    ),
    ("services/scheduler/volumes", [*TASK_MOUNTS, "/:/host"], "scheduler: mounts are not as intended"),
    ("services/init/volumes", ["logs:/var/lib/rotation/logs"], "volume home: shared, and not filled by init"),
    ("services/triggerer/depends_on", {}, "triggerer: does not wait for postgres and init"),
    ("services/scheduler/secrets", ["other"], "scheduler: the secret other is not declared"),
    ("secrets/fernet_key", {"environment": "FERNET_KEY"}, "secret fernet_key: no file"),
    (
        "secrets/jwt_secret",
        {"file": "${ROTATION_SECRETS_DIR:-./secrets}/jwt_secret"},
        "secret jwt_secret: no file",
    ),
    ("volumes/published", {"driver_opts": {"device": "/x"}}, "volume published: more than a named volume"),
    ("x-environment/ROTATION_SOURCE", "${ROTATION_SOURCE:-live}", "ROTATION_SOURCE has a default"),
]


@pytest.mark.parametrize(("path", "value", "finding"), FAULTS)
def test_a_fault_in_the_compose_file_is_found(path: str, value: Any, finding: str) -> None:
    document = copy.deepcopy(compose())
    _set(path, value)(document)
    assert [text for text in compose_findings(document) if finding in text]


def test_the_two_executors_run_the_same_tasks() -> None:
    """Image, settings, mounts and secrets of the Celery worker are the scheduler's."""
    services = compose()["services"]
    for key in ("image", "environment", "volumes", "secrets", "mem_limit", "user"):
        assert services["worker"][key] == services["scheduler"][key], key
    executor = services["scheduler"]["environment"]["AIRFLOW__CORE__EXECUTOR"]
    assert executor == "${ROTATION_EXECUTOR:-LocalExecutor}"


def test_every_documented_setting_reaches_the_tasks() -> None:
    names = set(
        re.findall(r"^#?([A-Z][A-Z_]+)=", (REPOSITORY / ".env.example").read_text(), flags=re.MULTILINE)
    )
    passed = set(compose()["services"]["scheduler"]["environment"])
    stack_only = {name for name in names if f"${{{name}:" in (REPOSITORY / "docker-compose.yml").read_text()}
    assert names - passed - stack_only - set(NOT_PASSED) == set()
    assert passed & set(NOT_PASSED) == set()
    services = compose()["services"]
    assert "fdic_api_key" in services["scheduler"]["secrets"]
    assert {"fred_api_key", "smtp_default", "alert_webhook"} <= set(services["init"]["secrets"])


@pytest.mark.parametrize("path", ["Dockerfile", "dashboards/Dockerfile"])
def test_dockerfile_keeps_the_rules(path: str) -> None:
    assert dockerfile_findings((REPOSITORY / path).read_text()) == []


def test_the_two_images_share_no_package_list() -> None:
    """Superset and Airflow cannot live in one environment, and neither image has the other's packages."""
    texts = {path: (REPOSITORY / path).read_text() for path in ("Dockerfile", "dashboards/Dockerfile")}
    assert re.findall(r"requirements-\w+\.lock", texts["dashboards/Dockerfile"])
    assert "requirements-stack" not in texts["dashboards/Dockerfile"]
    assert "requirements-dashboards" not in texts["Dockerfile"]


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        (r"\A", "# syntax=docker/dockerfile:1\n", "a syntax line"),
        (r"FROM \$\{PYTHON_IMAGE\} AS packages", "FROM python:3.12 AS packages", "a base image"),
        (r"ARG PYTHON_IMAGE=\S+", "ARG PYTHON_IMAGE=python", "no default base image"),
        (r"ARG PYTHON_IMAGE=\S+", "ARG PYTHON_IMAGE=python:latest", "no default base image"),
        (r"--require-hashes --only-binary", "--only-binary", "an install without hashes"),
        (r"(?m)^USER .*$", "", "runs as root"),
        (r"(?m)^USER .*$", "USER root", "runs as root"),
        (r"COPY \. /opt/rotation", "ADD https://example.com/x.tar /opt/rotation", "ADD"),
        (r"COPY \. /opt/rotation\n", "", "code before packages"),
        (r"(?m)^USER ", "ENV DB_PASSWORD=x\nUSER ", "a secret"),
        (r"(?m)^USER ", "RUN apt-get update\nUSER ", "packages are installed in the final stage"),
    ],
)
def test_a_fault_in_the_dockerfile_is_found(old: str, new: str, finding: str) -> None:
    text, count = re.subn(old, new, (REPOSITORY / "Dockerfile").read_text(), count=1)
    assert count == 1
    assert [entry for entry in dockerfile_findings(text) if entry.startswith(finding)]


def test_only_what_runs_goes_into_the_image() -> None:
    rules = [
        line
        for line in (REPOSITORY / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    packages = {path.parent.name for path in REPOSITORY.glob("*/__init__.py")} - {"tests", "benchmarks"}
    code = packages | {"dags", "plugins", "deploy"}
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    assert code <= allowed
    assert not allowed & {"data", "secrets", "tests", ".git", ".env", ".venv", ".airflow", "docs"}
    assert {"**/.env*", "**/__pycache__"} <= set(rules)
    # What the web interface shows of the documentation.
    assert {"docs/*.md", "docs/runbook"} <= allowed


def test_airflow_settings_keep_the_rules() -> None:
    assert airflow_findings((REPOSITORY / "deploy" / "airflow.cfg").read_text()) == []


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("fernet_key_cmd = ", "fernet_key = ", "[core] fernet_key is no command"),
        ("jwt_secret_cmd = ", "jwt_secret = ", "[api_auth] jwt_secret is no command"),
        ("sql_alchemy_conn_cmd = ", "sql_alchemy_conn = ", "[database] sql_alchemy_conn is no command"),
        ("broker_url_cmd = ", "broker_url = ", "[celery] broker_url is no command"),
        ("load_examples = False", "load_examples = True", "[core] load_examples"),
        ("parallelism = 4\n", "", "[core] parallelism"),
        ("mp_start_method = forkserver", "mp_start_method = fork", "[scheduler] mp_start_method"),
        ("enabled = False", "enabled = True", "[usage_data_collection] enabled"),
    ],
)
def test_a_fault_in_the_airflow_settings_is_found(old: str, new: str, finding: str) -> None:
    text = (REPOSITORY / "deploy" / "airflow.cfg").read_text()
    assert old in text
    assert [entry for entry in airflow_findings(text.replace(old, new, 1)) if entry.startswith(finding)]


def _make_secrets(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "ROTATION_SECRETS_DIR"}
    return subprocess.run(
        ["sh", str(folder / "deploy" / "secrets.sh")],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )


def test_make_secrets_makes_every_secret_once_and_prints_none(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "secrets.sh").write_bytes((REPOSITORY / "deploy" / "secrets.sh").read_bytes())
    # The last line has no line end, as editors leave it.
    (tmp_path / ".env").write_text(
        'ROTATION_SOURCE=live\nROTATION_ALERT_WEBHOOK_URL=https://127.0.0.1/canary\nFRED_API_KEY="0123456789canary"'
    )
    first = _make_secrets(tmp_path)
    folder = tmp_path / "secrets"
    made = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(made) == set(compose()["secrets"])
    copied = {"fred_api_key": "0123456789canary", "alert_webhook": "https://127.0.0.1/canary"}
    assert {name: made[name] for name in copied} == copied
    optional = {name for name, text in made.items() if not text}
    assert optional == {"fdic_api_key", "smtp_default"}
    generated = {text for name, text in made.items() if text and name not in copied}
    assert len(generated) == 10 and min(map(len, generated)) >= 24
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o644}
    from cryptography.fernet import Fernet

    Fernet(made["fernet_key"])
    lines = (tmp_path / ".env").read_text().splitlines()
    assert lines[2:] == ['FRED_API_KEY="0123456789canary"', "ROTATION_SECRETS_DIR=./secrets"]

    second = _make_secrets(tmp_path)
    assert {path.name: path.read_text() for path in folder.iterdir()} == made
    assert (tmp_path / ".env").read_text().splitlines() == lines
    for text in (text for text in made.values() if text):
        assert text not in first.stdout + first.stderr + second.stdout + second.stderr


def test_addresses_hold_any_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password of your own may hold what has a meaning in a URL."""
    from urllib.parse import unquote, urlsplit

    import deploy.address

    for name in ("postgres_password", "redis_password"):
        (tmp_path / name).write_text("p@ss:w/rd %#?\n")
    monkeypatch.setattr(deploy.address, "SECRETS", tmp_path)
    for of, host in (("database", "postgres"), ("broker", "redis")):
        parts = urlsplit(deploy.address.address(of))
        assert (parts.hostname, unquote(parts.password or "")) == (host, "p@ss:w/rd %#?")
