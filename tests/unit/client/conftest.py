"""A service that answers as a test wants, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tallyport_client import AsyncClient
from tests.answering import Service, service

__all__ = ["service"]


@pytest.fixture
async def client(service: Service) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(service.url, "secret") as opened:
        yield opened
