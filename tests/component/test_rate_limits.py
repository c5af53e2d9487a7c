"""A token that asks too often is told to wait; others are not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from devstack import ports
from services.gateway import app as gateway
from services.gateway.settings import GatewayServiceSettings, GatewaySettings
from tests.component.conftest import START_SECONDS, MakeClient, blocks_of, is_ready, running
from tests.engines import ROOT
from tests.waiting import until


@pytest.fixture
async def strict_url(blocks: dict[str, Any]) -> AsyncIterator[str]:
    """A gateway that lets a token ask three times, and once more every twenty seconds."""
    (port,) = ports.reserve(ROOT / ".run" / "tests", 1)
    url = f"http://127.0.0.1:{port}"
    own = GatewaySettings(port=port, requests_per_second=0.05, requests_at_once=3)
    async with running(
        gateway.serve, GatewayServiceSettings(**blocks_of(blocks, "gateway"), gateway=own)
    ):
        await until(lambda: is_ready(url), seconds=START_SECONDS, what="the gateway to be ready")
        yield url


@pytest.mark.parametrize("path", ["/reports", "/registers"])
async def test_a_token_that_asks_too_often_waits(
    strict_url: str, make_client: MakeClient, store: Any, path: str
) -> None:
    one, other = await make_client(store), await make_client(store)

    async def ask(token: str | None, path: str = path) -> aiohttp.ClientResponse:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with aiohttp.request("GET", strict_url + path, headers=headers) as response:
            await response.read()
            return response

    assert [(await ask(one.token)).status for _ in range(4)] == [200, 200, 200, 429]
    refused = await ask(one.token)
    assert refused.status == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 20
    is_hal = path == "/reports"
    assert refused.content_type == ("application/hal+json" if is_hal else "application/json")
    assert (await ask(other.token)).status == 200
    # Who has no token is not told that somebody else has asked too often.
    assert (await ask(None)).status == 401
    assert [(await ask(None, "/healthz")).status for _ in range(5)] == [200] * 5
