"""The values that describe the broker agree with the contracts and with one another."""

from __future__ import annotations

import json
import re

from shared.contracts.routes import DEAD_QUEUE, OTHER_REPLIES, QUEUES, ROUTES, QueueType
from shared.messaging.intake import DELIVERIES_MAX
from shared.messaging.topology import DELIVERIES_MAX as POLICY_DELIVERIES_MAX
from shared.messaging.topology import POLICIES, TOPOLOGY, definitions


def test_every_queue_of_the_contract_is_declared_with_its_type_and_nothing_else() -> None:
    declared = {queue.name: queue for queue in TOPOLOGY.queues}
    assert set(declared) == {DEAD_QUEUE, OTHER_REPLIES, *(queue.name for queue in QUEUES)}
    assert {route.queue.name for route in ROUTES.values()} <= set(declared)
    for queue in QUEUES:
        assert declared[queue.name].arguments == {"x-queue-type": queue.type.value}


def test_each_queue_falls_under_exactly_one_policy() -> None:
    # RabbitMQ applies one policy to a queue; of several it would take either.
    for queue in TOPOLOGY.queues:
        matching = [policy for policy in POLICIES if re.search(policy.pattern, queue.name)]
        assert len(matching) == 1, queue.name
        if queue.name != DEAD_QUEUE and queue.type is QueueType.QUORUM:
            assert matching[0].definition["dead-letter-exchange"] == "tallyport.dead"
        else:
            assert "dead-letter-exchange" not in matching[0].definition


def test_we_give_up_on_a_message_before_the_broker_does() -> None:
    # RabbitMQ 4 drops it silently after 20 deliveries where no policy is loaded.
    assert DELIVERIES_MAX < POLICY_DELIVERIES_MAX <= 20


def test_the_definitions_are_json_and_name_their_virtual_host() -> None:
    found = json.loads(json.dumps(definitions("v")))
    assert {len(found["queues"]), len(found["bindings"])} == {len(TOPOLOGY.queues)}
    for section in found.values():
        assert {one["vhost"] for one in section} == {"v"}
