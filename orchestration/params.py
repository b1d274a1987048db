"""The parameters of the DAGs, as the form of the web interface shows them.

Each may be null: a field that must be filled is marked with a star, and none of these must.
"""

from __future__ import annotations

from airflow.sdk import Param

DAILY_PARAMS = {
    "session": Param(
        None,
        type=["null", "string"],
        # Any text: the plan refuses what is no session with a sentence that says how to write it.
        minLength=1,
        title="Session",
        description_md=(
            "The NYSE session to run for, `2024-07-16`, or a range of sessions that is loaded in one run and"
            " published once, `2014-07-17/2024-07-16`, both ends included. Leave it empty for the newest one"
            " that is due."
        ),
    ),
    "fetch_again": Param(
        [],
        type=["null", "array"],
        items={"type": "string"},
        title="Fetch again",
        section="Repair and trial",
        description_md=(
            "Inputs whose **whole history** is fetched again in this run, one per line: `prices/SPY`,"
            " `fred/DGS2`, or a whole kind such as `prices`. What differs from what is held becomes a new"
            " version; nothing is overwritten."
        ),
    ),
    "rebuild": Param(
        False,
        type=["null", "boolean"],
        title="Rebuild",
        section="Repair and trial",
        description_md=(
            "Build every table anew from `raw` instead of extending the last publication, and publish it even"
            " where nothing is new. A rebuild is also made once a week and compared with the extension."
        ),
    ),
    "dry_run": Param(
        False,
        type=["null", "boolean"],
        title="Dry run",
        section="Repair and trial",
        description_md=(
            "Only say what would be fetched and built, in the log, in the note of the run and as the XCom"
            " `dry_run` of the task plan. Nothing is fetched, loaded or published."
        ),
    ),
}

WATCH_PARAMS = {
    "test_alert": Param(
        False,
        type=["null", "boolean"],
        title="Test the alerts",
        description_md="Only send one harmless alert through every channel; fails when a channel refuses it.",
    )
}
