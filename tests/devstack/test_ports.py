"""Ports are handed out once per machine, however many ask at the same time."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from devstack import ports

ASK = """
import sys
from pathlib import Path
from devstack import ports
print(*ports.reserve(Path(sys.argv[1]), 20))
"""


def test_two_checkouts_at_once_get_different_ports(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    folders = [tmp_path / str(number) for number in range(4)]
    asking = []
    for folder in folders:
        folder.mkdir()
        argv = [sys.executable, "-c", ASK, str(folder)]
        asking.append(subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=root))
    got = [port for process in asking for port in process.communicate(timeout=60)[0].split()]
    assert len(got) == 80
    assert len(set(got)) == 80
    for folder in folders:
        ports.release(folder)


def test_a_port_in_use_is_not_free(tmp_path: Path) -> None:
    port = ports.reserve(tmp_path, 1)[0]
    assert ports.is_free(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not ports.is_free(port)
    assert ports.is_free(port)
    ports.release(tmp_path)


def test_ports_lie_below_those_of_outgoing_connections(tmp_path: Path) -> None:
    first, _ = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    got = ports.reserve(tmp_path, 50)
    ports.release(tmp_path)
    assert all(1024 < port < max(first, 30_000) for port in got)


def test_the_ports_of_a_folder_that_is_gone_are_free_again(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    ports.reserve(folder, 1)
    folder.rmdir()
    with ports._register() as taken:
        assert str(folder) not in taken.values()
