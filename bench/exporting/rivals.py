"""What people write today, each a process of its own: `python -m bench.exporting.rivals task ...`.

`task`: the body of a Celery task: a server-side cursor, csv.writer, a temporary file, one upload.
`pandas`: read_sql in chunks and to_csv, likewise. Both read the plain SELECT; the task defuses
formulas in Python, pandas not at all.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import sys
import tempfile
from datetime import datetime
from typing import Any

import psycopg
from minio import Minio

ROWS_AT_ONCE = 10_000
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return "'" + value if value.startswith(_FORMULAS) else value
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else value


def task(connection: psycopg.Connection[Any], select: str, path: str) -> None:
    with (
        open(path, "w", newline="", encoding="utf-8") as target,  # noqa: PTH123
        connection.cursor("export") as cursor,
    ):
        cursor.itersize = ROWS_AT_ONCE
        cursor.execute(select)
        writer = csv.writer(target)
        writer.writerow([column.name for column in cursor.description or ()])
        for row in cursor:
            writer.writerow([_cell(value) for value in row])


def pandas(connection: psycopg.Connection[Any], select: str, path: str) -> None:
    import pandas as pd  # noqa: PLC0415 - only this one needs it

    del connection
    from sqlalchemy import create_engine, text  # noqa: PLC0415

    url = os.environ["BENCH_DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url, connect_args={"options": f"-c timezone={os.environ['BENCH_ZONE']}"})
    with engine.connect().execution_options(stream_results=True) as streaming:
        is_first = True
        for frame in pd.read_sql(text(select), streaming, chunksize=100_000):
            frame.to_csv(path, mode="w" if is_first else "a", header=is_first, index=False)
            is_first = False


def main() -> None:
    kind, select, keep = sys.argv[1], sys.stdin.read(), sys.argv[2:]
    store = json.loads(os.environ["BENCH_STORE"])
    with tempfile.TemporaryDirectory() as folder:
        path = keep[0] if keep else f"{folder}/out.csv"
        with psycopg.connect(
            os.environ["BENCH_DATABASE_URL"], options=f"-c timezone={os.environ['BENCH_ZONE']}"
        ) as connection:
            {"task": task, "pandas": pandas}[kind](connection, select, path)
        size = os.stat(path).st_size  # noqa: PTH116
        client = Minio(
            endpoint=store["endpoint"].partition("//")[2],
            access_key=store["access_key"],
            secret_key=store["secret_key"],
            secure=False,
            region=store["region"],
        )
        client.fput_object(store["bucket"], "bench/rival.csv", path)
        client.remove_object(store["bucket"], "bench/rival.csv")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"bytes": size, "peak_mib": peak}))


if __name__ == "__main__":
    main()
