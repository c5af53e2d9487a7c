"""What is asked of the object store, for `/metrics`. Operations are named as S3 names them."""

from __future__ import annotations

from urllib.parse import urlsplit

from prometheus_client import Counter, Histogram

REQUESTS = Counter(
    "tallyport_object_store_requests_total",
    "Requests to the object store, each try of them.",
    ("operation", "outcome"),
)
SECONDS = Histogram(
    "tallyport_object_store_seconds",
    "How long requests to the object store took.",
    ("operation",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
SENT_BYTES = Counter("tallyport_object_store_sent_bytes_total", "Bytes sent in bodies of requests.")

_OF_A_KEY = {"PUT": "PutObject", "HEAD": "HeadObject", "DELETE": "DeleteObject", "GET": "GetObject"}
_OF_A_BUCKET = {"PUT": "CreateBucket", "HEAD": "HeadBucket", "GET": "ListObjects"}


def operation_of(method: str, url: str) -> str:
    """By method and address: one of a dozen names, or `other`."""
    parts = urlsplit(url)
    query = parts.query
    if parts.path.strip("/").count("/") == 0:
        if method == "GET" and "uploads" in query:
            return "ListMultipartUploads"
        return _OF_A_BUCKET.get(method, "other")
    if "uploadId=" in query:
        return {
            "PUT": "UploadPart",
            "POST": "CompleteMultipartUpload",
            "DELETE": "AbortMultipartUpload",
        }.get(method, "other")
    if method == "POST" and "uploads" in query:
        return "CreateMultipartUpload"
    return _OF_A_KEY.get(method, "other")


def outcome_of(status: int) -> str:
    """The class of the status: `2xx`."""
    return f"{status // 100}xx"
