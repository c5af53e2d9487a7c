"""The minio clients: one that talks to the store, one that only signs links.

In: settings. Out: clients whose every wait is bounded. Without its own pool the client would wait
six times 300 seconds for a silent server.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

import urllib3
from minio import Minio

from shared import failpoints
from shared.failpoints import Step
from shared.objects.metrics import REQUESTS, SECONDS, SENT_BYTES, operation_of, outcome_of
from shared.settings import ObjectStoreSettings

RETRIES = 2
_BUSY = (500, 502, 503, 504)


class _Pool(urllib3.PoolManager):
    """Counted; with failpoints around the requests that make, look at and remove an object."""

    def urlopen(  # type: ignore[override]
        self, method: str, url: str, redirect: bool = True, **kw: Any
    ) -> urllib3.BaseHTTPResponse:
        step = _step(method, url)
        if step is not None:
            failpoints.before_in_thread(step)
        response = self._ask(method, url, redirect, **kw)
        if step is not None:
            failpoints.after_in_thread(step)
        return response

    def _ask(self, method: str, url: str, redirect: bool, **kw: Any) -> urllib3.BaseHTTPResponse:
        operation, outcome = operation_of(method, url), "lost"
        began = time.monotonic()
        try:
            response = super().urlopen(method, url, redirect, **kw)
            outcome = outcome_of(response.status)
        finally:
            SECONDS.labels(operation).observe(time.monotonic() - began)
            REQUESTS.labels(operation, outcome).inc()
        SENT_BYTES.inc(len(kw.get("body") or b""))
        return response


def _step(method: str, url: str) -> Step | None:
    """What the request is, by the S3 protocol."""
    parts = urlsplit(url)
    query, has_key = parts.query, parts.path.count("/") > 1
    if method == "PUT" and has_key:
        return Step.UPLOAD_PART if "partNumber=" in query else Step.UPLOAD_WHOLE
    if method == "POST" and has_key:
        return Step.UPLOAD_COMPLETE if "uploadId=" in query else Step.UPLOAD_BEGIN
    if method == "HEAD" and has_key:
        return Step.OBJECT_STAT
    if method == "DELETE" and has_key and not query:
        return Step.OBJECT_REMOVE
    return None


def http_pool(settings: ObjectStoreSettings, *, connections_max: int) -> urllib3.PoolManager:
    """Connections to the store. A refusal to be busy, and a lost connection, are asked twice more
    (never a POST: urllib3 repeats idempotent methods only)."""
    return _Pool(
        maxsize=connections_max,
        timeout=urllib3.Timeout(connect=settings.connect_seconds, read=settings.read_seconds),
        retries=urllib3.Retry(total=RETRIES, backoff_factor=0.2, status_forcelist=_BUSY),
        cert_reqs="CERT_REQUIRED",
    )


def talking_client(settings: ObjectStoreSettings, pool: urllib3.PoolManager) -> Minio:
    """For requests."""
    return _client(settings.url, settings, pool)


def signing_client(settings: ObjectStoreSettings, pool: urllib3.PoolManager) -> Minio:
    """For links: on the address that callers see, because the host is part of the signature. It
    knows its region, and so makes no request."""
    return _client(settings.public_url or settings.url, settings, pool)


def _client(url: str, settings: ObjectStoreSettings, pool: urllib3.PoolManager) -> Minio:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/"):
        raise ValueError("the object store's URL is http(s)://host[:port], without a path")
    return Minio(
        endpoint=parts.netloc,
        access_key=settings.access_key,
        secret_key=settings.secret_key.get_secret_value(),
        secure=parts.scheme == "https",
        region=settings.region,
        http_client=pool,
    )
