"""Dagster definitions of a phlo project.

Written by phlo, like definitions.json beside it, which holds all that differs between projects. Do not edit either: write them again
when assets or checks have changed. Nothing of phlo is imported; its program does the work, one process for each asset.

Environment:
    PHLO_BIN      the program; `phlo` on the PATH unless set
    PHLO_PROJECT  the project's folder; the nearest one above this file with a phlo.yaml unless set
"""

import collections
import importlib.util
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

HERE = Path(__file__).resolve().parent
MANIFEST = json.loads((HERE / "definitions.json").read_text(encoding="utf-8"))
# How long phlo may take to end after Dagster has asked the run to stop, in seconds.
GRACE = 20


def project_folder() -> Path:
    if folder := os.environ.get("PHLO_PROJECT"):
        return Path(folder)
    return next((folder for folder in HERE.parents if (folder / "phlo.yaml").exists()), HERE)


def run_phlo(context: dg.AssetExecutionContext, *arguments: str) -> tuple[int, Any, str]:
    """Runs phlo and answers its exit code, its report (None if it wrote none) and the end of what it said."""
    command = [os.environ.get("PHLO_BIN", "phlo"), *arguments, "--json"]
    said: collections.deque[str] = collections.deque(maxlen=20)
    # The report goes to a file, so that reading the talk line by line cannot block it.
    with tempfile.TemporaryFile() as report:
        try:
            process = subprocess.Popen(
                command,
                cwd=project_folder(),
                stdout=report,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                # Out of reach of the terminal's Ctrl-C: with the one below it would be the second, which stops phlo at once.
                start_new_session=True,
            )
        except OSError as err:
            raise dg.Failure(f"{command[0]} cannot be started: {err}. Set PHLO_BIN and PHLO_PROJECT.") from err
        try:
            for line in process.stderr:
                said.append(line.rstrip())
                context.log.info(line.rstrip())
            code = process.wait()
        except BaseException:
            # Dagster stops the run. phlo leaves nothing half-written when it is interrupted.
            process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
        report.seek(0)
        try:
            return code, json.loads(report.read()), "\n".join(said)
        except ValueError:
            return code, None, "\n".join(said)


def check_result(asset: dict, check: dict, result: dict | None) -> dg.AssetCheckResult:
    if result is None:
        # A check that did not run counts as failed.
        result = {"outcome": "errored", "error": "phlo did not report this check; write the Dagster definitions again"}
    # The result's own: a check with a limit for each level warns at one and fails at the other.
    warns = result.get("severity", check["severity"]) == "warn" and result["outcome"] != "errored"
    kept = ("id", "violations", "total", "unit", "whole", "tolerance", "rows_scanned", "duration_ms")
    metadata: dict[str, Any] = {key: result[key] for key in kept if key in result}
    # What broke the table as a whole is no fraction of it.
    if result.get("total") and not result.get("whole"):
        metadata["violation_rate"] = min(result["violations"] / result["total"], 1.0)
    for key in ("expected", "observed", "error"):
        if result.get(key):
            metadata[key] = dg.MetadataValue.text(result[key])
    if result.get("sql"):
        metadata["sql"] = dg.MetadataValue.md(f"```sql\n{result['sql']}\n```")
    if result.get("sample"):
        metadata["sample"] = dg.MetadataValue.json(result["sample"])
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey(asset["key"]),
        check_name=check["name"],
        passed=result["outcome"] == "passed",
        severity=dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR,
        description=result.get("error") or result.get("observed"),
        metadata=metadata,
    )


def failure(asset: dict, code: int, report: Any, part: dict | None, said: str) -> dg.Failure:
    # A report is of a run, or of why there was none: a project that is wrong, a service that is not there.
    report = report if isinstance(report, dict) else {}
    status = (part or report).get("status", "no report")
    error = (part or report).get("error") or {}
    lines = [f"{asset['phlo_key']}: {status} (phlo ended with code {code})", *error.get("messages", []), *error.get("hints", [])]
    broken = [check["name"] for check in (part or {}).get("checks", []) if check["outcome"] == "errored" or check["outcome"] == "failed" and check["severity"] == "error"]
    if broken:
        lines.append("failed checks: " + ", ".join(broken))
    if error.get("code"):
        lines.append(f"see `phlo explain {error['code']}`")
    if not part and not error:
        lines.append(said)
    metadata = {"phlo/run_id": report["id"]} if report.get("id") else {}
    # The same rows would fail the same checks again.
    return dg.Failure("\n".join(lines), metadata=metadata, allow_retries=status != "blocked")


def materialized(report: dict, part: dict) -> dict[str, Any]:
    """What a commit leaves behind, as Dagster's metadata."""
    metadata: dict[str, Any] = {"phlo/run_id": report.get("id", ""), "phlo/status": part["status"]}
    for key in ("rows_in", "rows_inserted", "rows_updated", "rows_deleted", "bytes", "version"):
        if part.get(key) is not None:
            metadata[f"phlo/{key}"] = part[key]
    metadata["phlo/seconds"] = part.get("duration_ms", 0) / 1000
    if part.get("notes"):
        metadata["phlo/notes"] = dg.MetadataValue.md("\n".join(f"- {note}" for note in part["notes"]))
    return metadata


