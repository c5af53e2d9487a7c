"""A private S3 server: Swift out of its wheel, or a `minio` binary.

In: settings (which of both, ports, keys). Out: an endpoint on 127.0.0.1, path-style, and a bucket.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path
from typing import Literal, Self

import urllib3
from minio import Minio
from minio.error import MinioException
from pydantic import BaseModel, ConfigDict

from devstack import ports, swift
from devstack.errors import EngineError
from devstack.processes import Child, environment_without
from devstack.swift_rings import RINGS

REGION = "us-east-1"
BUCKET = "tallyport"
Server = Literal["swift", "minio"]


class ObjectStoreSettings(BaseModel):
    """What must stay the same from start to start. `ports`: the endpoint's first."""

    model_config = ConfigDict(frozen=True)

    server: Server
    ports: tuple[int, ...]
    access_key: str
    secret_key: str
    data: Path
    region: str = REGION
    bucket: str = BUCKET

    def on_other_ports(self, run_dir: Path) -> Self:
        return self.model_copy(update={"ports": tuple(ports.reserve(run_dir, len(self.ports)))})

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"


def choose_server(wanted: Server | None) -> Server:
    """The server to run; `wanted` is the setting. Raises EngineError when it cannot be had."""
    minio = shutil.which("minio")
    if wanted == "minio" and minio is None:
        raise EngineError("TALLYPORT_DEVSTACK_OBJECT_STORE=minio, but no `minio` is on the PATH")
    if wanted == "minio":
        return "minio"
    if (reason := swift.why_not()) is None:
        return "swift"
    if minio is not None and wanted is None:
        return "minio"
    raise EngineError(f"no object store: {reason}, and there is no `minio` on the PATH")


def prepare(run_dir: Path, wanted: Server | None) -> ObjectStoreSettings:
    """Choose the server, the folder and the keys."""
    server = choose_server(wanted)
    data = run_dir / "objects"
    if server == "swift":
        try:
            data = swift.data_folder(data)
        except EngineError:
            if wanted is not None or shutil.which("minio") is None:
                raise
            server = "minio"
    access_key = secrets.token_hex(8)
    return ObjectStoreSettings(
        server=server,
        ports=tuple(ports.reserve(run_dir, 1 if server == "minio" else 1 + len(RINGS))),
        # Swift's users belong to an account, and both are the name of the key.
        access_key=f"{swift.ACCOUNT}:{access_key}" if server == "swift" else access_key,
        secret_key=secrets.token_hex(20),
        data=data,
    )


class ObjectStore:
    """One S3 server: start, stop, restart, kill. `start` twice is one start."""

    def __init__(self, run_dir: Path, settings: ObjectStoreSettings) -> None:
        self.settings = settings
        self._run_dir = run_dir
        self._children: list[Child] = []

    @property
    def children(self) -> list[Child]:
        """The server's processes, the one that answers last."""
        if not self._children:
            self._children = self._minio() if self.settings.server == "minio" else self._swift()
        return self._children

    def start(self) -> None:
        """Run the server and make the bucket."""
        children = self.children
        if self.settings.server == "swift":
            storage_ports = list(self.settings.ports[1:])
            swift.write_rings(self._run_dir, storage_ports, children[-1].environment)
        for child in children:
            child.start()
        for child in children:
            child.wait_ready()

    def stop(self) -> None:
        for child in reversed(self.children):
            child.stop()

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL to every process of the server."""
        for child in self.children:
            child.kill()

    def client(self) -> Minio:
        """A client with short time-outs and no retries, for probes and tests."""
        return Minio(
            f"127.0.0.1:{self.settings.ports[0]}",
            access_key=self.settings.access_key,
            secret_key=self.settings.secret_key,
            secure=False,
            region=self.settings.region,
            http_client=urllib3.PoolManager(
                timeout=urllib3.Timeout(connect=2, read=30), retries=False
            ),
        )

    def _bucket_exists(self) -> bool:
        """The whole chain at work: signature, account, container. Makes the bucket if need be."""
        client, bucket = self.client(), self.settings.bucket
        try:
            if not client.bucket_exists(bucket):
                client.make_bucket(bucket)
        except (MinioException, urllib3.exceptions.HTTPError):
            return False
        return True

    def _swift(self) -> list[Child]:
        settings = self.settings
        return swift.children(
            self._run_dir,
            settings.data,
            ports=list(settings.ports),
            access_key=settings.access_key,
            secret_key=settings.secret_key,
            region=settings.region,
            ready=self._bucket_exists,
        )

    def _minio(self) -> list[Child]:
        settings = self.settings
        settings.data.mkdir(parents=True, exist_ok=True)
        port = settings.ports[0]
        keys = {"MINIO_ROOT_USER": settings.access_key, "MINIO_ROOT_PASSWORD": settings.secret_key}
        child = Child(
            run_dir=self._run_dir,
            name="minio",
            argv=("minio", "server", "--address", f"127.0.0.1:{port}", str(settings.data)),
            env=environment_without("MINIO_") | keys | {"MINIO_BROWSER": "off"},
            ready=self._bucket_exists,
            port=port,
        )
        return [child]
