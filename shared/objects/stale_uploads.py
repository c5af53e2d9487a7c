"""Multipart uploads that nobody will complete.

In: a client, a bucket, a prefix, and a moment. Out: how many were aborted. The minio client offers
both requests of the S3 protocol only under private names; they are called here and nowhere else.
Its own listing always sends a delimiter, if only an empty one, and to an empty one some servers
answer that there are no uploads (Swift), to a made-up one others that they know it not.
"""

from __future__ import annotations

from datetime import datetime

from minio import Minio
from minio.datatypes import ListMultipartUploadsResult

from shared.objects.refusals import STORE_ERRORS, is_missing

PAGE = 1_000
PAGES_MAX = 100


def list_uploads(
    client: Minio, bucket: str, prefix: str, after: str | None = None
) -> ListMultipartUploadsResult:
    """A page of the uploads that are not complete, behind the key `after`."""
    query: dict[str, str | list[str] | tuple[str]] = {
        "uploads": "",
        "prefix": prefix,
        "max-uploads": str(PAGE),
        "encoding-type": "url",
    }
    if after is not None:
        query["key-marker"] = after
    response = client._execute("GET", bucket, query_params=query)  # noqa: SLF001
    return ListMultipartUploadsResult(response)


def abort_uploads(client: Minio, bucket: str, prefix: str, started_before: datetime) -> int:
    """Abort what was started before that moment. Raises one of `STORE_ERRORS`."""
    aborted = 0
    after: str | None = None
    for _page in range(PAGES_MAX):
        found = list_uploads(client, bucket, prefix, after)
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
