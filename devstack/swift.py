"""OpenStack Swift with its S3 interface: four Python processes, one node, one disk.

In: ports, keys and two folders. Out: an S3 endpoint that checks signatures and the expiry of
presigned links. Swift keeps object metadata in extended attributes, so `data` needs a file system
that has them.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from devstack import run_folder
from devstack.errors import EngineError
from devstack.processes import Child, environment_without
from devstack.swift_rings import RINGS

ACCOUNT = "tallyport"
RINGS_SECONDS = 60
XATTR_BYTES = 1024  # about what the metadata of one object takes

COMMON = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
bind_timeout = 2
workers = 0
user = {user}
swift_dir = {folder}
devices = {data}
mount_check = false
disable_fallocate = true
log_level = WARNING
# No such socket: the log goes to standard error (-v) and not to the system's log.
log_address = {folder}/no-syslog
"""
# With a single node there is nobody to turn to: be patient, and never put the node on a black list.
PATIENCE = """conn_timeout = 5
node_timeout = 60
"""
STORAGE_SERVER = """
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""
# No updater runs here, so a listing that was not updated at once would never be.
OBJECT_SERVER = "container_update_timeout = 60\n"
PROXY_SERVER = """
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck listing_formats bulk s3api tempauth copy slo dlo \
versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
error_suppression_limit = 1000000
error_suppression_interval = 1
{patience}
[filter:tempauth]
use = egg:swift#tempauth
user_{account}_{key} = {secret} .admin
[filter:s3api]
use = egg:swift#s3api
location = {region}
max_upload_part_num = 10000
[filter:slo]
use = egg:swift#slo
max_manifest_segments = 10000
max_manifest_size = 33554432
"""
PROGRAMS = {
    "account": ("-m", "swift.account.server"),
    "container": ("-m", "swift.container.server"),
    "object": ("-m", "swift.obj.server"),
    "proxy": (str(Path(__file__).with_name("swift_proxy.py")),),
}
PLAIN_FILTERS = (
    *("catch_errors", "gatekeeper", "healthcheck", "listing_formats", "bulk"),
    *("copy", "dlo", "versioned_writes", "symlink"),
)


def why_not() -> str | None:
    """The reason why Swift cannot run with this interpreter, or None."""
    missing = [name for name in ("swift", "eventlet") if importlib.util.find_spec(name) is None]
    return f"the wheel {missing[0]} is not installed (extra `devstack`)" if missing else None


def data_folder(wanted: Path) -> Path:
    """`wanted`, or a folder under the system's temporary one if only that has extended attributes.

    Raises EngineError when neither has."""
    wanted.mkdir(parents=True, exist_ok=True)
    wanted.chmod(0o700)
    if _has_xattrs(wanted):
        return wanted
    other = run_folder.elsewhere(wanted)
    if _has_xattrs(other):
        return other
    raise EngineError(
        f"Swift needs user extended attributes, which neither {wanted} nor {other.parent} has. Put "
        "the run folder on ext4, xfs or btrfs (--run-dir), or put a `minio` binary on the PATH."
    )


def children(
    run_dir: Path,
    data: Path,
    *,
    ports: list[int],
    access_key: str,
    secret_key: str,
    region: str,
    ready: Callable[[], bool],
) -> list[Child]:
    """Write all configuration and return the processes to run, the proxy last.

    `ports`: proxy, account, container, object. `ready` is asked once the proxy listens."""
    folder = run_dir / "swift"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    (data / "d1").mkdir(exist_ok=True)
    suffix = "[swift-hash]\nswift_hash_path_suffix = tallyport\n"
    (folder / "swift.conf").write_text(suffix)
    user = pwd.getpwuid(os.geteuid()).pw_name
    environment = environment_without("SWIFT_", "PYTHONWARNINGS", "PYTHONDEVMODE")

    def child(name: str, port: int, configuration: str, ready: Callable[[], bool]) -> Child:
        path = folder / f"{name}-server.conf"
        common = COMMON.format(port=port, user=user, folder=folder, data=data)
        path.write_text(common + configuration)
        return Child(
            run_dir=run_dir,
            name=f"swift-{name}",
            argv=(sys.executable, "-P", *PROGRAMS[name], str(path), "-v"),
            env=environment,
            ready=ready,
            cwd=Path("/"),
            port=port,
        )

    proxy_port, *storage_ports = ports
    servers = []
    for name, port in zip(RINGS, storage_ports, strict=True):
        configuration = STORAGE_SERVER.format(name=name) + PATIENCE
        if name == "object":
            configuration += OBJECT_SERVER
        servers.append(child(name, port, configuration, lambda: True))
    proxy = PROXY_SERVER.format(
        account=ACCOUNT,
        key=access_key.removeprefix(f"{ACCOUNT}:"),
        secret=secret_key,
        region=region,
        patience=PATIENCE,
    )
    proxy += "".join(f"[filter:{name}]\nuse = egg:swift#{name}\n" for name in PLAIN_FILTERS)
    return [*servers, child("proxy", proxy_port, proxy, ready)]


def write_rings(run_dir: Path, storage_ports: list[int], environment: Mapping[str, str]) -> None:
    """The rings hold the ports, so they are written anew whenever those change."""
    folder = run_dir / "swift"
    stamp, wanted = folder / "rings.ports", " ".join(map(str, storage_ports))
    if stamp.exists() and stamp.read_text() == wanted:
        return
    script = Path(__file__).with_name("swift_rings.py")
    done = subprocess.run(
        [sys.executable, "-P", script, folder, *map(str, storage_ports)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=RINGS_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise EngineError(f"Swift's rings could not be made:\n{done.stdout}{done.stderr}")
    stamp.write_text(wanted)


def _has_xattrs(folder: Path) -> bool:
    probe = folder / ".xattr-probe"
    try:
        probe.touch()
        os.setxattr(probe, "user.tallyport", b"x" * XATTR_BYTES)
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    return True
