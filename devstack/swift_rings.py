"""Writes the three rings of a Swift of one node, in a process of its own: importing Swift brings in
eventlet, which has no business in ours.

In (argv): the folder, then the ports of account, container and object server. Out: `*.ring.gz`.
"""

from __future__ import annotations

import sys
from pathlib import Path

PARTITION_POWER = 4  # 16 partitions: one disk, one node
RINGS = ("account", "container", "object")


def main(folder: Path, ports: list[int]) -> None:
    from swift.common.ring import RingBuilder  # type: ignore[import-untyped]  # noqa: PLC0415 - only here

    for name, port in zip(RINGS, ports, strict=True):
        builder = RingBuilder(PARTITION_POWER, 1, 1)
        place = {"region": 1, "zone": 1, "ip": "127.0.0.1", "port": port}
        builder.add_dev({**place, "device": "d1", "weight": 1.0})
        builder.rebalance()
        builder.get_ring().save(str(folder / f"{name}.ring.gz"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(port) for port in sys.argv[2:]])
