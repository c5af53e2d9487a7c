"""What the gateway can be told: its own block, and those of what it talks to."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.settings import (
    BrokerSettings,
    DatabaseSettings,
    DownloadSettings,
    FailpointSettings,
    ObjectStoreSettings,
    OperationsSettings,
    ReportSettings,
    TelemetrySettings,
    TracingSettings,
)

MIB = 1024 * 1024


class GatewaySettings(BaseSettings):
    """The web side. `public_url` is how callers reach us; by default, as they did."""

    model_config = SettingsConfigDict(
        env_prefix="TALLYPORT_GATEWAY_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    public_url: str | None = None
    body_bytes_max: int = Field(default=MIB, ge=1_024)
    body_idle_seconds: float = Field(default=30.0, gt=0, le=3_600)
    # Beyond the first `body_idle_seconds`: who sends more slowly is holding us up.
    body_bytes_per_second_min: int = Field(default=1_024, ge=1)
    # Of a head that has begun; a connection that has sent nothing of one is idle.
    header_seconds: float = Field(default=10.0, gt=0, le=3_600)
    write_seconds: float = Field(default=30.0, gt=0, le=3_600)
    connections_max: int = Field(default=2_000, ge=1, le=1_000_000)
    # Behind a proxy all callers are one peer.
    connections_per_peer_max: int = Field(default=2_000, ge=1, le=1_000_000)
    # More than the aggregators work on and let wait, each with a body of `body_bytes_max` at most.
    requests_max: int = Field(default=256, ge=1, le=100_000)
    # After SIGTERM it still answers so long, `/readyz` with 503, for balancers to look elsewhere.
    leave_seconds: float = Field(default=1.0, ge=0, le=300)
    keepalive_seconds: float = Field(default=15.0, gt=0, le=3_600)
    # How long a token may be taken for good without asking; revoked ones are told of at once.
    token_seconds: float = Field(default=2.0, ge=0, le=60)
    # Of each token, in each process: in the long run, and at once before that counts. 0: no limit.
    requests_per_second: float = Field(default=500.0, ge=0, le=1_000_000)
    requests_at_once: int = Field(default=1_000, ge=1, le=1_000_000)
    # Of each address, in each process; 0: no limit. Behind a proxy all callers have one address,
    # unless a header of the proxy is believed.
    unknown_tokens_per_second: float = Field(default=10.0, ge=0, le=1_000_000)
    unknown_tokens_at_once: int = Field(default=300, ge=1, le=1_000_000)
    address_header: str | None = Field(default=None, pattern="^[A-Za-z0-9-]{1,64}$")
    query_seconds: float = Field(default=10.0, gt=0, le=600)
    record_seconds: float = Field(default=30.0, gt=0, le=600)
    batch_records: int = Field(default=2_000, ge=1, le=10_000)
    batch_bytes: int = Field(default=2 * MIB, ge=1_024, le=6 * MIB)
    record_bytes_max: int = Field(default=256 * 1_024, ge=1_024, le=2 * MIB)
    batches_in_flight: int = Field(default=4, ge=1, le=64)
    batches_bytes_max: int = Field(default=128 * MIB, ge=1_024)
    event_streams_max: int = Field(default=1_000, ge=0, le=100_000)
    event_streams_per_token_max: int = Field(default=20, ge=0, le=100_000)
    events_seconds_max: float = Field(default=600.0, gt=0, le=86_400)
    events_heartbeat_seconds: float = Field(default=15.0, gt=0, le=600)
    # Each holds a connection and a snapshot for as long as its caller takes.
    item_streams_max: int = Field(default=3, ge=1, le=100)
    item_stream_seconds: float = Field(default=600.0, gt=0, le=3_600)


class GatewayServiceSettings(BaseSettings):
    """Everything that the gateway's composition root needs."""

    gateway: GatewaySettings = Field(default_factory=GatewaySettings)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    broker: BrokerSettings = Field(default_factory=BrokerSettings)
    object_store: ObjectStoreSettings = Field(default_factory=ObjectStoreSettings)
    reports: ReportSettings = Field(default_factory=ReportSettings)
    downloads: DownloadSettings = Field(default_factory=DownloadSettings)
    operations: OperationsSettings = Field(default_factory=OperationsSettings)
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings)
    tracing: TracingSettings = Field(default_factory=TracingSettings)
    failpoints: FailpointSettings = Field(default_factory=FailpointSettings)
