"""JSON out without a binary float on the way; in, it is the client that reads it.

Comes in: values with Decimals. Goes out: JSON, every digit kept.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson


def json_text(data: Any) -> str:
    """One line of JSON; Decimals are numbers. Bytes are JSON already and stay as they are."""
    if isinstance(data, bytes):
        return data.decode().strip()
    return orjson.dumps(data, default=_exactly).decode()


def _exactly(value: object) -> object:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"{type(value).__name__} has no place in JSON")
