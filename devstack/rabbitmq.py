"""A private RabbitMQ node out of the operating system's package.

In: settings (ports, password, Erlang cookie). Out: a broker on 127.0.0.1 with one user and the
virtual host `tallyport`, which shares nothing with the system's own node: not its name, not its
port mapper (epmd), not its cookie, not a file in /etc or /var.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

from devstack import ports
from devstack.errors import EngineError
from devstack.processes import Child, environment_without

USER = "tallyport"
VHOST = "tallyport"
NODE = "tallyport@localhost"
CTL_SECONDS = 120
AMQP_HEADER = b"AMQP\x00\x00\x09\x01"

CONFIGURATION = """
listeners.tcp.1 = 127.0.0.1:{port}
default_user = {user}
default_pass = {password}
default_vhost = {vhost}
collect_statistics_interval = 30000
log.console = true
log.console.level = info
log.file = false
# The default of 512 MB is meant for servers, and is held in memory.
raft.wal_max_size_bytes = 67108864
"""
# Idle schedulers sleep instead of spinning; two of them are plenty for a laptop.
ERLANG = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"
LOCAL_ONLY = "-kernel inet_dist_use_interface {127,0,0,1}"


class RabbitMQSettings(BaseModel):
    """What must stay the same from start to start."""

    model_config = ConfigDict(frozen=True)

    port: int
    distribution_port: int
    epmd_port: int
    password: str
    cookie: str
    node: str = NODE
    # The nodes to form a cluster with, this one among them.
    peers: tuple[str, ...] = ()
    # Lines for its configuration file, which win over ours.
    configuration: str = ""

    def on_other_ports(self, run_dir: Path) -> Self:
        return self.model_copy(update=_ports(run_dir))

    @property
    def url(self) -> str:
        return f"amqp://{USER}:{self.password}@127.0.0.1:{self.port}/{VHOST}"


def prepare(run_dir: Path) -> RabbitMQSettings:
    secret, cookie = secrets.token_hex(16), secrets.token_hex(16)
    return RabbitMQSettings.model_validate(
        {"password": secret, "cookie": cookie, **_ports(run_dir)}
    )


def _ports(run_dir: Path) -> dict[str, int]:
    port, distribution_port, epmd_port = ports.reserve(run_dir, 3)
    return {"port": port, "distribution_port": distribution_port, "epmd_port": epmd_port}


class RabbitMQ:
    """One node: start, stop, restart, kill, and its command line. `start` twice is one start.
    Nodes of a cluster share a port mapper: `epmd` is that of another."""

    def __init__(
        self, run_dir: Path, settings: RabbitMQSettings, script: Path, *, epmd: Child | None = None
    ) -> None:
        self.settings = settings
        self._folder = run_dir / "rabbitmq"
        self._script = script
        environment = self._private_environment()
        # Its own child: Erlang would start it as a daemon that nobody stops.
        self.epmd = epmd or Child(
            run_dir=run_dir,
            name="rabbitmq-epmd",
            argv=(_epmd(), "-port", str(settings.epmd_port), "-address", "127.0.0.1"),
            env=environment,
            ready=lambda: True,
            port=settings.epmd_port,
        )
        self.child = Child(
            run_dir=run_dir,
            name="rabbitmq",
            argv=(str(script),),
            env=environment,
            ready=self.answers,
            cwd=self._folder,
            ready_seconds=120.0,
            stop_seconds=30.0,
            signal_every_seconds=1.0,  # Erlang drops one that arrives in its first moments
            port=settings.port,
        )

    @property
    def url(self) -> str:
        return self.settings.url

    def start(self) -> None:
        complete = self._folder / "complete"
        if not self.child.alive():
            if not complete.exists():
                # It ended during its first boot: a half-made database is not mended, and empty.
                shutil.rmtree(self._folder / "mnesia", ignore_errors=True)
            self._write_files()
        self.epmd.start()
        self.epmd.wait_ready()
        self.child.start()
        self.child.wait_ready()
        complete.touch()

    def stop(self) -> None:
        self.child.stop()
        self.epmd.stop()

    def restart(self) -> None:
        """The whole node, on the same port with the same data."""
        self.child.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL to the node; epmd stays, as on a server."""
        self.child.kill()

    def stop_app(self) -> None:
        """Stop the broker inside of the node: connections drop, the port closes. Takes a second."""
        self.evaluate("rabbit:stop()")

    def start_app(self) -> None:
        self.evaluate("rabbit:start()")
        self.child.wait_ready()

    def evaluate(self, expression: str) -> str:
        """An Erlang expression on this node; returns what it gives, as Erlang writes it.

        Milliseconds with `erl_call`, which most packages of Erlang bring along; `rabbitmqctl eval`
        boots an Erlang of its own for it.
        """
        erl_call = shutil.which("erl_call")
        if erl_call is None:
            return self.ctl("eval", f"{expression}.")
        done = subprocess.run(
            [
                *(erl_call, "-r", "-e", "-timeout", str(CTL_SECONDS)),
                *("-address", f"127.0.0.1:{self.settings.distribution_port}"),
            ],
            env=self.child.environment,
            input=f"{expression}.\n",
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=CTL_SECONDS + 10,
            check=False,
        )
        result = done.stdout.strip()
        if done.returncode != 0 or not result.startswith("{ok, "):
            raise EngineError(f"{expression}: {done.stderr.strip() or result}")
        return result.removeprefix("{ok, ").removesuffix("}")

    def ctl(self, *arguments: str) -> str:
        """`rabbitmqctl` on this node; returns what it prints. Raises EngineError when it fails."""
        done = subprocess.run(
            [self._script.with_name("rabbitmqctl"), "-q", "-n", self.settings.node, *arguments],
            env=self.child.environment,
            stdin=subprocess.DEVNULL,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=CTL_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise EngineError(f"rabbitmqctl {arguments[0]}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def answers(self) -> bool:
        """Whether it takes connections now.

        The port opens last when the node boots; a greeting in answer to ours is the proof.
        """
        try:
            with socket.create_connection(("127.0.0.1", self.settings.port), 1) as connection:
                connection.settimeout(1)
                connection.sendall(AMQP_HEADER)
                return connection.recv(1) == b"\x01"
        except OSError:
            return False

    def _private_environment(self) -> dict[str, str]:
        folder, settings = self._folder, self.settings
        private = {
            "HOME": str(folder),
            "RABBITMQ_NODENAME": settings.node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(settings.port),
            "RABBITMQ_DIST_PORT": str(settings.distribution_port),
            "ERL_EPMD_PORT": str(settings.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            # None of these exist: without them the node would read the system's in /etc.
            "RABBITMQ_CONFIG_FILES": str(folder / "conf.d"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "config"),
            "RABBITMQ_SCHEMA_DIR": str(folder / "schema"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{ERLANG} {LOCAL_ONLY}",
            "RABBITMQ_CTL_ERL_ARGS": f"+S 1:1 {LOCAL_ONLY}",
            # Makes the script become the node instead of its parent, so that signals arrive.
            "RUNNING_UNDER_SYSTEMD": "true",
            "LANG": "C.UTF-8",
        }
        return environment_without("RABBITMQ_", "ERL_", "LC_", "NOTIFY_SOCKET") | private

    def _write_files(self) -> None:
        folder, settings = self._folder, self.settings
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        for name in ("mnesia", "log"):
            (folder / name).mkdir(exist_ok=True)
        cookie = folder / ".erlang.cookie"
        cookie.unlink(missing_ok=True)
        cookie.touch(mode=0o600)
        cookie.write_text(settings.cookie)
        cookie.chmod(0o400)  # Erlang refuses any other mode
        configuration = CONFIGURATION.format(
            port=settings.port, user=USER, password=settings.password, vhost=VHOST
        )
        if settings.peers:
            configuration += "cluster_formation.peer_discovery_backend = classic_config\n"
        for number, peer in enumerate(settings.peers, start=1):
            configuration += f"cluster_formation.classic_config.nodes.{number} = {peer}\n"
        (folder / "rabbitmq.conf").write_text(configuration + settings.configuration)
        (folder / "enabled_plugins").write_text("[].\n")


def _epmd() -> str:
    for path in ("/usr/bin/epmd", "/usr/local/bin/epmd"):
        if os.access(path, os.X_OK):
            return path
    return "epmd"
