"""JSON without a binary float on the way.

Comes in: values with `Decimal` and `datetime`, or bytes of JSON. Goes out: the other one, every
digit kept. Decimals are sent as text, which the service takes as exactly as numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from tallyport_client.errors import NotTallyportError


def to_json(value: Any) -> bytes:
    """Raises TypeError for a float and for a time without an offset: both would be guessed at."""
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":")).encode()


def from_json(body: bytes) -> Any:
    """Numbers with a fraction or an exponent are `Decimal`, all others `int`."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_no_number)
    except ValueError:
        shown = body[:80].decode(errors="replace")
        raise NotTallyportError(f"the answer is not JSON: {shown}") from None


def instant(value: datetime | str) -> str:
    """As the service reads it; text is taken as it is."""
    if isinstance(value, str):
        return value
    if value.utcoffset() is None:
        raise TypeError(f"{value.isoformat()} has no offset: say which zone it is of")
    return value.isoformat()


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise TypeError(f"{value} is no amount")
        return format(value, "f")
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        raise TypeError(f"{value!r} is a binary float: give a Decimal, an int or text")
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def _no_number(text: str) -> Any:
    raise ValueError(text)
