"""Settings in small blocks, one per backing service, composed by each service's own settings.

Comes in: environment variables `TALLYPORT_<BLOCK>_<NAME>` (and the two that docs/http.md names
without a prefix). Goes out: frozen values. Nothing else in the code base reads the environment.
`.env.example` lists them all, and a test keeps it complete.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.failpoints.plan import Plan, parse


def _block(prefix: str) -> SettingsConfigDict:
    return SettingsConfigDict(
        env_prefix=f"TALLYPORT_{prefix}_", frozen=True, extra="ignore", env_ignore_empty=True
    )


class DatabaseSettings(BaseSettings):
    """PostgreSQL 15 or later, as `postgresql://user:password@host:port/database`."""

    model_config = _block("DATABASE")

    url: SecretStr
    # A hot standby of it, for whoever reads much (shared/database/replica.py).
    replica_url: SecretStr | None = None
    pool_min: int = Field(default=1, ge=0, le=1_000)
    pool_max: int = Field(default=10, ge=1, le=1_000)
    acquire_seconds: float = Field(default=5.0, gt=0, le=300)
    statement_seconds: float = Field(default=30.0, gt=0, le=3_600)
    # The outbox relay holds one for 3 s while the broker keeps it waiting.
    transaction_idle_seconds: float = Field(default=10.0, ge=4, le=86_400)


class BrokerSettings(BaseSettings):
    """RabbitMQ 3.10 or later. Several URLs, separated by commas, are tried in turn."""

    model_config = _block("BROKER")

    url: Annotated[tuple[SecretStr, ...], NoDecode]
    heartbeat_seconds: int = Field(default=10, ge=1, le=300)
    connect_seconds: float = Field(default=10.0, gt=0, le=300)
    publish_seconds: float = Field(default=10.0, gt=0, le=300)

    @field_validator("url", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value


class ObjectStoreSettings(BaseSettings):
    """Any S3. `public_url` is what callers can reach: its host is part of a link's signature."""

    model_config = _block("OBJECT_STORE")

    url: str
    public_url: str | None = None
    access_key: str
    secret_key: SecretStr
    region: str = "us-east-1"
    bucket: str = "tallyport-reports"
    connect_seconds: float = Field(default=2.0, gt=0, le=60)
    read_seconds: float = Field(default=30.0, gt=0, le=300)


class TelemetrySettings(BaseSettings):
    """`auto` prints for people on a terminal and JSON otherwise."""

    model_config = _block("LOG")

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


class TracingSettings(BaseSettings):
    """Where spans are sent to, by OpenTelemetry's own variables, of which its SDK reads the rest
    itself (docs/operation.md). Neither is set: nobody collects any."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    endpoint: str | None = Field(
        default=None, validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_ENDPOINT", "endpoint")
    )
    traces_endpoint: str | None = Field(
        default=None,
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "traces_endpoint"),
    )
    is_disabled: bool = Field(
        default=False, validation_alias=AliasChoices("OTEL_SDK_DISABLED", "is_disabled")
    )

    @property
    def is_on(self) -> bool:
        return not self.is_disabled and bool(self.traces_endpoint or self.endpoint)


class OperationsSettings(BaseSettings):
    """Where `/healthz`, `/readyz` and `/metrics` of a worker listen. Port 0 takes a free one."""

    model_config = _block("OPERATIONS")

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535)
    drain_seconds: float = Field(default=20.0, ge=0, le=600)


class ReportSettings(BaseSettings):
    """The life of a report: lease, heartbeat, attempts, retention."""

    model_config = _block("REPORT")

    lease_seconds: float = Field(default=30.0, gt=0, le=3_600)
    heartbeat_seconds: float = Field(default=10.0, gt=0, le=600)
    reap_seconds: float = Field(default=5.0, gt=0, le=600)
    redispatch_seconds: float = Field(default=60.0, gt=0, le=86_400)
    attempts_max: int = Field(default=5, ge=1, le=100)
    backoff_seconds_min: float = Field(default=2.0, gt=0, le=3_600)
    backoff_seconds_max: float = Field(default=300.0, gt=0, le=86_400)
    large_rows: int = Field(default=200_000, ge=1)
    retention_days: int = Field(
        default=30,
        ge=1,
        le=3_650,
        validation_alias=AliasChoices("REPORT_RETENTION_DAYS", "retention_days"),
    )


class DownloadSettings(BaseSettings):
    """How long a download link works."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    link_seconds: int = Field(
        default=600,
        ge=1,
        le=604_800,
        validation_alias=AliasChoices("DOWNLOAD_LINK_SECONDS", "link_seconds"),
    )


class FailpointSettings(BaseSettings):
    """What tests let go wrong inside of a process (`shared.failpoints`); nothing otherwise."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    text: str = Field(
        default="", validation_alias=AliasChoices("TALLYPORT_FAILPOINTS", "failpoints")
    )

    @field_validator("text")
    @classmethod
    def _can_be_read(cls, value: str) -> str:
        parse(value)
        return value

    @property
    def plan(self) -> Plan | None:
        """None where no point is named."""
        return parse(self.text) if self.text else None
