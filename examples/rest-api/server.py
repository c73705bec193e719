#!/usr/bin/env python3
"""A small carrier API for this example: airlines and flights as JSON, page by page, behind a bearer token.

    python3 server.py                       January 2013, at http://127.0.0.1:8099
    python3 server.py --through 2013-02     February has arrived too

    GET /airlines?page=1&limit=100
    GET /flights?page=1&limit=100&since=0   flights whose id is greater than `since`

Both answer {"results": [...], "page": 1, "has_next": true, "total": 27004}. Needs Python 3.8 or later and nothing else.
"""

import argparse
import csv
import gzip
import hmac
import json
import os
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

MAX_LIMIT = 1000
TEXTS = {"carrier", "name", "tailnum", "origin", "dest", "time_hour"}


def read(path):
    """The rows of a CSV file, typed; `NA` becomes null."""
    opened = gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="")
    with opened as file:
        for row in csv.DictReader(file):
            yield {name: None if text == "NA" else text if name in TEXTS else int(text) for name, text in row.items()}


def load(folder, through):
    """What the API serves: each flight has an id that grows with its arrival."""
    airlines = list(read(folder / "airlines.csv"))
    # Wherever below the folder: what is yet to arrive lies apart.
    months = {path.name[len("flights-"):-len(".csv.gz")]: path for path in folder.rglob("flights-*.csv.gz")}
    arrived = [path for month, path in sorted(months.items()) if month <= through]
    if not arrived:
        raise FileNotFoundError(f"no flights-YYYY-MM.csv.gz up to {through} below {folder}")
    flights = [{"id": number, **row} for number, row in enumerate((row for path in arrived for row in read(path)), 1)]
    return {"/airlines": airlines, "/flights": flights}


class Refusal(Exception):
    """A request that is answered with an error."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def number(query, name, default, least, most):
    """A query parameter as a whole number within bounds."""
    text = query.pop(name, str(default))
    if not re.fullmatch("[0-9]{1,18}", text) or not least <= int(text) <= most:
        raise Refusal(400, f"{name} must be a whole number from {least} to {most}, not {text[:40]!r}")
    return int(text)


def handler(tables, token):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self):
            try:
                status, answer = 200, self.page()
            except Refusal as refusal:
                status, answer = refusal.status, {"error": str(refusal)}
            body = json.dumps(answer, separators=(",", ":")).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if status == 401:
                self.send_header("WWW-Authenticate", "Bearer")
            self.end_headers()
            self.wfile.write(body)

        def page(self):
            url = urlsplit(self.path)
            given = self.headers.get("Authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
                raise Refusal(401, "a valid bearer token is required")
            if url.path not in tables:
                raise Refusal(404, f"no such endpoint; there are {', '.join(sorted(tables))}")
            rows = tables[url.path]
            query = dict(parse_qsl(url.query, keep_blank_values=True))
            page = number(query, "page", 1, 1, 10**9)
            limit = number(query, "limit", 100, 1, MAX_LIMIT)
            if url.path == "/flights":
                # Ids count from 1 without a gap, so a flight's id is also the number of flights up to it.
                rows = rows[number(query, "since", 0, 0, 10**18 - 1):]
            if query:
                raise Refusal(400, f"unknown parameter {sorted(query)[0][:40]!r}")
            end = page * limit
            return {"results": rows[end - limit:end], "page": page, "has_next": end < len(rows), "total": len(rows)}

        def log_message(self, form, *values):
            sys.stderr.write(f"{self.log_date_time_string()}  {form % values}\n")

    return Handler


def main():
    parser = argparse.ArgumentParser(description="A small carrier API for the rest-api example.")
    parser.add_argument("--port", type=int, default=8099, help="8099 unless set; 0 for any that is free")
    parser.add_argument("--through", default=os.environ.get("THROUGH", "2013-01"), metavar="YYYY-MM",
                        help="the last month that has arrived; 2013-01 unless set here or in THROUGH")
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parent.parent / "nycflights" / "data",
                        help="the folder with the CSV files, or with folders of them")
    options = parser.parse_args()
    if not re.fullmatch("[0-9]{4}-[0-9]{2}", options.through):
        parser.error("--through is a month such as 2013-02")
    try:
        tables = load(options.data, options.through)
        server = ThreadingHTTPServer(("127.0.0.1", options.port), handler(tables, os.environ.get("CARRIER_TOKEN") or "demo-token"))
    except OSError as error:
        sys.exit(f"error: {error}")
    with server:
        counts = ", ".join(f"{len(rows)} {path[1:]}" for path, rows in tables.items())
        print(f"serving {counts} (through {options.through}) at http://127.0.0.1:{server.server_port}; Ctrl-C ends it", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
