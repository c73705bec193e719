"""Materializes some asset groups on a schedule. Written by phlo's plugin {{plugin}}."""

import json

import dagster as dg

# A JSON document, which phlo puts in from the settings.
SETTINGS = json.loads("{}")

job = dg.define_asset_job(
    "{{plugin}}",
    selection=dg.AssetSelection.groups(*SETTINGS["groups"]),
    tags={"trigger": "{{plugin}}"},
)

schedule = dg.ScheduleDefinition(
    name="{{plugin}}_schedule",
    job=job,
    cron_schedule=SETTINGS["cron"],
    execution_timezone=SETTINGS["timezone"],
)

defs = dg.Definitions(jobs=[job], schedules=[schedule])
