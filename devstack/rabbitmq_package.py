"""The operating system's RabbitMQ, installed when it is missing and when we may.

Out: the path of the package's own server script. The system's service is neither started nor
enabled: we run a private node.
"""

from __future__ import annotations

from pathlib import Path

from devstack import system_package

PACKAGE = "rabbitmq-server"
# The wrapper in /usr/sbin insists on the account `rabbitmq`; the script behind it does not.
SCRIPTS = (
    "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server",
    "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "/opt/rabbitmq/sbin/rabbitmq-server",
)


def server_script() -> Path:
    """The server script; installs the package if need be. Raises EngineError with the ways out."""
    return system_package.brought_by(PACKAGE, _find, _ways_out)


def _find() -> Path | None:
    for pattern in SCRIPTS:
        for path in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True):
            return path.resolve()
    return None


def _ways_out(problem: str) -> str:
    return (
        f"RabbitMQ cannot run here: {problem}.\n"
        "Ways out:\n"
        "  - docker compose up --wait                 (needs Docker)\n"
        "  - export TALLYPORT_BROKER_URL=amqp://...   (a broker that runs already)\n"
        f"  - install the package {PACKAGE!r}      (apt, dnf, brew, ... call it that)"
    )
