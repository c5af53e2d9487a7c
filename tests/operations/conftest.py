"""One running system, each service a process with a proxy before each engine, for what operators
see: health, metrics, traces."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.chaos.system import System, running_system
from tests.engines import EnginesUnderTest
from tests.worlds import broker_settings, database, database_settings, world

__all__ = ["broker_settings", "database", "database_settings", "world"]


@pytest.fixture(scope="package")
async def system(world: EnginesUnderTest) -> AsyncIterator[System]:
    async with running_system(world, workers=1) as running:
        yield running
