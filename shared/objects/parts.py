"""An object sent in parts, all of them out of one buffer that is filled again for each.

In: a client, a bucket, a key, a pipe, its content type. Out: the object's ETag; there is no object
when anything fails. The minio client's own way holds a part three times: what it sent last, what it
reads, and that with a byte more. It offers the requests one by one only under private names; they
are called here.
"""

from __future__ import annotations

import mmap
from contextlib import suppress
from typing import cast

from minio import Minio
from minio.datatypes import Part

from shared.objects.pipe import BoundedPipe
from shared.objects.refusals import STORE_ERRORS

# The least that S3 takes; 10,000 of them are 52 GB.
PART_BYTES = 5 * 1024 * 1024


def put_in_parts(
    client: Minio, bucket: str, key: str, source: BoundedPipe, content_type: str
) -> str:
    """Send what comes out of the pipe until it is closed. Raises `PipeBrokenError`, or one of
    `STORE_ERRORS`."""
    # Pages of its own: a short object touches few of them, and all go back to the system.
    buffer = memoryview(mmap.mmap(-1, PART_BYTES))
    filled = source.read_into(buffer)
    headers: dict[str, str | list[str] | tuple[str]] = {"Content-Type": content_type}
    if filled < PART_BYTES:
        whole = cast(bytes, buffer[:filled])  # all that is done with it is hashing and sending
        return client._put_object(bucket, key, whole, headers).etag or ""  # noqa: SLF001
    upload = client._create_multipart_upload(bucket, key, headers)  # noqa: SLF001
    try:
        parts: list[Part] = []
        while filled:
            part = cast(bytes, buffer[:filled])
            number = len(parts) + 1
            etag = client._upload_part(bucket, key, part, None, upload, number)  # noqa: SLF001
            parts.append(Part(number, etag))
            filled = source.read_into(buffer) if filled == PART_BYTES else 0
        done = client._complete_multipart_upload(bucket, key, upload, parts)  # noqa: SLF001
    except BaseException:
        with suppress(*STORE_ERRORS):
            client._abort_multipart_upload(bucket, key, upload)  # noqa: SLF001
        raise
    return done.etag or ""
