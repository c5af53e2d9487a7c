"""Give a broker that somebody else runs the definitions and users of `add_users.py`.

Comes in: definitions.json, the passwords of the users as `add_users.py` has them, and from the
environment MANAGEMENT_URL, MANAGEMENT_USERNAME and MANAGEMENT_PASSWORD of an administrator, and
BROKER_VHOST. Goes out: all of it on the broker, over its management API. Twice does no harm: what
is there stays, and users get the passwords and rights that are said now.

    python import_definitions.py definitions.json
"""

from __future__ import annotations

import base64
import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from add_users import RIGHTS, VHOST, with_users

SECONDS = 60
NEEDED = ("MANAGEMENT_URL", "MANAGEMENT_USERNAME", "MANAGEMENT_PASSWORD")


def in_vhost(definitions: dict[str, Any], vhost: str) -> dict[str, Any]:
    """The same for another virtual host than `/`."""
    moved: dict[str, Any] = {}
    for kind, entries in definitions.items():
        moved[kind] = [
            {**one, "vhost": vhost} if one.get("vhost") == VHOST else one for one in entries
        ]
    moved["vhosts"] = [{"name": vhost}]
    return moved


def main(source: Path) -> None:
    passwords = {name: os.environ.get(f"{name.upper()}_PASSWORD", "") for name in RIGHTS}
    missing = [f"{name.upper()}_PASSWORD" for name, password in passwords.items() if not password]
    missing += [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        sys.exit(f"not set: {', '.join(missing)}")
    url = os.environ["MANAGEMENT_URL"].rstrip("/") + "/api/definitions"
    if not url.startswith(("http://", "https://")):
        sys.exit("MANAGEMENT_URL: begins with http:// or https://")
    made = in_vhost(
        with_users(json.loads(source.read_text(encoding="utf-8")), passwords),
        os.environ.get("BROKER_VHOST") or VHOST,
    )
    who = f"{os.environ['MANAGEMENT_USERNAME']}:{os.environ['MANAGEMENT_PASSWORD']}"
    request = urllib.request.Request(  # noqa: S310 - looked at above
        url,
        data=json.dumps(made).encode(),
        headers={
            "Authorization": f"Basic {base64.b64encode(who.encode()).decode()}",
            "Content-Type": "application/json",
        },
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=SECONDS):  # noqa: S310
            pass
    except urllib.error.HTTPError as error:
        said = error.read(500).decode(errors="replace")
        sys.exit(f"{url}: {error.code}, {said}")
    except OSError as error:
        sys.exit(f"{url}: {error}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
