"""Give each service its own broker user, with no more rights than it needs.

Comes in: definitions.json, which holds the topology and no secret, and one password per user from
the environment (`GATEWAY_PASSWORD`, ...). Goes out: the same definitions with the virtual host, the
users and their permissions, for `load_definitions`. A broker that loads definitions makes no
default user, so these are all there are.

    python add_users.py definitions.json /var/lib/tallyport/definitions.json
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VHOST = "/"
# The default exchange, by the name under which rights are checked: it reaches every queue.
EVERYWHERE = r"amq\.default"
REPLIES, OTHER_REPLIES = r"tallyport\.replies", r"tallyport\.replies\.other"
REPLY_QUEUES = r"tallyport\.reply\..*"
BUILDS = r"tallyport\.builds"
WISHES = r"tallyport\.wishes"
COMMANDS, EVENTS, DEAD = r"tallyport\.commands", r"tallyport\.events", r"tallyport\.dead"
CANCELLATIONS, CANCEL_QUEUE = r"tallyport\.cancellations", r"tallyport\.cancel\..*"
NOTHING = "^$"


@dataclass(frozen=True, slots=True)
class Rights:
    """Regular expressions of names: queues are read, exchanges written, both configured."""

    configure: str
    write: str
    read: str


def exactly(*names: str) -> str:
    return f"^({'|'.join(names)})$"


# The queues exist before the first service starts, so none of them needs to configure more than the
# queues that come and go with its connections: the gateway's for replies, the aggregator's for
# cancellations. To bind its own it writes the queue and reads the exchange. Whoever relays the
# outbox publishes work orders and events; whoever consumes puts away what it cannot read. Answers
# to queues that no gateway made are handed on by the gateway, which alone may publish everywhere.
RIGHTS: dict[str, Rights] = {
    "gateway": Rights(
        configure=exactly(REPLY_QUEUES),
        write=exactly(COMMANDS, BUILDS, EVENTS, CANCELLATIONS, REPLY_QUEUES, EVERYWHERE),
        read=exactly(REPLIES, OTHER_REPLIES, REPLY_QUEUES),
    ),
    "report_worker": Rights(
        configure=NOTHING,
        write=exactly(BUILDS, EVENTS, DEAD, REPLIES),
        read=r"^tallyport\.report\.",
    ),
    "aggregator": Rights(
        configure=exactly(CANCEL_QUEUE),
        write=exactly(WISHES, DEAD, REPLIES, CANCEL_QUEUE),
        read=exactly(r"tallyport\.aggregate\.query", CANCELLATIONS, CANCEL_QUEUE),
    ),
    "recorder": Rights(
        configure=NOTHING,
        write=exactly(BUILDS, EVENTS, DEAD, REPLIES),
        read=exactly(r"tallyport\.record", r"tallyport\.rollup\.request"),
    ),
    # Whoever publishes commands and listens to events, trusted with every store: its own queues,
    # for replies and for events, are named `producer.` and something.
    "producer": Rights(
        configure=r"^producer\.",
        write=rf"^({COMMANDS}|producer\..*)$",
        read=rf"^({EVENTS}|producer\..*)$",
    ),
    # The command line: looks at dead letters, sends them on, removes them.
    "admin": Rights(
        configure=r"^tallyport\.",
        write=rf"^(tallyport\..*|{EVERYWHERE})$",
        read=r"^tallyport\.",
    ),
}


def password_hash(password: str, salt: bytes) -> str:
    """RabbitMQ's own form: the salt of four bytes, then the SHA-256 of salt and password."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def with_users(definitions: dict[str, Any], passwords: dict[str, str]) -> dict[str, Any]:
    """The definitions, and a user with rights for every name in `RIGHTS`."""
    return {
        "vhosts": [{"name": VHOST}],
        "users": [
            {
                "name": name,
                "password_hash": password_hash(passwords[name], secrets.token_bytes(4)),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": [],
            }
            for name in RIGHTS
        ],
        "permissions": [
            {
                "user": name,
                "vhost": VHOST,
                "configure": rights.configure,
                "write": rights.write,
                "read": rights.read,
            }
            for name, rights in RIGHTS.items()
        ],
        **definitions,
    }


def main(source: Path, target: Path) -> None:
    passwords = {name: os.environ.get(f"{name.upper()}_PASSWORD", "") for name in RIGHTS}
    missing = [f"{name.upper()}_PASSWORD" for name, password in passwords.items() if not password]
    if missing:
        sys.exit(f"not set: {', '.join(missing)}")
    made = with_users(json.loads(source.read_text(encoding="utf-8")), passwords)
    # Whole or not at all: a broker may be starting beside us.
    unfinished = target.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(made, indent=2), encoding="utf-8")
    unfinished.chmod(0o644)
    unfinished.replace(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
