"""The checks as one Great Expectations suite over pandas. usage: gx_checks.py SPEC FILE..."""
import json
import logging
import os
import sys

os.environ["GX_ANALYTICS_ENABLED"] = "false"

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd

logging.disable(logging.WARNING)
spec, *files = sys.argv[1:]
checks = json.loads(spec)
needed = {check[key] for check in checks for key in ("column", "first", "second") if key in check}
frame = pd.read_parquet(files, columns=sorted(needed))


def expectation(check):
    column, meta = check.get("column"), {"name": check["name"]}
    match check["kind"]:
        case "not_null":
            return gxe.ExpectColumnValuesToNotBeNull(column=column, meta=meta)
        case "range":
            return gxe.ExpectColumnValuesToBeBetween(
                column=column, min_value=check["min"], max_value=check["max"], meta=meta
            )
        case "accepted_values":
            return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=check["values"], meta=meta)
        case "pattern":
            regex = f"^(?:{check['pattern']})$"
            return gxe.ExpectColumnValuesToMatchRegex(column=column, regex=regex, meta=meta)
        case "not_after":
            return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
                column_A=check["second"],
                column_B=check["first"],
                or_equal=True,
                ignore_row_if="either_value_is_missing",
                meta=meta,
            )
        case "aggregate":
            made = {
                "min": gxe.ExpectColumnMinToBeBetween,
                "max": gxe.ExpectColumnMaxToBeBetween,
                "mean": gxe.ExpectColumnMeanToBeBetween,
            }[check["function"]]
            return made(column=column, min_value=check["min"], max_value=check["max"], meta=meta)


context = gx.get_context(mode="ephemeral")
context.variables.progress_bars = {"globally": False}
suite = gx.ExpectationSuite(name="lineitem", expectations=[expectation(check) for check in checks])
batch = (
    context.data_sources.add_pandas("pandas")
    .add_dataframe_asset("lineitem")
    .add_batch_definition_whole_dataframe("whole")
    .get_batch({"dataframe": frame})
)
# Counts, as all others report; no samples, no indices.
outcome = batch.validate(suite, result_format={"result_format": "BASIC", "partial_unexpected_count": 0})
violations = {}
for result in outcome.results:
    if result.exception_info.get("raised_exception"):
        raise RuntimeError(str(result.exception_info))
    count = result.result.get("unexpected_count", int(not result.success))
    violations[result.expectation_config.meta["name"]] = int(count)
print(json.dumps({"violations": violations}))
