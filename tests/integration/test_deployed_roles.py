"""The roles as the containers make them: an owner who is no superuser migrates, and all works."""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from devstack import database_roles
from shared.database import accounts, reports
from shared.database.migrate import migrate, newest_revision
from shared.database.pool import EVERY_STORE, Database
from shared.settings import DatabaseSettings
from tests.engines import ROOT, EnginesUnderTest
from tests.integration.database_rights import rendered
from tests.integration.every_table import fill
from tests.roles import as_role
from tests.writing_docs import between_marks

SCRIPT = ROOT / "deploy" / "postgres" / "10-roles.sh"
OWNERS = "the owner's own"


def password_of(url: str) -> str:
    return urlsplit(url).password or ""


async def make_roles(engines: EnginesUnderTest, database: str) -> None:
    """Run the script as the container does, with the passwords that the roles have here anyway."""
    url = engines.database_url
    server = urlsplit(url)
    passwords = {
        f"{who.upper()}_PASSWORD": password_of(database_roles.url_of(url, who))
        for who in database_roles.ROLES
    }
    process = await asyncio.create_subprocess_exec(
        *("sh", str(SCRIPT)),
        env={
            **passwords,
            "OWNER_PASSWORD": OWNERS,
            "POSTGRES_USER": server.username or "",
            "POSTGRES_DB": database,
            "PGHOST": server.hostname or "",
            "PGPORT": str(server.port),
            "PGPASSWORD": server.password or "",
            "PATH": f"{engines.local.postgres.programs}:{os.environ['PATH']}",
        },
        stderr=asyncio.subprocess.PIPE,
    )
    _, complaint = await asyncio.wait_for(process.communicate(), timeout=60)
    assert process.returncode == 0, complaint.decode()


@pytest.fixture
async def deployed(engines: EnginesUnderTest) -> DatabaseSettings:
    """A database whose owner is `tallyport_owner`; not migrated."""
    if engines.local is None:
        pytest.skip("needs psql and a server whose roles may be changed")
    name = f"deployed_{secrets.token_hex(4)}"
    connection = await asyncpg.connect(engines.database_url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    await make_roles(engines, name)
    url = f"{engines.database_url.rpartition('/')[0]}/{name}"
    return DatabaseSettings.model_validate({"url": url})


def owners(settings: DatabaseSettings) -> DatabaseSettings:
    server = urlsplit(settings.url.get_secret_value())
    netloc = f"tallyport_owner:{OWNERS.replace(' ', '%20')}@{server.hostname}:{server.port}"
    return DatabaseSettings.model_validate({"url": server._replace(netloc=netloc).geturl()})


async def test_an_owner_who_is_no_superuser_migrates(
    engines: EnginesUnderTest, deployed: DatabaseSettings
) -> None:
    assert await migrate(owners(deployed)) == newest_revision()
    await make_roles(engines, urlsplit(deployed.url.get_secret_value()).path[1:])  # again is fine
    async with (
        Database.open(deployed, name="tests", pool_max=1) as database,
        database.acquire() as connection,
    ):
        page = Path(ROOT / "docs" / "security.md")
        assert between_marks(page, "rights", await rendered(connection))
        await fill(connection, 1_000_001)
    # What runs with the owner's rights finds what it needs, though the owner, too, is held to rows.
    async with (
        Database.open(as_role(deployed, "gateway"), name="tests", pool_max=1) as database,
        database.acquire(store_id=1_000_001) as connection,
    ):
        assert await accounts.find_bearer(connection, accounts.digest_of("1000001")) is not None
        assert await connection.fetchval("SELECT store_of_register(1000001)") == 1_000_001
        report = await reports.find_report(connection, 1_000_001, 1_000_001)
        assert report is not None
        assert await connection.fetchval("SELECT reports_ahead(false, 'infinity', 0)") == 1
    async with Database.open(owners(deployed), name="tests", pool_max=1) as database:
        for store_id, seen in ((None, 0), (1_000_001, 1), (3, 0), (EVERY_STORE, 1)):
            async with database.acquire(store_id=store_id) as connection:
                assert await connection.fetchval("SELECT count(*) FROM register_items") == seen
