"""The environment variables that the development engines know; nothing else here reads one."""

from __future__ import annotations

from pydantic_settings import BaseSettings, SettingsConfigDict

from devstack.object_store import Server


class DevstackSettings(BaseSettings):
    """`TALLYPORT_BROKER_URL`: use that broker instead of running one (empty: run one).
    `TALLYPORT_DEVSTACK_OBJECT_STORE`: `swift` or `minio`; by default what can run."""

    model_config = SettingsConfigDict(env_prefix="TALLYPORT_", env_ignore_empty=True, frozen=True)

    broker_url: str | None = None
    devstack_object_store: Server | None = None
