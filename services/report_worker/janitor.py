"""Removing what nobody points at.

In: what attempts wrote down before they uploaded. Out: no objects and no unfinished uploads of
losers, of deleted reports and of reports past their retention; no idempotency keys older than a
day. The bucket is never listed. Several janitors at once do the same work twice, and no harm.
"""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import structlog

from shared import failpoints
from shared.database import idempotency_keys, report_uploads
from shared.database.pool import EVERY_STORE, PASSING_ERRORS, Database
from shared.database.report_uploads import AbandonedUpload
from shared.failpoints import Step
from shared.objects import ObjectStore

BATCH = 100

log = structlog.get_logger(__name__)


class Janitor:
    """One runs in each worker."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        *,
        every_seconds: float,
        abandoned_seconds: float,
    ) -> None:
        self._database = database
        self._objects = objects
        self._every_seconds = every_seconds
        self._abandoned_seconds = abandoned_seconds

    async def run(self) -> None:
        """Clean until cancelled."""
        while True:
            # Spread, so that the janitors of all workers do not come at the same moment.
            await asyncio.sleep(self._every_seconds * random.uniform(0.5, 1.0))  # noqa: S311
            try:
                await self.clean()
            except PASSING_ERRORS as error:
                log.warning("janitor.waiting", reason=str(error))

    async def clean(self) -> int:
        """Once; how many objects went. Raises `UnavailableError` or `InternalError`."""
        async with self._database.transaction(
            store_id=EVERY_STORE, step=Step.JANITOR_EXPIRE
        ) as connection:
            await report_uploads.expire_files(connection)
            await idempotency_keys.expire_keys(connection)
        removed = 0
        while True:
            async with self._database.acquire(store_id=EVERY_STORE) as connection:
                batch = await report_uploads.abandoned_uploads(
                    connection, age_seconds=self._abandoned_seconds, limit=BATCH
                )
            for upload in batch:
                await self._remove(upload)
            removed += len(batch)
            if len(batch) < BATCH:
                return removed

    async def _remove(self, upload: AbandonedUpload) -> None:
        # The upload first: completing it after the object was removed would bring that back.
        await self._objects.remove_stale_uploads(upload.object_key, timedelta(0))
        await self._objects.remove(upload.object_key)
        async with self._database.acquire(store_id=EVERY_STORE) as connection:
            await failpoints.before(Step.UPLOAD_FORGET, connection.terminate)
            await report_uploads.forget_upload(connection, upload)
            await failpoints.after(Step.UPLOAD_FORGET, connection.terminate)
