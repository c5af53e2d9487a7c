"""Who tries tokens that nobody has: so many from one address, then it has to wait.

Comes in: requests whose token was not found. Goes out: whether one more of this address is looked
up. A token cannot be guessed (256 random bits); this keeps those who try from costing a question to
the database each. Tokens that this process has let in before are looked up in any case: whoever
shares the address of somebody who guesses, behind a proxy perhaps, is not shut out with them.

The address is that of the connection, or what the header says that the settings name. Believed is
the last entry of its last line, the one that the proxy nearest to us has written: what stands
before it anybody may have sent.
"""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network, ip_address

from aiohttp import web
from prometheus_client import Counter

from services.gateway.rate_limits import RateLimits

# Whoever has one address of version 6 mostly has all of its network.
_NETWORK_BITS = 64
_TRIED = Counter(
    "tallyport_http_unknown_tokens_total",
    "Requests with a token that nobody has: refused (401), or not looked up any more (429).",
    ["outcome"],
)


class Strangers:
    """`header`: of a proxy that is believed, or None. No limit with `per_second` 0."""

    def __init__(self, *, per_second: float, at_once: int, header: str | None) -> None:
        self._limits = RateLimits[str](per_second=per_second, at_once=at_once)
        self._header = header

    def wait_seconds(self, request: web.Request) -> float | None:
        """None, or how long its address has to wait before a token of it is looked up again."""
        seconds = self._limits.wait_seconds(self.address(request))
        if seconds is not None:
            _TRIED.labels("limited").inc()
        return seconds

    def count(self, request: web.Request) -> None:
        """Its token was not found."""
        _TRIED.labels("refused").inc()
        self._limits.take(self.address(request))

    def address(self, request: web.Request) -> str:
        """Whom it is counted for: an address of version 4, a network of version 6."""
        lines = request.headers.getall(self._header, ()) if self._header else ()
        said = lines[-1].rpartition(",")[2].strip() if lines else ""
        return _counted(said) or _counted(request.remote or "") or ""


def _counted(text: str) -> str | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address), _NETWORK_BITS), strict=False))
