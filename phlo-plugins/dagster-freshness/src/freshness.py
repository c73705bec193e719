"""A Dagster sensor that observes how fresh phlo's tables are.

Written by phlo beside definitions.py, which adds what is defined here. Do not edit: write it again with `phlo config export`.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import dagster as dg

INTERVAL_SECONDS = 300
RUNNING = True

HERE = Path(__file__).resolve().parent
# How long phlo may take to look, in seconds. Dagster itself ends a look after a minute.
PATIENCE = 50


def status() -> list[dict[str, Any]]:
    """What `phlo status` tells of each asset."""
    nearest = next((folder for folder in HERE.parents if (folder / "phlo.yaml").exists()), HERE)
    folder = os.environ.get("PHLO_PROJECT") or nearest
    command = [os.environ.get("PHLO_BIN", "phlo"), "status", "--json"]
    asked = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", errors="replace", timeout=PATIENCE)
    try:
        return json.loads(asked.stdout)["assets"]
    except (ValueError, KeyError, TypeError) as err:
        said = (asked.stderr or asked.stdout).strip()[-2000:]
        raise RuntimeError(f"`{' '.join(command)}` ended with {asked.returncode} and no report: {said}") from err


def observation(key: dg.AssetKey, state: dict[str, Any]) -> dg.AssetObservation:
    last = state.get("last") or {}
    metadata = {
        "phlo/freshness": state["freshness"],
        "phlo/version": state.get("version"),
        "phlo/rows": state.get("rows"),
        "phlo/bytes": state.get("bytes"),
        "phlo/committed_at": state.get("committed_at"),
        "phlo/run_id": last.get("run_id"),
        "phlo/status": (last.get("result") or {}).get("status"),
    }
    return dg.AssetObservation(asset_key=key, metadata={name: value for name, value in metadata.items() if value is not None})


@dg.sensor(
    name="phlo_freshness",
    description="Observes how fresh phlo's tables are, whoever wrote them",
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING if RUNNING else dg.DefaultSensorStatus.STOPPED,
)
def phlo_freshness(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    manifest = json.loads((HERE / "definitions.json").read_text(encoding="utf-8"))
    keys = {asset["phlo_key"]: dg.AssetKey(asset["key"]) for asset in manifest["assets"]}
    seen = json.loads(context.cursor) if context.cursor else {}
    events, now = [], {}
    for state in status():
        name = state["asset"]
        if name not in keys:
            context.log.warning(f"{name}: an asset that Dagster does not know; write the Dagster definitions again")
            continue
        now[name] = [state.get("version"), state["freshness"]]
        if seen.get(name) != now[name]:
            events.append(observation(keys[name], state))
    skipped = None if events else dg.SkipReason("no table has a new version or became late")
    return dg.SensorResult(asset_events=events, cursor=json.dumps(now), skip_reason=skipped)


defs = dg.Definitions(sensors=[phlo_freshness])
