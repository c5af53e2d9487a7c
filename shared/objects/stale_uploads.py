"""Multipart uploads that nobody will complete.

In: a client, a bucket, a prefix, and a moment. Out: how many were aborted. The minio client offers
both requests of the S3 protocol only under private names; they are called here and nowhere else.
"""

from __future__ import annotations

from datetime import datetime

from minio import Minio

from shared.objects.refusals import STORE_ERRORS, is_missing

PAGE = 1_000
PAGES_MAX = 100


def abort_uploads(client: Minio, bucket: str, prefix: str, started_before: datetime) -> int:
    """Abort what was started before that moment. Raises one of `STORE_ERRORS`."""
    aborted = 0
    after: str | None = None
    for _page in range(PAGES_MAX):
        found = client._list_multipart_uploads(  # noqa: SLF001
            bucket, prefix=prefix, key_marker=after, max_uploads=PAGE
        )
        for upload in found.uploads:
            stale = upload.initiated_time is None or upload.initiated_time < started_before
            if stale and upload.object_name and upload.upload_id:
                aborted += _abort(client, bucket, upload.object_name, upload.upload_id)
        if not found.is_truncated or not found.uploads:
            break
        after = found.uploads[-1].object_name
    return aborted


def _abort(client: Minio, bucket: str, key: str, upload_id: str) -> int:
    try:
        client._abort_multipart_upload(bucket, key, upload_id)  # noqa: SLF001
    except STORE_ERRORS as error:
        if not is_missing(error):
            raise
        return 0  # somebody else was quicker
    return 1
