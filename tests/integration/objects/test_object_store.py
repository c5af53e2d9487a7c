"""Objects arrive whole or not at all, and links open what they were signed for, as long as said."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import urllib3
from minio import Minio

from shared.errors import InternalError, UnavailableError
from shared.objects import BoundedPipe, ObjectStore, PipeBrokenError
from shared.objects.parts import PART_BYTES
from shared.objects.stale_uploads import list_uploads
from shared.settings import ObjectStoreSettings
from tests.waiting import until

MIB = 1024 * 1024


@pytest.fixture(scope="session")
async def objects(object_store_settings: ObjectStoreSettings) -> AsyncIterator[ObjectStore]:
    async with ObjectStore.open(object_store_settings) as opened:
        await opened.ensure_bucket()
        await opened.ensure_bucket()
        yield opened


@pytest.fixture
def key() -> str:
    return f"store_1/{secrets.token_hex(8)}/a.csv"


@pytest.fixture(scope="session")
def other_client(object_store_settings: ObjectStoreSettings) -> Minio:
    """The server seen without our code in between."""
    return Minio(
        urlsplit(object_store_settings.url).netloc,
        object_store_settings.access_key,
        object_store_settings.secret_key.get_secret_value(),
        secure=False,
        region=object_store_settings.region,
    )


async def get(link: str) -> urllib3.BaseHTTPResponse:
    return await asyncio.to_thread(urllib3.request, "GET", link)


async def upload(objects: ObjectStore, key: str, data: bytes) -> None:
    pipe = BoundedPipe()
    sending = asyncio.create_task(objects.upload(key, pipe, "text/csv"))
    await pipe.write(data)
    pipe.close()
    await sending


def open_uploads(client: Minio, bucket: str, key: str) -> int:
    return len(list_uploads(client, bucket, key).uploads)


@pytest.mark.parametrize(
    "size", [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES, 23 * MIB]
)
async def test_round_trip(objects: ObjectStore, key: str, size: int) -> None:
    data = secrets.token_bytes(MIB) * (size // MIB) + b"x" * (size % MIB)
    pipe = BoundedPipe()
    sending = asyncio.create_task(objects.upload(key, pipe, "text/csv"))
    for start in range(0, size, 100_000):
        await pipe.write(data[start : start + 100_000])
    pipe.close()
    uploaded = await sending
    assert (uploaded.bytes, uploaded.sha256) == (size, hashlib.sha256(data).hexdigest())
    stored = await objects.stat(key)
    assert stored is not None
    assert stored.bytes == size
    response = await get(objects.presign(key, file_name="a.csv", seconds=60))
    assert response.data == data
    await objects.remove(key)
    await objects.remove(key)
    assert await objects.stat(key) is None


@pytest.mark.parametrize("sent", [100, 20 * MIB], ids=["before the first part", "after two parts"])
async def test_a_source_that_fails_leaves_no_object(
    objects: ObjectStore,
    key: str,
    sent: int,
    other_client: Minio,
    object_store_settings: ObjectStoreSettings,
) -> None:
    pipe = BoundedPipe()
    sending = asyncio.create_task(objects.upload(key, pipe, "text/csv"))
    for _ in range(max(1, sent // MIB)):
        await pipe.write(b"x" * min(sent, MIB))
    pipe.fail(ConnectionResetError("the database went away"))
    with pytest.raises(PipeBrokenError):
        await sending
    assert await objects.stat(key) is None
    assert open_uploads(other_client, object_store_settings.bucket, key) == 0


async def test_cancelling_leaves_no_object_and_no_thread_at_work(
    object_store_settings: ObjectStoreSettings, key: str, other_client: Minio
) -> None:
    async with ObjectStore.open(object_store_settings, uploads_max=1) as objects:
        pipe = BoundedPipe()
        sending = asyncio.create_task(objects.upload(key, pipe, "text/csv"))
        for _ in range(20):
            await pipe.write(b"x" * MIB)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert await objects.stat(key) is None
        assert open_uploads(other_client, object_store_settings.bucket, key) == 0
        # The only thread for uploads is free again.
        await asyncio.wait_for(upload(objects, key, b"next"), timeout=10)
        await objects.remove(key)

    async def ended() -> bool:
        return not any(thread.name.startswith("upload_0") for thread in threading.enumerate()) or (
            objects._uploads._shutdown
        )

    await until(ended, seconds=30, what="the threads end with the store")


async def test_an_upload_that_waits_for_a_thread_can_be_cancelled(
    object_store_settings: ObjectStoreSettings, key: str
) -> None:
    async with ObjectStore.open(object_store_settings, uploads_max=1) as objects:
        first, second = BoundedPipe(), BoundedPipe()
        busy = asyncio.create_task(objects.upload(key, first, "text/csv"))
        await first.write(b"x")
        waiting = asyncio.create_task(objects.upload(f"{key}.2", second, "text/csv"))
        await asyncio.wait([waiting], timeout=0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(waiting, timeout=5)
        first.close()
        await busy
        await objects.remove(key)


async def test_links_are_checked_by_the_store(objects: ObjectStore, key: str) -> None:
    await upload(objects, key, b"mine")
    link = objects.presign(
        key, file_name='customers"\r\nX-Evil: 1.csv', content_type="text/csv", seconds=60
    )
    response = await get(link)
    assert response.status == 200
    assert response.headers["Content-Disposition"] == (
        'attachment; filename="customersX-Evil: 1.csv"'
    )
    assert response.headers["Content-Type"].startswith("text/csv")
    assert "X-Evil" not in response.headers
    forged = link[:-1] + ("0" if link[-1] != "0" else "1")
    assert (await get(forged)).status == 403
    assert (await get(link.replace("a.csv", "b.csv"))).status == 403
    assert (await get(link.split("?", maxsplit=1)[0])).status in (400, 401, 403)

    short = objects.presign(key, file_name="a.csv", seconds=1)

    async def expired() -> bool:
        return (await get(short)).status == 403

    await until(expired, seconds=30, what="the link no longer works")
    await objects.remove(key)


async def test_links_are_signed_for_the_public_address(
    object_store_settings: ObjectStoreSettings, key: str
) -> None:
    public = object_store_settings.model_copy(update={"public_url": "https://files.example.com"})
    async with ObjectStore.open(public) as objects:
        link = objects.presign(key, file_name="a.csv", seconds=60)
    assert link.startswith(f"https://files.example.com/{public.bucket}/{key}?")


async def test_stale_uploads_are_aborted_and_fresh_ones_are_not(
    objects: ObjectStore, key: str, other_client: Minio, object_store_settings: ObjectStoreSettings
) -> None:
    bucket = object_store_settings.bucket
    other_client._create_multipart_upload(bucket, key, {})
    assert await objects.remove_stale_uploads(key, timedelta(hours=1)) == 0
    assert open_uploads(other_client, bucket, key) == 1
    assert await objects.remove_stale_uploads(key, timedelta(seconds=-60)) == 1
    assert open_uploads(other_client, bucket, key) == 0


async def test_a_silent_or_absent_store_is_unavailable(
    object_store_settings: ObjectStoreSettings, key: str
) -> None:
    async def swallow(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _reader.read()
        writer.close()

    silent = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    for url in (f"http://127.0.0.1:{port}", "http://127.0.0.1:9"):
        settings = object_store_settings.model_copy(
            update={"url": url, "connect_seconds": 0.2, "read_seconds": 0.2}
        )
        async with ObjectStore.open(settings) as objects:
            with pytest.raises(UnavailableError):
                await objects.stat(key)
            assert await objects.problem() == "the object store does not answer"
            pipe = BoundedPipe()
            sending = asyncio.create_task(objects.upload(key, pipe, "text/csv"))
            await pipe.write(b"x")
            pipe.close()
            with pytest.raises(UnavailableError):
                await sending
            # Whoever is still writing hears of it.
            with pytest.raises(PipeBrokenError):
                await pipe.write(b"more")
    silent.close()


async def test_what_somebody_has_to_repair_is_not_tried_again(
    object_store_settings: ObjectStoreSettings, key: str
) -> None:
    wrong = object_store_settings.model_copy(
        update={"secret_key": type(object_store_settings.secret_key)("wrong")}
    )
    async with ObjectStore.open(wrong) as objects:
        with pytest.raises(InternalError):
            await objects.stat(key)
        assert await objects.problem() is not None
    elsewhere = object_store_settings.model_copy(update={"bucket": "not-there"})
    async with ObjectStore.open(elsewhere) as objects:
        assert await objects.problem() == "the bucket not-there does not exist"
