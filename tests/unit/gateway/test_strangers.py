"""Whose address a request is counted for: what anybody can write is not believed."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from services.gateway.settings import GatewaySettings
from services.gateway.strangers import Strangers


class Transport:
    """Of a connection from there."""

    def __init__(self, peer: str) -> None:
        self._peer = peer

    def get_extra_info(self, name: str, default: object = None) -> object:
        return (self._peer, 4711) if name == "peername" else default


def counted(peer: str, *lines: str, header: str | None = "X-Forwarded-For") -> str:
    headers = CIMultiDict([("X-Forwarded-For", line) for line in lines])
    request = make_mocked_request("GET", "/", headers=headers, transport=Transport(peer))
    return Strangers(per_second=1, at_once=1, header=header).address(request)


def test_by_default_it_is_the_connection_whatever_is_sent() -> None:
    assert counted("192.0.2.1", "203.0.113.9", header=None) == "192.0.2.1"


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["198.51.100.7, 203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9", "198.51.100.7"], "198.51.100.7"),
        (["::ffff:203.0.113.9"], "203.0.113.9"),
        # What cannot be an address: the proxy's own.
        ([], "192.0.2.1"),
        ([""], "192.0.2.1"),
        (["203.0.113.9, unknown"], "192.0.2.1"),
        (["203.0.113.9, "], "192.0.2.1"),
        (["x" * 5_000], "192.0.2.1"),
    ],
)
def test_of_a_header_that_is_believed_it_is_what_the_proxy_added(
    lines: list[str], address: str
) -> None:
    assert counted("192.0.2.1", *lines) == address


def test_a_network_of_version_6_is_one() -> None:
    assert counted("2001:db8:1:2:3::1") == counted("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert counted("2001:db8:1:3::1") != counted("2001:db8:1:2::1")


@pytest.mark.parametrize("header", ["X Real", "X-Real-IP: ", "a" * 65, "X\r\nY"])
def test_a_header_that_cannot_be_one_stops_the_start(header: str) -> None:
    with pytest.raises(ValueError, match="address_header"):
        GatewaySettings(address_header=header)
