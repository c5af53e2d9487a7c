"""What services really send to a database, from the log of its server.

Comes in: the engines, and a database of the test's own. Goes out: the statements that came in under
the services' roles, each text once. What tests send themselves comes from the superuser.
"""

from __future__ import annotations

import re

import asyncpg

from devstack.database_roles import ROLES
from tests.engines import EnginesUnderTest

# log_line_prefix of devstack/postgres.py, and how a simple and a prepared statement are told.
_ENTRY = re.compile(
    r"^\S+ \S+ UTC \[\d+\] (?P<role>\w+)@(?P<database>\w+) LOG:  "
    r"(?:statement|execute [^:]+): (?P<text>.*(?:\n\t.*)*)",
    re.MULTILINE,
)


class Sent:
    """From `tell` on, for sessions that begin behind it."""

    def __init__(self, world: EnginesUnderTest) -> None:
        self._log = world.local.postgres.child.log
        self._url = world.database_url
        self._database = world.database_url.rpartition("/")[2]
        self._from = 0

    async def tell(self) -> None:
        self._from = self._log.stat().st_size
        connection = await asyncpg.connect(self._url)
        try:
            for role in ROLES:
                for setting in ("log_statement = 'all'", "log_parameter_max_length = 0"):
                    await connection.execute(
                        f"ALTER ROLE tallyport_{role} IN DATABASE {self._database} SET {setting}"
                    )
        finally:
            await connection.close()

    def statements(self) -> dict[str, set[str]]:
        """By their text: the roles that have sent it."""
        with self._log.open("rb") as opened:
            opened.seek(self._from)
            told = opened.read().decode()
        found: dict[str, set[str]] = {}
        for entry in _ENTRY.finditer(told):
            if entry["database"] == self._database and entry["role"].startswith("tallyport_"):
                text = entry["text"].replace("\n\t", "\n")
                found.setdefault(text, set()).add(entry["role"].removeprefix("tallyport_"))
        return found
