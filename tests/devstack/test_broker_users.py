"""The broker's users of the development engines: made at every start, with deployments' rights."""

from __future__ import annotations

from devstack import broker_users
from devstack.broker_users import rights
from devstack.engines import RunningEngines, start_engines
from devstack.rabbitmq import USER, VHOST


def listed(running: RunningEngines) -> dict[str, list[str]]:
    """By user: configure, write, read, as the broker has them."""
    told = running.rabbitmq.ctl("list_permissions", "-p", VHOST)
    rows = [line.split("\t") for line in told.splitlines()]
    return {user: patterns for user, *patterns in rows if user != "user"}  # the table's head


def as_deployed() -> dict[str, list[str]]:
    given = {who: [one.configure, one.write, one.read] for who, one in rights().items()}
    return {**given, USER: [".*"] * 3}


def test_each_service_has_what_deployments_give_it_even_on_data_of_before(
    running: RunningEngines,
) -> None:
    assert listed(running) == as_deployed()
    # As an earlier version left it: a user is missing, another may do everything.
    running.rabbitmq.evaluate(
        'rabbit_auth_backend_internal:delete_user(<<"gateway">>, <<"tests">>), '
        "rabbit_auth_backend_internal:set_permissions("
        f'<<"recorder">>, <<"{VHOST}">>, <<".*">>, <<".*">>, <<".*">>, <<"tests">>)'
    )
    assert "gateway" not in listed(running)
    start_engines(running.run_dir, durable=False)
    assert listed(running) == as_deployed()


def test_no_two_users_share_a_password(running: RunningEngines) -> None:
    url = running.engines.broker_url
    urls = [url, *(broker_users.url_of(url, who) for who in rights())]
    passwords = {one.partition("@")[0].rpartition(":")[2] for one in urls}
    assert len(passwords) == len(urls)
