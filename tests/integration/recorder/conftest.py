"""A recorder of items for each test, on the real database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.recorder.record_items import ItemRecorder
from shared.database.pool import Database


@pytest.fixture
async def recorder(database: Database) -> AsyncIterator[ItemRecorder]:
    recorder = ItemRecorder(database, group_items_max=10_000)
    yield recorder
    await recorder.close()
