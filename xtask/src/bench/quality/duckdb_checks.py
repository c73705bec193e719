"""One hand-fused SELECT for all checks. usage: duckdb_checks.py SPEC THREADS [once|WARM] FILE..."""
import json
import sys
import time

import duckdb


def text(value):
    return "'" + value.replace("'", "''") + "'"


def violation(check):
    kind, column = check["kind"], check.get("column")
    match kind:
        case "not_null":
            # Faster than `count(*) FILTER (WHERE column IS NULL)`.
            return f"count(*) - count({column})"
        case "range":
            bad = f"{column} < {check['min']} OR {column} > {check['max']}"
        case "accepted_values":
            bad = f"{column} NOT IN ({', '.join(text(value) for value in check['values'])})"
        case "pattern":
            bad = f"NOT regexp_full_match({column}, {text(check['pattern'])})"
        case "not_after":
            bad = f"{check['first']} > {check['second']}"
        case "aggregate":
            function = {"min": "min", "max": "max", "mean": "avg"}[check["function"]]
            return f"({function}({column}) NOT BETWEEN {check['min']} AND {check['max']})::BIGINT"
        case "unique":
            raise ValueError("is a query of its own")
    return f"count(*) FILTER (WHERE {bad})"


spec, threads, warm, *files = sys.argv[1:]
checks = json.loads(spec)
connection = duckdb.connect()
connection.execute(f"SET threads = {threads}")
table = f"read_parquet([{', '.join(text(file) for file in files)}])"
if checks[0]["kind"] == "unique":
    key = ", ".join(checks[0]["columns"])
    query = f"SELECT count(*) FROM (SELECT {key} FROM {table} GROUP BY ALL HAVING count(*) > 1)"
else:
    query = f"SELECT {', '.join(map(violation, checks))} FROM {table}"
found = connection.execute(query).fetchone()
result = {"violations": {check["name"]: int(count) for check, count in zip(checks, found)}}
if warm != "once":
    took = []
    for _ in range(int(warm)):
        started = time.perf_counter()
        connection.execute(query).fetchone()
        took.append(time.perf_counter() - started)
    result["query_s"] = sorted(took)[len(took) // 2]
print(json.dumps(result))
