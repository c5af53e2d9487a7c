"""Cube over HTTP, with its rollups in PostgreSQL: the last version that starts from its npm
packages alone. Where it goes to the items in silence instead of to a rollup, the run ends.

Comes in: a running system, `npm` and `node`. Goes out: an engine, or CubeError, which says why not.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from bench.counting.http_line import Line, Reply
from bench.counting.processes import end
from bench.counting.questions import Answer, Question, Row, filled
from bench.counting.system import System
from devstack import ports

VERSION = "0.31.69"
_FILES = Path(__file__).parent / "cube_server"
_SCHEMA = "bench_cube"
_INSTALL_SECONDS = 600
_START_SECONDS = 60.0
_BUILD_SECONDS = 600.0
# More than the longest answer has rows: any of these gives the whole answer.
_LIMITS = range(44_000, 50_000)


class CubeError(Exception):
    """It could not be made to run."""


@dataclass(frozen=True)
class CubeAddress:
    url: str
    token: str


@contextmanager
def cube_server(system: System, folder: Path) -> Iterator[CubeAddress]:
    """Install it once, and run it."""
    home = folder.parent / "cube"
    _install(home, system)
    database = urlsplit(system.database_url)
    secret = secrets.token_hex(16)
    (port,) = ports.reserve(system.stack.run_dir, 1)
    environment = os.environ | {
        "NODE_ENV": "production",
        "PORT": str(port),
        "CUBEJS_API_SECRET": secret,
        "CUBEJS_TELEMETRY": "false",
        "CUBEJS_CACHE_AND_QUEUE_DRIVER": "memory",
        "CUBEJS_SCHEMA_PATH": "model",
        "CUBEJS_PRE_AGGREGATIONS_BUILDER": "true",
        "CUBEJS_PRE_AGGREGATIONS_SCHEMA": _SCHEMA,
        "CUBEJS_DB_TYPE": "postgres",
        "CUBEJS_DB_HOST": database.hostname or "",
        "CUBEJS_DB_PORT": str(database.port),
        "CUBEJS_DB_NAME": database.path.lstrip("/"),
        "CUBEJS_DB_USER": database.username or "",
        "CUBEJS_DB_PASS": database.password or "",
    }
    log = folder / "cube.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["node", "server.js"],  # noqa: S607 - whichever Node there is
            cwd=home,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + _START_SECONDS
            while b"ready on" not in log.read_bytes():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise CubeError(f"it did not start: {log.read_text()[-500:].strip()}")
                time.sleep(0.1)
            yield CubeAddress(f"http://127.0.0.1:{port}", _token(secret))
        finally:
            end(process)


def _install(home: Path, system: System) -> None:
    if not (shutil.which("npm") and shutil.which("node")):
        raise CubeError("there is no Node.js here")
    (home / "model").mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "server.js"):
        shutil.copy(_FILES / name, home)
    model = (_FILES / "Items.js").read_text()
    model = model.replace("BENCH_STORE_ID", str(system.whole.store_id))
    model = model.replace("BENCH_REGISTER_ID", str(system.whole.largest))
    (home / "model" / "Items.js").write_text(model)
    if not (home / "node_modules" / "@cubejs-backend" / "server").is_dir():
        done = subprocess.run(
            ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"],  # noqa: S607
            cwd=home,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
        if done.returncode:
            raise CubeError(f"npm install failed: {done.stderr[-300:].strip()}")


def _token(secret: str) -> str:
    """A JSON Web Token that says nothing but is signed."""

    def text(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    signed = ".".join(map(text, (b'{"alg":"HS256","typ":"JWT"}', b"{}")))
    return f"{signed}.{text(hmac.digest(secret.encode(), signed.encode(), hashlib.sha256))}"


class Cube:
    """`is_cached`: the same query again and again; else each is one that it has not seen."""

    slow = True

    def __init__(self, name: str, address: CubeAddress, *, is_cached: bool) -> None:
        self.name = name
        self._line = Line(address.url, address.token)
        self._is_cached = is_cached
        self._numbers = count()
        self._from_rollups: set[str] = set()

    async def ready(self) -> None:
        await self._line.ready()

    async def ask(self, question: Question) -> Reply:
        limit = _LIMITS[0 if self._is_cached else 1 + next(self._numbers) % (len(_LIMITS) - 1)]
        body = {"query": _query(question, limit)}
        if question.name not in self._from_rollups:
            reply = await self._line.post("/cubejs-api/v1/sql", body)
            if _SCHEMA.encode() not in reply.body:
                raise SystemExit(f"{self.name} would answer ({question.name}) without a rollup")
            self._from_rollups.add(question.name)
        async with asyncio.timeout(_BUILD_SECONDS):
            while True:
                reply = await self._line.post("/cubejs-api/v1/load", body)
                if not reply.body.startswith(b'{"error":"Continue wait"'):
                    return reply

    def read(self, question: Question, given: Reply) -> Answer:
        return filled(question, _rows(question, json.loads(given.body)["data"]))

    async def close(self) -> None:
        self._line.close()


def _query(question: Question, limit: int) -> dict[str, Any]:
    measures = {"item_count": "Items.count", "item_sum": "Items.total"}
    time_dimension: dict[str, Any] = {
        "dimension": "Items.originatedAt",
        # Local days of the query's zone, both inclusive: the whole two years.
        "dateRange": ["2023-01-01", "2024-12-31"],
    }
    if question.period:
        time_dimension["granularity"] = question.period
    return {
        "measures": [measures[measure] for measure in question.measures],
        "dimensions": [f"Items.meta{number}" for number in question.columns],
        "timeDimensions": [time_dimension],
        "timezone": question.zone,
        "limit": limit,
    }


def _rows(question: Question, rows: list[dict[str, Any]]) -> Iterator[Row]:
    """Its periods are local dates and times without an offset."""
    zone = ZoneInfo(question.zone)
    days = (moment.astimezone(zone).date() for moment in question.boundaries())
    numbers = {day.isoformat(): number for number, day in enumerate(days, start=1)}
    for row in rows:
        number = 1
        if question.period:
            number = numbers[row[f"Items.originatedAt.{question.period}"][:10]]
        group = tuple(row[f"Items.meta{column}"] for column in question.columns)
        total = row.get("Items.total")
        amount = None if total is None else Decimal(total)
        yield number, group, int(row.get("Items.count", 0)), amount
