"""Airflow DAGs of a phlo project.

Written by phlo. Do not edit: write it again when assets, dependencies or schedules have changed. Nothing of phlo is imported; its
program does the work, one process for each asset.

Environment of the workers:
    PHLO_BIN      the program, in place of the one below
    PHLO_PROJECT  the project's folder, in place of the one below
"""

import os
import shlex
from datetime import datetime, timezone
from typing import Any

try:
    from airflow.sdk import DAG, Asset
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.datasets import Dataset as Asset
try:
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:  # Airflow 2
    from airflow.operators.bash import BashOperator
from airflow.timetables.trigger import CronTriggerTimetable

PROJECT: dict[str, Any] = {}


def task(asset: str, description: str) -> BashOperator:
    folder = os.environ.get("PHLO_PROJECT", PROJECT["folder"])
    # Airflow has decided what runs: for phlo itself this is a run of one step. The shell fills in the program on the worker.
    words = ["run", asset, "--tag", "phlo/capability/orchestrator=native"]
    command = f'exec "${{PHLO_BIN:-$PHLO_PROGRAM}}" {shlex.join(words)}'
    return BashOperator(
        task_id=asset,
        bash_command=command,
        cwd=folder,
        env={"PHLO_PROGRAM": PROJECT["program"]},
        append_env=True,
        doc_md=description or None,
        retries=PROJECT["retries"],
        outlets=[Asset(f"phlo://{PROJECT['name']}/{asset}")],
        **({"pool": PROJECT["pool"]} if PROJECT["pool"] else {}),
    )


def dag(spec: dict[str, Any]) -> DAG:
    made = DAG(
        spec["id"],
        description=spec["description"],
        schedule=CronTriggerTimetable(spec["cron"], timezone=spec["timezone"]) if spec["cron"] else None,
        start_date=datetime(2024, 1, 1, tzinfo=timezone.utc),
        catchup=False,
        max_active_runs=1,
        tags=["phlo"],
    )
    with made:
        tasks = {one["asset"]: task(one["asset"], one["description"]) for one in spec["tasks"]}
        for one in spec["tasks"]:
            for before in one["after"]:
                tasks[before] >> tasks[one["asset"]]
    return made


for spec in PROJECT["dags"]:
    # Airflow finds what stands at the top of the file.
    globals()[spec["id"]] = dag(spec)
