"""What grows is found, and what goes up and down is not."""

from __future__ import annotations

from collections import defaultdict

from tests.chaos.growth import judge


def test_growth_is_found() -> None:
    flat = [100.0] * 30
    assert judge(defaultdict(list, {"rss_mib x": flat, "tasks x": flat})) == []
    leak = [100.0 + 3 * n for n in range(30)]
    assert judge(defaultdict(list, {"rss_mib x": leak, "tasks x": flat})) == [
        "rss_mib x: from 144 to 174"
    ]
