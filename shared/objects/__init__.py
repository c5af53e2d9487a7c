"""The only package that speaks S3. In: bytes from async code. Out: whole objects, or none.

pipe           bytes on their way from async code to a thread, bounded, counted and hashed
store          `ObjectStore`: upload, stat, remove, presigned links, stale uploads
parts          an object sent in parts, out of one buffer
client         the minio clients: one that talks to the store, one that only signs
stale_uploads  multipart uploads that nobody will complete
refusals       what the store answered, as errors of our own tree
disposition    the name under which a browser saves a download, and what it is
"""

from shared.objects.disposition import content_type
from shared.objects.pipe import BoundedPipe, PipeBrokenError
from shared.objects.store import ObjectStore, StoredObject, UploadedObject

__all__ = [
    "BoundedPipe",
    "ObjectStore",
    "PipeBrokenError",
    "StoredObject",
    "UploadedObject",
    "content_type",
]