def materialize(context: dg.AssetExecutionContext, asset: dict) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    key = dg.AssetKey(asset["key"])
    if key not in context.selected_asset_keys:
        raise dg.Failure(
            f"phlo checks {asset['phlo_key']} before it publishes it: materialize the asset, or run `phlo quality run {asset['phlo_key']}`",
            allow_retries=False,
        )
    # Dagster has decided what runs: for phlo itself this is a run of one step.
    tags = {name: value for name, value in context.run.tags.items() if name.startswith("phlo/")}
    tags |= {"phlo/capability/orchestrator": "native", "dagster/run_id": context.run.run_id}
    arguments = ["materialize", asset["phlo_key"]]
    for name, value in tags.items():
        arguments += ["--tag", f"{name}={value}"]
    if context.has_partition_key:
        arguments += ["--partition", context.partition_key]

    code, report, said = run_phlo(context, *arguments)
    parts = report.get("assets", []) if isinstance(report, dict) else []
    part = next((part for part in parts if part["asset"] == asset["phlo_key"]), None)
    results = {result["name"]: result for result in (part or {}).get("checks", [])}
    for unknown in results.keys() - {check["phlo_name"] for check in asset["checks"]}:
        context.log.warning(f"{unknown}: a check that Dagster does not know; write the Dagster definitions again")

    published = code == 0 and part is not None and part["status"] == "success"
    checks = [
        check_result(asset, check, results.get(check["phlo_name"]))
        for check in asset["checks"]
        # After a success every check has a result; otherwise those that ran have.
        if (published or check["phlo_name"] in results) and dg.AssetCheckKey(key, check["name"]) in context.selected_asset_check_keys
    ]
    if published:
        version = part.get("version")
        yield dg.MaterializeResult(
            asset_key=key,
            check_results=checks,
            metadata=materialized(report, part),
            data_version=None if version is None else dg.DataVersion(str(version)),
        )
    elif code == 0 and part is not None and part["status"] == "unchanged":
        # Up to date, so that what depends on it may run.
        yield dg.MaterializeResult(asset_key=key, check_results=checks, metadata=materialized(report, part))
    else:
        # Nothing was published: the checks are told, and no materialization.
        yield from checks
        raise failure(asset, code, report, part, said)


def partitions_of(asset: dict) -> dg.PartitionsDefinition | None:
    spec = asset.get("partitions")
    if spec is None:
        return None
    if spec["kind"] == "static":
        return dg.StaticPartitionsDefinition(spec["values"])
    # Weeks begin on Mondays; the first week or month is the first whole one, here as in phlo.
    start, timezone = datetime.fromisoformat(spec["start"]), spec["timezone"]
    if spec["kind"] == "daily":
        return dg.DailyPartitionsDefinition(start, timezone=timezone, fmt="%Y-%m-%d")
    if spec["kind"] == "hourly":
        return dg.HourlyPartitionsDefinition(start, timezone=timezone, fmt="%Y-%m-%dT%H")
    if spec["kind"] == "weekly":
        return dg.WeeklyPartitionsDefinition(start, timezone=timezone, fmt="%Y-%m-%d", day_offset=1)
    if spec["kind"] == "monthly":
        return dg.MonthlyPartitionsDefinition(start, timezone=timezone, fmt="%Y-%m")
    raise ValueError(f"unknown partition kind {spec['kind']}")


def definition_of(asset: dict) -> dg.AssetsDefinition:
    key = dg.AssetKey(asset["key"])
    age = asset.get("max_age_hours")

    @dg.multi_asset(
        name=asset["op"],
        # So that a check without a result is no error: an unchanged asset is not checked again.
        can_subset=True,
        partitions_def=partitions_of(asset),
        specs=[
            dg.AssetSpec(
                key,
                deps=[dg.AssetKey(dep) for dep in asset["deps"]],
                description=asset.get("description"),
                group_name=asset["group"],
                kinds=set(asset["kinds"]),
                tags={tag: "" for tag in asset["tags"]},
                owners=asset["owners"],
                metadata={"phlo/asset": asset["phlo_key"]},
                freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=age)) if age else None,
            )
        ],
        check_specs=[
            dg.AssetCheckSpec(
                check["name"],
                asset=key,
                blocking=check["blocking"],
                description=check.get("description") or check["phlo_name"],
                metadata={"phlo/check": check["phlo_name"], "phlo/kind": check["kind"]},
            )
            for check in asset["checks"]
        ],
    )
    def run(context: dg.AssetExecutionContext):
        yield from materialize(context, asset)

    return run


def schedule_of(schedule: dict) -> dg.ScheduleDefinition:
    job = dg.define_asset_job(schedule["name"], selection=dg.AssetSelection.assets(*map(dg.AssetKey, schedule["assets"])))
    return dg.ScheduleDefinition(
        name=f"{schedule['name']}_schedule",
        job=job,
        cron_schedule=schedule["cron"],
        execution_timezone=schedule["timezone"],
        description=f"phlo materialize {schedule['select']}",
    )


if MANIFEST["version"] != 1:
    raise ValueError(f"definitions.json is of version {MANIFEST['version']}, and definitions.py reads 1: write both again")



def extension(name: str) -> dg.Definitions:
    """What a module beside this file defines."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.defs


defs = dg.Definitions.merge(
    dg.Definitions(
        assets=[definition_of(asset) for asset in MANIFEST["assets"]],
        schedules=[schedule_of(schedule) for schedule in MANIFEST["schedules"]],
    ),
    *map(extension, MANIFEST.get("modules", [])),
)
