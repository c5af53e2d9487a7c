"""What the suites of this folder break runs with the rights that deployments give it."""

from __future__ import annotations

from tests import connected
from tests.chaos.system import System


async def test_services_are_nobody_else_than_in_a_deployment(system: System) -> None:
    await system.revive()
    assert await connected.to_database(system.database) == connected.ROLES
    assert connected.to_broker(system.engines.rabbitmq, system.world.broker_url) == connected.USERS
