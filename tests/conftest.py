"""What the suites share: real engines, started once, and a migrated database on them.

Tests run in any order: each makes a store of its own instead of cleaning up after the others.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import AsyncIterator, Iterator

import hypothesis
import pytest
import structlog
from pydantic import SecretStr
from xdist.remote import Producer

from devstack import database_roles
from devstack.rabbitmq import RabbitMQ
from shared.database import accounts
from shared.database.accounts import Store
from shared.database.migrate import migrate
from shared.database.pool import Database
from shared.settings import BrokerSettings, DatabaseSettings, ObjectStoreSettings
from tests import sharing
from tests.chaos import profile
from tests.engines import ROOT, EnginesUnderTest, engines_under_test
from tests.holding import open_holding
from tests.redaction import learn_engines, pytest_runtest_teardown

__all__ = ["pytest_runtest_teardown"]

_numbers = itertools.count(1)


# How long one example takes says how busy the machine is.
hypothesis.settings.register_profile(
    "tallyport", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("tallyport")
# What is at work beside a test must not write into the output of a command that it reads.
structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


def pytest_report_header() -> str:
    return f"chaos: seed {profile.SEED}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest suites come first: small pieces are left to share at the end."""
    items.sort(key=lambda item: sharing.turn(item.path.relative_to(ROOT).as_posix()))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> sharing.BySuite:
    """See tests/sharing.py."""
    return sharing.BySuite(config, log)


@pytest.fixture(scope="session")
def engines() -> Iterator[EnginesUnderTest]:
    """PostgreSQL, RabbitMQ and an S3 server."""
    with engines_under_test() as running:
        learn_engines(running)
        yield running


@pytest.fixture(scope="session")
def rabbit(engines: EnginesUnderTest) -> RabbitMQ:
    """The broker's node, for tests that restart it."""
    return engines.rabbit


@pytest.fixture(scope="session")
def broker_url(engines: EnginesUnderTest) -> str:
    return engines.broker_url


@pytest.fixture(scope="session")
def broker_settings(engines: EnginesUnderTest) -> BrokerSettings:
    return BrokerSettings(url=(SecretStr(engines.broker_url),))


@pytest.fixture(scope="session")
def object_store_settings(engines: EnginesUnderTest) -> ObjectStoreSettings:
    store = engines.object_store
    return ObjectStoreSettings(
        url=store.endpoint,
        access_key=store.access_key,
        secret_key=SecretStr(store.secret_key),
        region=store.region,
        bucket=store.bucket,
    )


@pytest.fixture(scope="session")
async def database_settings(engines: EnginesUnderTest) -> DatabaseSettings:
    """Settings of a database that is at the newest schema."""
    settings = DatabaseSettings(url=SecretStr(engines.database_url))
    await migrate(settings)
    await database_roles.let_in(engines.database_url)
    return settings


@pytest.fixture(scope="session")
async def database(database_settings: DatabaseSettings) -> AsyncIterator[Database]:
    """A pool on the migrated database."""
    async with open_holding(database_settings) as opened:
        yield opened


@pytest.fixture
async def store(database: Database) -> Store:
    """A tenant of the test's own, in London, with pounds."""
    async with database.acquire() as connection:
        return await accounts.create_store(
            connection,
            name=f"Store {next(_numbers)}",
            timezone="Europe/London",
            currency="GBP",
        )


@pytest.fixture
async def user_id(database: Database, store: Store) -> int:
    """A member of the store."""
    async with database.acquire() as connection:
        user = await accounts.create_user(
            connection, email=f"user{next(_numbers)}.{store.store_id}@example.com"
        )
        await accounts.add_member(connection, store_id=store.store_id, user_id=user.user_id)
        return user.user_id
