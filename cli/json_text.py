"""JSON in and out without a binary float on the way.

Comes in: values with Decimals, or bytes of JSON. Goes out: the other one, every digit kept.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import jiter
import orjson

from cli.outcomes import RefusedError


def json_text(data: Any) -> str:
    """One line of JSON; Decimals are numbers. Bytes are JSON already and stay as they are."""
    if isinstance(data, bytes):
        return data.decode().strip()
    return orjson.dumps(data, default=_exactly).decode()


def _exactly(value: object) -> object:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def parse(body: bytes) -> Any:
    """Numbers become exact Decimals. Raises `RefusedError` when it is no JSON: the address is
    that of some other service, then."""
    try:
        return jiter.from_json(body, float_mode="decimal")
    except ValueError:
        raise RefusedError(
            "the answer is not JSON: is --url (TALLYPORT_URL) the address of the service?"
        ) from None
