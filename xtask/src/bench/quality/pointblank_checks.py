"""The checks as one pointblank validation over polars. usage: pointblank_checks.py SPEC FILE..."""
import json
import sys

import pointblank as pb
import polars as pl


def bounded(value, low, high):
    # pointblank counts the parameters: defaults of a lambda would be some.
    return lambda data: low <= data.select(value).item() <= high


spec, *files = sys.argv[1:]
checks = json.loads(spec)
needed = {check[key] for check in checks for key in ("column", "first", "second") if key in check}
frame = pl.scan_parquet(files).select(sorted(needed)).collect()
plan = pb.Validate(data=frame)
for check in checks:
    name, column = check["name"], check.get("column")
    match check["kind"]:
        case "not_null":
            plan = plan.col_vals_not_null(columns=column, brief=name)
        case "range":
            plan = plan.col_vals_between(
                columns=column, left=check["min"], right=check["max"], na_pass=True, brief=name
            )
        case "accepted_values":
            allowed = pl.col(column).is_in(check["values"]) | pl.col(column).is_null()
            plan = plan.col_vals_expr(expr=allowed, brief=name)
        case "pattern":
            plan = plan.col_vals_regex(
                columns=column, pattern=f"^(?:{check['pattern']})$", na_pass=True, brief=name
            )
        case "not_after":
            plan = plan.col_vals_le(
                columns=check["first"], value=pb.col(check["second"]), na_pass=True, brief=name
            )
        case "aggregate":
            value = getattr(pl.col(column), check["function"])()
            plan = plan.specially(expr=bounded(value, check["min"], check["max"]), brief=name)
plan = plan.interrogate(collect_extracts=False)
failed = plan.n_failed()
violations = {check["name"]: int(failed[step]) for step, check in enumerate(checks, start=1)}
print(json.dumps({"violations": violations}))
