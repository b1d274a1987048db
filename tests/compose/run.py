"""`make test-compose`: the whole stack in containers, from nothing, through faults, on both executors.

In: a Docker engine with the base images (or the means to get them). Out: progress, a table of times, memory
and what each fault did; exit code 0 when everything held, 1 with a sentence when something did not, 0 with
the reason when there is no engine. Times are reported, never judged.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from tests.compose.stack import (
    DAG,
    DASHBOARDS_IMAGE,
    EVERYTHING,
    IMAGE,
    PROJECT,
    Stack,
    StackError,
    engine_problem,
    run,
)
from tests.compose.superset import DATASET, Person

LONG_RUNNING = {"postgres", "api-server", "scheduler", "dag-processor", "triggerer"}
BEGAN = time.monotonic()


def say(text: str) -> None:
    """One line of progress."""
    print(f"[{time.monotonic() - BEGAN:4.0f} s] {text}", flush=True)


def check(holds: bool, sentence: str) -> None:
    """Stop with a sentence when something does not hold."""
    if not holds:
        raise StackError(sentence)


def check_refusals(stack: Stack) -> str:
    """Without secrets, or without a source, nothing starts, and the message says what to do."""
    for missing, advice in (
        ("ROTATION_SECRETS_DIR", "make secrets"),
        ("ROTATION_SOURCE", "live, files or simulated"),
    ):
        result = stack.compose("up", "--detach", "--no-build", check=False, **{missing: None})
        check(result.returncode != 0, f"the stack started without {missing}")
        check(
            advice in result.stderr, f"without {missing} the message does not say {advice!r}: {result.stderr}"
        )
    check(not stack.services(), "a refused start left containers behind")
    return "refused, with the command to run"


def check_services(stack: Stack, expected: set[str]) -> None:
    """Every long-running service runs and is healthy; the one-shot one ended well."""
    states = {entry["Service"]: entry for entry in stack.services()}
    for name, entry in states.items():
        say(f"  {name:<14} {entry['Status']}")
    one_shot = {"init", "dashboards-init"} if "dashboards" in expected else {"init"}
    check(set(states) == expected | one_shot, f"services are {sorted(states)}")
    for name in expected:
        check(states[name]["Health"] == "healthy", f"{name} is {states[name]['Status']}")
    for name in one_shot:
        check(states[name]["ExitCode"] == 0, f"{name} failed")


def check_publication(stack: Stack, wanted: dict[str, Any] | None, generation: int) -> dict[str, Any]:
    """What a second container reads: the generation, and the digests of the undisturbed run when there is
    one.
    """
    seen = stack.read_publication()
    check(seen["generation"] == generation, f"generation {seen['generation']} instead of {generation}")
    check(seen["session"] == str(stack.session), f"session {seen['session']} instead of {stack.session}")
    check(len(seen["digests"]) > 10, "the publication has hardly any marts")
    check(
        all(rows > 0 for name, rows, _ in seen["digests"] if name.endswith("instrument_daily")), "no prices"
    )
    if wanted:
        differ = [a[0] for a, b in zip(seen["digests"], wanted["digests"], strict=True) if a != b]
        check(not differ, f"digests differ from the undisturbed run: {differ}")
    return seen


def check_dashboards(stack: Stack) -> str:
    """Two people at the dashboards: what each may, what nobody may; what was seen, in words."""
    address = f"http://127.0.0.1:{stack.dashboards_port}"
    stranger, analyst, admin = Person(address), Person(address), Person(address)
    check(stranger.sign_in("admin", "admin") == 401, "the dashboards let admin in with the password admin")
    status, _ = stranger.call("GET", "/api/v1/dashboard/")
    check(status == 401, f"the dashboards answer a stranger with {status}")
    for person, name in ((analyst, "analyst"), (admin, "admin")):
        status = person.sign_in(name, stack.secrets[f"dashboards_{name}_password"])
        check(status == 200, f"{name} cannot sign in: {status}")
        status, rows = person.rows(DATASET, ["what_you_see", "generation"])
        check(status == 200 and len(rows) == 1, f"{name} sees {status} {rows}")
        generation = rows[0]["generation"]
    check(generation == int(stack.status()["generation"]), f"the dashboards show generation {generation}")
    check(analyst.retitle("Mine") == 403, "an analyst could change a chart")
    status, answer = analyst.sql("select count(*) as n from marts.rotation_pair_daily")
    check(status == 200 and answer["data"][0]["n"] > 0, f"SQL Lab answers {status} {answer}")
    status, answer = analyst.sql("select * from read_text('/etc/passwd')")
    check(status >= 400 and "root:" not in str(answer), f"/etc/passwd was read: {status}")
    return f"generation {generation}; wrong password, writing and /etc/passwd refused"


def attempts(tasks: list[dict[str, Any]]) -> str:
    """Tasks that needed more than one attempt."""
    again = [
        f"{entry['task_id']} {entry['try_number']} attempts" for entry in tasks if entry["try_number"] > 1
    ]
    return ", ".join(again) or "every task at its first attempt"


def whole_test(stack: Stack, report: list[tuple[str, str]]) -> None:
    """The story of a stack's life; each step adds a line to the report."""
    started = time.monotonic()
    stack.compose("build")
    report.append(("build of the image", f"{time.monotonic() - started:.0f} s"))
    size = int(run(["docker", "image", "inspect", "--format", "{{.Size}}", IMAGE]).stdout)
    report.append(("size of the image", f"{size / 1e6:.0f} MB"))
    if hint := stack.use_init_where_there_is_one():
        report.append(("note", hint))
    say("start without secrets, without a source")
    report.append(("start without secrets", check_refusals(stack)))

    say("up from nothing")
    began = time.monotonic()
    report.append(("nothing → every service healthy", f"{stack.up():.0f} s"))
    check_services(stack, LONG_RUNNING)
    stack.sample_memory()

    say(f"the scheduler runs the session {stack.session}")
    stack.api("PATCH", f"/dags/{DAG}", {"is_paused": False})
    runs: list[dict[str, Any]] = []
    while not runs:
        runs = stack.api("GET", f"/dags/{DAG}/dagRuns")["dag_runs"]
        check(time.monotonic() - began < 300, "the scheduler did not create the run of the last session")
        stack.sample_memory()
    # Between a close and its evening run the last closed session is not due yet: then the API asks for it.
    first = runs[0]["dag_run_id"]
    tasks = stack.wait_for_success(first)
    if runs[0]["partition_key"] != str(stack.session):
        tasks = stack.wait_for_success(stack.trigger(stack.session))
    report.append(("nothing → first publication", f"{time.monotonic() - began:.0f} s ({attempts(tasks)})"))
    generation = int(stack.status()["generation"])
    undisturbed = check_publication(stack, None, generation)
    stack.refuse_writing()
    report.append(
        (
            "second container",
            f"read generation {generation}, {len(undisturbed['digests'])} marts; could not write",
        )
    )

    say("triggered by the API; the task's process is killed while it builds")
    started = time.monotonic()
    run_id = stack.trigger(stack.session)
    task = stack.wait_for_task(run_id, "build")
    killed = stack.kill_in_build("scheduler", f"airflow worker -- {task['id']}")
    tasks = stack.wait_for_success(run_id)
    check(
        any(entry["task_id"] == "build" and entry["try_number"] > 1 for entry in tasks),
        "the build was not killed",
    )
    check_publication(stack, undisturbed, generation + 1)
    report.append(
        (
            f"SIGKILL of the task's process ({killed})",
            f"success after {time.monotonic() - started:.0f} s, {attempts(tasks)}; digests equal",
        )
    )

    say("the database is restarted while a run builds")
    started, before = time.monotonic(), stack.restarts()
    run_id = stack.trigger(stack.session)
    stack.wait_for_task(run_id, "build")
    stack.compose("restart", "postgres")
    tasks = stack.wait_for_success(run_id)
    check_publication(stack, undisturbed, generation + 2)
    restarted = [name for name, count in stack.restarts().items() if count > before[name]]
    report.append(
        (
            "PostgreSQL restarted in a run",
            (
                f"success after {time.monotonic() - started:.0f} s, {attempts(tasks)}; restarted by the"
                f" engine: {', '.join(restarted) or 'none'}; digests equal"
            ),
        )
    )

    say("down and up")
    stack.compose("down", "--timeout", "60")
    check(not stack.services(), "containers are left after down")
    seconds = stack.up()
    check_services(stack, LONG_RUNNING)
    check_publication(stack, undisturbed, generation + 2)
    ended = [entry["dag_run_id"] for entry in stack.api("GET", f"/dags/{DAG}/dagRuns")["dag_runs"]]
    check(run_id in ended, "the run is no longer in Airflow's metadata")
    report.append(
        ("down and up", f"healthy after {seconds:.0f} s; publication and {len(ended)} runs are there")
    )
    say("the profile bi: build of its image, up, two people at the dashboards")
    started = time.monotonic()
    stack.compose("--profile", "bi", "build", "dashboards-init")
    report.append(("build of the image of the dashboards", f"{time.monotonic() - started:.0f} s"))
    size = int(run(["docker", "image", "inspect", "--format", "{{.Size}}", DASHBOARDS_IMAGE]).stdout)
    report.append(("size of the image of the dashboards", f"{size / 1e6:.0f} MB"))
    seconds = stack.up("--profile", "bi")
    check_services(stack, LONG_RUNNING | {"dashboards"})
    report.append(("profile bi → every service healthy", f"{seconds:.0f} s ({check_dashboards(stack)})"))
    stack.sample_memory()
    say("secrets in definitions, logs, image, metadata, home")
    stack.plant_secret()
    check(len(stack.found_secrets()) == 1, "the search did not find the secret that was planted")
    stack.remove_planted_secret()
    found = stack.found_secrets()
    check(not found, f"secrets can be read in: {found}")

    say("the profile celery, on an empty home; the worker's container is killed while it builds")
    stack.compose("--profile", "bi", "down", "--timeout", "60")
    refusal = stack.compose("--profile", "celery", "run", "--rm", "--no-deps", "worker", check=False)
    check(
        "ROTATION_EXECUTOR=CeleryExecutor" in refusal.stderr + refusal.stdout,
        "the worker does not say what it needs",
    )
    for volume in ("home", "published"):
        run(["docker", "volume", "rm", f"{PROJECT}_{volume}"])
    stack.environment["ROTATION_EXECUTOR"] = "CeleryExecutor"
    seconds = stack.up("--profile", "celery")
    check_services(stack, LONG_RUNNING | {"redis", "worker"})
    report.append(("profile celery → every service healthy", f"{seconds:.0f} s"))
    started, before = time.monotonic(), stack.restarts()
    run_id = stack.trigger(stack.session)
    task = stack.wait_for_task(run_id, "build")
    stack.kill_in_build("worker", "-1")
    tasks = stack.wait_for_success(run_id)
    check_publication(stack, undisturbed, int(stack.status()["generation"]))
    restarted = [name for name, count in stack.restarts().items() if count > before[name]]
    report.append(
        (
            "SIGKILL of all processes of the Celery worker",
            (
                f"success after {time.monotonic() - started:.0f} s, {attempts(tasks)}; restarted by the"
                f" engine: {', '.join(restarted) or 'none'}; digests equal those of the LocalExecutor"
            ),
        )
    )
    found = stack.found_secrets()
    check(not found, f"secrets can be read in: {found}")
    report.append(("secrets", f"{len(stack.secrets)} values searched for, none found"))


def main() -> int:
    """Run it all, print the table, remove everything."""
    if problem := engine_problem():
        print(f"skipped: the stack needs a container engine, and {problem}")
        return 0
    report: list[tuple[str, str]] = []
    with Stack() as stack:
        try:
            whole_test(stack, report)
            outcome = None
        except StackError as error:
            outcome = error
            logs = stack.compose(*EVERYTHING, "logs", "--no-color", "--tail", "25", check=False).stdout
            print(f"\n{logs}\nFAILED {error}", file=sys.stderr)
        print()
        for what, seen in report:
            print(f"{what:<48} {seen}")
        for service, used in sorted(stack.peak_mib.items()):
            print(f"{'most memory seen: ' + service:<48} {used:.0f} MiB")
    print(f"{'whole test':<48} {time.monotonic() - BEGAN:.0f} s")
    return 1 if outcome else 0


if __name__ == "__main__":
    sys.exit(main())
