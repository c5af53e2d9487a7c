"""A client that knows relations and no paths: from `GET /` it finds all that can be done."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from shared.database.accounts import Store
from tests.component.conftest import MakeClient
from tests.component.events import Stream
from tests.waiting import until

HAL = "application/hal+json"


class Hal:
    """It has an address to begin at and a token. Every other address comes from an answer."""

    def __init__(self, session: aiohttp.ClientSession, entry: str) -> None:
        self._session = session
        self._entry = entry
        self._explained: set[str] = set()

    async def start(self) -> dict[str, Any]:
        return await self._call("GET", self._entry)

    async def follow(
        self, resource: dict[str, Any], relation: str, method: str = "GET", **options: Any
    ) -> dict[str, Any]:
        return await self._call(method, self._address(resource, relation), **options)

    def watch(self, resource: dict[str, Any], relation: str) -> Any:
        return self._session.get(self._address(resource, relation))

    async def remove(self, resource: dict[str, Any]) -> None:
        address = self._address(resource, "self")
        async with self._session.delete(address) as response:
            assert response.status == 204
        async with self._session.get(address) as response:
            assert response.status == 404
            await self._explain(await response.json())

    async def download(self, resource: dict[str, Any], relation: str) -> bytes:
        """Where the file is, our token is nobody's business."""
        async with (
            aiohttp.ClientSession() as anybody,
            anybody.get(self._address(resource, relation)) as response,
        ):
            assert response.status == 200
            return await response.read()

    def _address(self, resource: dict[str, Any], relation: str) -> str:
        link = resource["_links"][relation]
        assert not link.get("templated")
        return str(link["href"])

    async def _call(self, method: str, address: str, **options: Any) -> dict[str, Any]:
        async with self._session.request(method, address, **options) as response:
            assert response.ok, await response.text()
            assert response.content_type == HAL
            resource: dict[str, Any] = await response.json()
        await self._explain(resource)
        return resource

    async def _explain(self, resource: dict[str, Any]) -> None:
        """Every relation that is used has a page, where the curie says."""
        (curie,) = resource["_links"]["curies"]
        assert curie["templated"]
        for name in (*resource["_links"], *resource.get("_embedded", {})):
            prefix, _, relation = name.partition(":")
            if prefix != curie["name"] or relation in self._explained:
                continue
            async with self._session.get(curie["href"].replace("{rel}", relation)) as response:
                assert response.status == 200, name
                assert name in await response.text()
            self._explained.add(relation)


@pytest.fixture
async def hal(base_url: str, make_client: MakeClient, store: Store) -> Hal:
    client = await make_client(store)
    # The session knows no address either: all of them are whole.
    await client.session.close()
    client.session = aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {client.token}"},
        timeout=aiohttp.ClientTimeout(total=60),
    )
    return Hal(client.session, f"{base_url}/")


async def test_a_client_that_knows_no_paths_can_do_all_of_it(hal: Hal) -> None:
    root = await hal.start()
    ask = {
        "name": "customers",
        "datetime_start": "2010-12-01 00:00:00",
        "datetime_end": "2011-12-31 23:59:59",
    }

    # Ask, and watch until it is there.
    asked = await hal.follow(root, "fx:reports", "POST", json=ask)
    async with hal.watch(asked, "fx:events") as response:
        last = (await Stream(response).rest())[-1]
    assert last.name == "ready"
    assert (await hal.download(last.data, "fx:download_url")).startswith(b"id,email")

    # Look at it again, and at who asked.
    ready = await hal.follow(asked, "self")
    assert ready["status"] == "ready"
    user = await hal.follow(ready, "fx:user")
    assert user == await hal.follow(user, "self")

    # Ask for more, and page through all of them, there and back.
    for _ in range(24):
        await hal.follow(root, "fx:reports", "POST", json=ask)
    page = await hal.follow(root, "fx:reports")
    assert page["total_items"] == 25
    pages = [page]
    while "next" in page["_links"]:
        page = await hal.follow(page, "next")
        pages.append(page)
    found = [
        report["_links"]["self"]["href"]
        for one in pages
        for report in one["_embedded"]["fx:reports"]
    ]
    assert len(set(found)) == 25
    assert found[0] == asked["_links"]["self"]["href"]
    last_page = await hal.follow(pages[0], "last")
    assert last_page["offset"] == pages[-1]["offset"]
    back = await hal.follow(last_page, "prev")
    assert back["offset"] == (await hal.follow(last_page, "first"))["offset"] == 0

    # Download what the collection shows.
    async def one_is_ready() -> dict[str, Any] | None:
        collection = await hal.follow(pages[0], "self")
        reports = collection["_embedded"]["fx:reports"]
        return next((one for one in reports if "fx:download_url" in one["_links"]), None)

    shown = await until(one_is_ready, seconds=30, what="a report of the collection")
    assert shown is not None
    assert (await hal.download(shown, "fx:download_url")).startswith(b"id,email")

    # Cancel what was only just asked for, and remove what is there.
    await hal.remove(await hal.follow(root, "fx:reports", "POST", json=ask))
    await hal.remove(shown)
    assert (await hal.follow(pages[0], "first"))["total_items"] == 24


async def test_what_is_refused_is_explained_too(hal: Hal) -> None:
    root = await hal.start()
    address = root["_links"]["fx:reports"]["href"]
    async with hal._session.post(address, json={}) as response:
        assert response.status == 422
        refused = json.loads(await response.text())
    assert refused["total"] == 3
    await hal._explain(refused)
