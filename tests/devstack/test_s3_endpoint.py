"""The S3 endpoint does what the service needs of any S3, signatures and expiry included."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import urllib3
from minio import Minio
from minio.error import S3Error

from devstack.engines import RunningEngines

PART_BYTES = 8 * 1024 * 1024

Stored = tuple[Minio, str]


@pytest.fixture
def stored(running: RunningEngines) -> Iterator[Stored]:
    """A client, and a bucket with the object `a.txt` = b"hello"."""
    client, bucket = running.object_store.client(), "contract"
    if not client.bucket_exists(bucket):
        client.make_bucket(bucket)
    client.put_object(bucket, "a.txt", io.BytesIO(b"hello"), 5, content_type="text/plain")
    yield client, bucket
    for item in client.list_objects(bucket, recursive=True):
        client.remove_object(bucket, item.object_name or "")


class Stream:
    """A file of unknown length that never was in memory; `fails_at`: its source breaks there."""

    def __init__(self, size: int, fails_at: int | None = None) -> None:
        self.size, self.fails_at, self.position = size, fails_at, 0

    def read(self, wanted: int = -1) -> bytes:
        if self.fails_at is not None and self.position >= self.fails_at:
            raise ConnectionError("the database went away")
        count = min(wanted if wanted >= 0 else self.size, self.size - self.position)
        self.position += count
        return b"x" * count


def fetch(url: str) -> urllib3.BaseHTTPResponse:
    return urllib3.PoolManager(retries=False).request("GET", url, timeout=30)


def test_the_bucket_of_the_engines_is_there(running: RunningEngines) -> None:
    assert running.object_store.client().bucket_exists(running.engines.object_store.bucket)


def test_put_stat_list_get_remove(stored: Stored) -> None:
    client, bucket = stored
    found = client.stat_object(bucket, "a.txt")
    assert (found.size, found.content_type) == (5, "text/plain")
    assert [item.object_name for item in client.list_objects(bucket)] == ["a.txt"]
    with client.get_object(bucket, "a.txt") as response:
        assert response.read() == b"hello"
    client.remove_object(bucket, "a.txt")
    with pytest.raises(S3Error) as missing:
        client.stat_object(bucket, "a.txt")
    assert missing.value.code == "NoSuchKey"


def test_a_stream_of_unknown_length_becomes_parts(stored: Stored) -> None:
    client, bucket = stored
    size = 2 * PART_BYTES + 12_345
    # typed as a file by the client, which only ever reads
    client.put_object(bucket, "big", Stream(size), -1, part_size=PART_BYTES)  # type: ignore[arg-type]
    assert client.stat_object(bucket, "big").size == size
    with client.get_object(bucket, "big", offset=size - 10) as response:
        assert response.read() == b"x" * 10


def test_a_source_that_breaks_leaves_nothing(stored: Stored) -> None:
    client, bucket = stored
    stream = Stream(3 * PART_BYTES, fails_at=2 * PART_BYTES)
    with pytest.raises(ConnectionError):
        client.put_object(bucket, "torn", stream, -1, part_size=PART_BYTES)  # type: ignore[arg-type]
    with pytest.raises(S3Error):
        client.stat_object(bucket, "torn")
    uploads = client._list_multipart_uploads(bucket)
    assert uploads.uploads == []


def test_an_upload_can_be_given_up(stored: Stored) -> None:
    client, bucket = stored
    upload = client._create_multipart_upload(bucket, "given-up", {})
    client._upload_part(bucket, "given-up", b"x" * PART_BYTES, None, upload, 1)
    assert [u.upload_id for u in client._list_multipart_uploads(bucket).uploads] == [upload]
    client._abort_multipart_upload(bucket, "given-up", upload)
    assert client._list_multipart_uploads(bucket).uploads == []


def test_a_link_serves_the_object_under_its_name(stored: Stored) -> None:
    client, bucket = stored
    name = 'attachment; filename="report.csv"'
    headers = {"response-content-disposition": name}
    url = client.presigned_get_object(
        bucket,
        "a.txt",
        timedelta(minutes=1),
        response_headers=headers,  # type: ignore[arg-type]
    )
    response = fetch(url)
    assert (response.status, response.data) == (200, b"hello")
    assert response.headers["content-disposition"] == name


def test_a_link_with_a_wrong_signature_is_refused(stored: Stored) -> None:
    client, bucket = stored
    url = client.presigned_get_object(bucket, "a.txt", timedelta(minutes=1))
    start, signature = url.split("X-Amz-Signature=")
    other = ("0" if signature[0] != "0" else "1") + signature[1:]
    assert fetch(url).status == 200
    assert fetch(f"{start}X-Amz-Signature={other}").status == 403
    assert fetch(url.replace("a.txt", "b.txt")).status == 403


def test_an_expired_link_is_refused(stored: Stored) -> None:
    client, bucket = stored
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    lasting, short = timedelta(hours=2), timedelta(minutes=59)
    for expires, status in ((lasting, 200), (short, 403)):
        url = client.presigned_get_object(bucket, "a.txt", expires, request_date=an_hour_ago)
        assert fetch(url).status == status


def test_wrong_keys_and_no_keys_are_refused(running: RunningEngines, stored: Stored) -> None:
    settings = running.object_store.settings
    stranger = Minio(
        settings.endpoint.removeprefix("http://"),
        access_key=settings.access_key,
        secret_key="wrong",
        secure=False,
        region=settings.region,
    )
    with pytest.raises(S3Error) as refused:
        stranger.stat_object("contract", "a.txt")
    assert refused.value.code in {"AccessDenied", "SignatureDoesNotMatch"}
    anonymous = fetch(f"{settings.endpoint}/contract/a.txt")
    assert anonymous.status in {400, 401, 403}  # 400: Swift takes it for a request of its own kind
    assert b"hello" not in anonymous.data


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_objects_survive(running: RunningEngines, stored: Stored, how: str) -> None:
    client, bucket = stored
    if how == "restart":
        running.object_store.restart()
    else:
        running.object_store.kill()
        running.object_store.start()
    with client.get_object(bucket, "a.txt") as response:
        assert response.read() == b"hello"
    assert [item.object_name for item in client.list_objects(bucket)] == ["a.txt"]
