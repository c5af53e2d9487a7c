"""What went wrong at the object store, as errors of our own tree.

In: an exception of minio or urllib3. Out: `UnavailableError` where the same request can succeed
later, `InternalError` where somebody has to change something first. Neither repeats the store's
words to a caller: they hold keys and hosts. The original is the cause, for the log.
"""

from __future__ import annotations

from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError

from shared.errors import InternalError, TallyportError, UnavailableError

# What the minio client and the HTTP client under it raise when a call did not succeed.
STORE_ERRORS = (MinioException, HTTPError, OSError)

# Ours to repair: asking again will not help. A bucket that is missing is made on the next start,
# so that one can be waited for.
_PERMANENT = frozenset(
    {
        "AccessDenied",
        "AuthorizationHeaderMalformed",
        "EntityTooLarge",
        "InvalidAccessKeyId",
        "InvalidArgument",
        "InvalidBucketName",
        "InvalidRequest",
        "MethodNotAllowed",
        "NotImplemented",
        "SignatureDoesNotMatch",
    }
)
_MISSING = frozenset({"NoSuchKey", "NoSuchUpload", "ResourceNotFound"})
_ALREADY_THERE = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})


def is_already_there(error: Exception) -> bool:
    """Whether it says that somebody else has just made the bucket."""
    return isinstance(error, S3Error) and error.code in _ALREADY_THERE


def is_missing(error: Exception) -> bool:
    """Whether it says that the object (or the upload) is not there."""
    return isinstance(error, S3Error) and error.code in _MISSING


def refusal(error: Exception) -> TallyportError:
    """The error to raise for one of `STORE_ERRORS`."""
    if isinstance(error, S3Error) and error.code in _PERMANENT:
        return InternalError(f"the object store refuses us: {error.code}")
    if isinstance(error, S3Error):
        return UnavailableError(f"the object store answers {error.code}", retry_after_seconds=2)
    if isinstance(error, ServerError | InvalidResponseError):
        return UnavailableError("the object store is failing", retry_after_seconds=2)
    return UnavailableError("the object store does not answer", retry_after_seconds=2)
