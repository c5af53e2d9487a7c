"""Where the tests' engines come from: `TALLYPORT_TEST_ENGINES=local|containers|url`.

`local` starts them from devstack, `containers` from images where a Docker engine answers, `url`
takes those that the environment names. All three are real engines, and a missing one is an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devstack.engines import ObjectStoreAddress
from devstack.rabbitmq import RabbitMQ
from devstack.temporary import temporary_engines

ROOT = Path(__file__).resolve().parent.parent
POSTGRES_IMAGE = "postgres:18-bookworm"
RABBITMQ_IMAGE = "rabbitmq:4.1-management"
OBJECT_STORE_IMAGE = "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z"


@dataclass(frozen=True)
class EnginesUnderTest:
    """Addresses; and a handle on the broker's node where it is ours to restart."""

    database_url: str
    broker_url: str
    object_store: ObjectStoreAddress
    local: Any = None

    @property
    def rabbit(self) -> RabbitMQ:
        if self.local is None:
            raise RuntimeError(
                "this test restarts the broker: it needs TALLYPORT_TEST_ENGINES=local"
            )
        return self.local.rabbitmq

    def environment(self) -> dict[str, str]:
        """The settings that a service's process needs to find them."""
        return {
            "TALLYPORT_DATABASE_URL": self.database_url,
            "TALLYPORT_BROKER_URL": self.broker_url,
            "TALLYPORT_OBJECT_STORE_URL": self.object_store.endpoint,
            "TALLYPORT_OBJECT_STORE_ACCESS_KEY": self.object_store.access_key,
            "TALLYPORT_OBJECT_STORE_SECRET_KEY": self.object_store.secret_key,
            "TALLYPORT_OBJECT_STORE_REGION": self.object_store.region,
            "TALLYPORT_OBJECT_STORE_BUCKET": self.object_store.bucket,
        }


@contextmanager
def engines_under_test() -> Iterator[EnginesUnderTest]:
    """Started, and stopped at the end."""
    source = os.environ.get("TALLYPORT_TEST_ENGINES", "local")
    makers = {"local": _local, "containers": _containers, "url": _url}
    if source not in makers:
        raise RuntimeError(f"TALLYPORT_TEST_ENGINES is one of {', '.join(makers)}, not {source}")
    with makers[source]() as engines:
        yield engines


@contextmanager
def _local() -> Iterator[EnginesUnderTest]:
    with temporary_engines(ROOT / ".run" / "tests") as running:
        engines = running.engines
        yield EnginesUnderTest(
            engines.database_url, engines.broker_url, engines.object_store, running
        )


@contextmanager
def _containers() -> Iterator[EnginesUnderTest]:
    # Imported here: the library looks for a Docker engine when it is imported.
    from testcontainers.minio import MinioContainer  # noqa: PLC0415
    from testcontainers.postgres import PostgresContainer  # noqa: PLC0415
    from testcontainers.rabbitmq import RabbitMqContainer  # noqa: PLC0415

    with ExitStack() as stack:
        postgres = stack.enter_context(PostgresContainer(POSTGRES_IMAGE, driver=None))
        rabbit = stack.enter_context(RabbitMqContainer(RABBITMQ_IMAGE))
        minio = stack.enter_context(MinioContainer(OBJECT_STORE_IMAGE))
        broker = rabbit.get_connection_params()
        store = minio.get_config()
        yield EnginesUnderTest(
            postgres.get_connection_url(),
            f"amqp://guest:guest@{broker.host}:{broker.port}/",
            ObjectStoreAddress(
                endpoint=f"http://{store['endpoint']}",
                access_key=store["access_key"],
                secret_key=store["secret_key"],
                region="us-east-1",
                bucket="tallyport-reports",
            ),
        )


@contextmanager
def _url() -> Iterator[EnginesUnderTest]:
    def named(name: str) -> str:
        return os.environ[f"TALLYPORT_{name}"]

    yield EnginesUnderTest(
        named("DATABASE_URL"),
        named("BROKER_URL"),
        ObjectStoreAddress(
            endpoint=named("OBJECT_STORE_URL"),
            access_key=named("OBJECT_STORE_ACCESS_KEY"),
            secret_key=named("OBJECT_STORE_SECRET_KEY"),
            region=os.environ.get("TALLYPORT_OBJECT_STORE_REGION", "us-east-1"),
            bucket=os.environ.get("TALLYPORT_OBJECT_STORE_BUCKET", "tallyport-reports"),
        ),
    )
