"""Objects: put whole, looked at, removed, linked to.

Comes in: keys, and bytes through a pipe. Goes out: an object that is complete, or none at all, and
links that the store itself checks. The minio client blocks, so it runs in threads of our own: few
that may take long (uploads), few that are quick (everything else), so that a readiness check never
waits behind an upload. Nothing here works with one vendor's server only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self, TypeVar

from shared import tracing
from shared.errors import TallyportError
from shared.objects.client import http_pool, signing_client, talking_client
from shared.objects.disposition import attachment
from shared.objects.disposition import content_type as type_of
from shared.objects.parts import put_in_parts
from shared.objects.pipe import BoundedPipe, PipeBrokenError
from shared.objects.refusals import STORE_ERRORS, is_already_there, is_missing, refusal
from shared.objects.stale_uploads import abort_uploads
from shared.settings import ObjectStoreSettings
from shared.tracing import Span

QUICK_THREADS = 4
PROBLEM_SECONDS = 5.0
UNDO_SECONDS = 3.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class UploadedObject:
    """What was sent, counted and hashed on the way."""

    key: str
    bytes: int
    sha256: str
    etag: str


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What the store says it has."""

    key: str
    bytes: int
    etag: str


class ObjectStore:
    """One bucket."""

    def __init__(self, settings: ObjectStoreSettings, *, uploads_max: int) -> None:
        self._bucket = settings.bucket
        self._region = settings.region
        self._pool = http_pool(settings, connections_max=uploads_max + QUICK_THREADS)
        self._client = talking_client(settings, self._pool)
        self._signer = signing_client(settings, self._pool)
        self._uploads = ThreadPoolExecutor(uploads_max, "upload")
        self._quick = ThreadPoolExecutor(QUICK_THREADS, "objects")

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: ObjectStoreSettings, *, uploads_max: int = 4
    ) -> AsyncIterator[Self]:
        """Nothing is asked of the store yet; `ensure_bucket` is the first request."""
        store = cls(settings, uploads_max=uploads_max)
        try:
            yield store
        finally:
            for executor in (store._uploads, store._quick):
                executor.shutdown(wait=False, cancel_futures=True)
            store._pool.clear()

    async def ensure_bucket(self) -> None:
        """Make the bucket unless it is there; any number of processes may do so at once."""

        def ensure() -> None:
            if self._client.bucket_exists(self._bucket):
                return
            try:
                self._client.make_bucket(self._bucket, self._region)
            except STORE_ERRORS as error:
                if not is_already_there(error):
                    raise

        await self._run(ensure)

    async def upload(self, key: str, source: BoundedPipe, content_type: str) -> UploadedObject:
        """Send what comes out of the pipe until it is closed. Raises `UnavailableError`,
        `InternalError`, or `PipeBrokenError` when the writer failed; then there is no object.

        Cancelling ends the thread as well: its next `read` raises, and it aborts the upload.
        """
        with self._uploading() as span:
            uploaded = await self._upload(key, source, content_type)
            span.note("tallyport.object.bytes", uploaded.bytes)
        return uploaded

    def _uploading(self) -> Span:
        """One for all requests that it takes, as AWS' own conventions name it; without the key,
        which tells whose it is."""
        if not tracing.is_on():
            return tracing.NOTHING
        return tracing.span(
            "S3/PutObject",
            tracing.Kind.CLIENT,
            {
                "rpc.system": "aws-api",
                "rpc.service": "S3",
                "rpc.method": "PutObject",
                "aws.s3.bucket": self._bucket,
            },
        )

    async def _upload(self, key: str, source: BoundedPipe, content_type: str) -> UploadedObject:
        work = self._uploads.submit(self._put, key, source, content_type)
        done = asyncio.wrap_future(work)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError as error:
            source.fail(error)
            if not work.cancel():  # a thread has begun
                await self._undo(key, done)
            raise

    def _put(self, key: str, source: BoundedPipe, content_type: str) -> UploadedObject:
        try:
            etag = put_in_parts(self._client, self._bucket, key, source, content_type)
        except PipeBrokenError:
            raise
        except STORE_ERRORS as error:
            source.fail(error)
            raise refusal(error) from error
        except BaseException as error:
            source.fail(error)
            raise
        return UploadedObject(key, source.bytes_read, source.sha256, etag)

    async def _undo(self, key: str, done: asyncio.Future[UploadedObject]) -> None:
        """Wait for the thread; if it was quicker than the cancellation, take the object back. A
        store that is silent just now is not waited for: no object comes of an upload that fails."""
        await asyncio.wait([done], timeout=UNDO_SECONDS)
        if not done.done():
            done.add_done_callback(_hear_out)
        elif _hear_out(done) is None:
            with suppress(TallyportError):
                await self.remove(key)

    async def stat(self, key: str) -> StoredObject | None:
        """What is there under the key."""

        def stat() -> StoredObject | None:
            try:
                found = self._client.stat_object(self._bucket, key)
            except STORE_ERRORS as error:
                if is_missing(error):
                    return None
                raise
            return StoredObject(key, found.size or 0, found.etag or "")

        return await self._run(stat)

    async def remove(self, key: str) -> None:
        """Afterwards it is not there; whether it was does not matter."""
        await self._run(lambda: self._client.remove_object(self._bucket, key))

    async def remove_stale_uploads(self, prefix: str, older_than: timedelta) -> int:
        """Abort multipart uploads that nobody will complete; how many. Some servers list uploads
        of an exact key only: pass a whole key where you know it."""
        before = datetime.now(UTC) - older_than
        return await self._run(lambda: abort_uploads(self._client, self._bucket, prefix, before))

    def presign(
        self, key: str, *, file_name: str, seconds: int, content_type: str | None = None
    ) -> str:
        """A link that works for `seconds`. Computed here, without asking the store (0.3 ms).
        Without a content type the file name's ending tells."""
        told = content_type or type_of(file_name)
        return self._signer.get_presigned_url(
            "GET",
            self._bucket,
            key,
            expires=timedelta(seconds=seconds),
            response_headers={
                "response-content-disposition": attachment(file_name),
                "response-content-type": told,
            },
        )

    async def problem(self) -> str | None:
        """None, or why objects cannot be kept now (for `/readyz`)."""
        try:
            async with asyncio.timeout(PROBLEM_SECONDS):
                found = await self._run(lambda: self._client.bucket_exists(self._bucket))
        except TimeoutError:
            return "the object store does not answer"
        except TallyportError as error:
            return error.message
        return None if found else f"the bucket {self._bucket} does not exist"

    async def _run(self, call: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._quick, call)
        except STORE_ERRORS as error:
            raise refusal(error) from error


def _hear_out(done: asyncio.Future[UploadedObject]) -> BaseException | None:
    """Its error, which nobody else will ask for."""
    return None if done.cancelled() else done.exception()
