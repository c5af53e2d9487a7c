"""No log of a service holds a secret: a hook that reads them behind each test of the whole suite.
Nor does any table, read behind each suite that has a database of its own (`tests/worlds.py`).

Comes in: the tokens that tests made, the passwords of the engines, and the log files of services
that ran as processes. Goes out: the test fails behind which one of them is found in a new line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from devstack import broker_users, database_roles
from devstack.services import SERVICES
from shared.database import accounts
from shared.database.pool import Connection
from tests.engines import ROOT, EnginesUnderTest

FOLDER = ROOT / ".run" / "tests"
# Whoever has a link has the file; whoever has a DSN has the database.
SHAPES = re.compile(
    r"X-Amz-Signature=[0-9a-fA-F]{16}|\btp_[A-Za-z0-9_-]{20,}"
    r"|\b[a-z][a-z0-9+.-]{0,20}://[^:/@\s\"]{1,100}:(?!\*\*\*@)[^@/\s\"]{1,200}@"
)
EACH_SHAPE_HAS_ONE = ("X-Amz-Signature=", "tp_", "://")
SHORTEST = 8
_COLUMNS = """
    SELECT format('%I.%I', n.nspname, c.relname) AS "table",
           array_agg(format(CASE WHEN t.typname = 'bytea' THEN 'encode(%I, ''escape'')'
                                 ELSE '%I::text' END, a.attname) ORDER BY a.attnum) AS columns
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_type t ON t.oid = a.atttypid
     WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT LIKE 'pg\\_%'
       AND n.nspname <> 'information_schema' AND t.typcategory NOT IN ('N', 'D', 'B', 'T')
     GROUP BY 1
"""


class Logs:
    """What is secret, and how far each file has been read."""

    def __init__(self) -> None:
        self.secrets: set[str] = set()
        self._read: dict[Path, int] = {}

    def learn(self, *secrets: str) -> None:
        """From now on these are secret. One that is shorter would be found by chance."""
        self.secrets.update(secret for secret in secrets if len(secret) >= SHORTEST)

    def leaks(self, files: Iterator[Path]) -> list[str]:
        """What new lines hold that they must not, as (file, what it was, the line's beginning)."""
        found = []
        for file in files:
            try:
                with file.open(encoding="utf-8", errors="replace") as opened:
                    opened.seek(self._read.get(file, 0))
                    text = opened.read()
                    self._read[file] = opened.tell()
            except OSError:
                continue  # it has gone with what wrote it
            found += [f"{file.name}: {why}" for why in self.faults(text)]
        return found

    def faults(self, text: str) -> list[str]:
        """Each fault with the line around it."""
        lines = text.splitlines()
        told = [f"looks like a secret: {line[:300]}" for line in lines if SHAPES.search(line)]
        if any(secret in text for secret in self.secrets):
            told += [
                f"a secret of a test: {line[:300]}"
                for line in lines
                if any(secret in line for secret in self.secrets)
            ]
        return told


logs = Logs()


async def kept(connection: Connection, *, only: str | None = None) -> list[str]:
    """What any column of any table of a database, or of one of them, holds that it must not: the
    table, and what it is. Read as its superuser: nobody's rows are left out."""
    found = []
    passwords = [secret for secret in logs.secrets if not secret.startswith("tp_")]
    for table, columns in await connection.fetch(_COLUMNS):
        if only not in (None, table):
            continue
        # Texts, whatever type they are in: JSON, lists, bytes.
        row = f"concat_ws(E'\\n', {', '.join(columns)})"
        rows = await connection.fetch(
            f"SELECT row FROM (SELECT {row} AS row FROM {table}) AS texts"  # noqa: S608
            # Most rows are none of it, and LIKE is quick to say so.
            " WHERE row LIKE ANY ($2::text[] || $3::text[])"
            " AND (row ~ $1 OR row LIKE ANY ($3::text[])) LIMIT 5",
            SHAPES.pattern.replace(r"\b", r"\y"),
            [_somewhere(part) for part in EACH_SHAPE_HAS_ONE],
            [_somewhere(password) for password in passwords],
        )
        found += [f"{table}: {why}" for held in rows for why in logs.faults(held["row"])]
    return found


def _somewhere(text: str) -> str:
    """For LIKE: the text itself, whatever is around it."""
    return "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"


def _listen(create: Any) -> Any:
    @wraps(create)
    async def noted(*arguments: Any, **options: Any) -> Any:
        made = await create(*arguments, **options)
        logs.learn(made.text)
        return made

    return noted


accounts.create_token = _listen(accounts.create_token)


def learn_engines(engines: EnginesUnderTest) -> None:
    """Their passwords, and those of the roles and of the broker's users."""
    own = urlsplit(engines.database_url).password or ""
    roles = [database_roles.url_of(engines.database_url, who) for who in database_roles.ROLES]
    users = [broker_users.url_of(engines.broker_url, who) for who in broker_users.rights()]
    broker = urlsplit(engines.broker_url).password or ""
    passwords = [urlsplit(url).password or "" for url in (*roles, *users)]
    logs.learn(own, broker, engines.object_store.secret_key, *passwords)


def log_files(item: pytest.Item) -> Iterator[Path]:
    """Of services that ran as processes of their own: those of the run folders, and the test's."""
    for service in SERVICES:
        yield from FOLDER.glob(f"*/logs/{service}.log")
        yield from FOLDER.glob(f"*/*/logs/{service}.log")
    own = getattr(item, "funcargs", {}).get("tmp_path")
    if isinstance(own, Path):
        yield from own.glob("*.log")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Before the fixtures go, and with them the files."""
    found = logs.leaks(log_files(item))
    yield
    if found:
        pytest.fail("a log holds what it must not:\n" + "\n".join(found), pytrace=False)
