import os
import re
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ResponseError

from okx_async import InvalidRequestError, Quota
from okx_async.stores import RedisLimiter
from okx_async.stores._redis.address import read_address
from okx_async.stores._redis.link import Call, Link
from okx_async.stores._redis.neighbours import LATELY, names_in
from okx_async.stores._redis.reports import jump, report_server
from okx_async.stores.lease import Terms
from okx_async.stores.store import BusyError, StoreError
from okx_async.stores.urls import NamedStore, report_of
from tests.stores.proxies import Multiplexer
from tests.stores.servers import Server, free_port

KEY = ("live", "1", "BTC-USDT-SWAP")


async def test_a_report_shows_who_holds_what_and_changes_nothing(redis_server: Server) -> None:
    prefix = os.urandom(6).hex()
    limiter = RedisLimiter(redis_server.url, Quota(3, 5.0), lease=30.0, prefix=prefix)
    await limiter.vouch()
    async with limiter.slot(KEY):
        async with limiter.slot(KEY):
            pass
        await limiter.block(KEY, 60.0)
        await limiter.vouch()  # by then all that was told is there
        found = report_server(redis_server.url, prefix=prefix)
        [key] = found.keys
        assert (key.key, key.quota, key.free, key.in_flight, key.cooling) == (KEY, Quota(3, 5.0), 1, 1, 1)
        [(holder, held)] = key.holders.items()
        assert held == 2
        assert holder.startswith(f"{os.getpid()}@")
        assert 0 < key.next_free <= 5.1
        assert 58 < key.blocked <= 60
        assert found.paused == 0.0
    await limiter.aclose()


def test_it_describes_the_server_and_its_pause() -> None:
    server = Server()
    found = report_of(NamedStore(server.url))
    assert (found.path, found.keys, found.paused, found.age) == (server.url, (), 0.0, 0.0)
    assert found.server is not None
    assert found.server.version.startswith(("Valkey ", "Redis "))
    assert 0 < found.server.round_trip < 1.0
    assert astuple(found.server)[2:6] == ("noeviction", False, 0, False)
    assert found.server.jump < 0.05
    assert (found.server.multiplexed, found.server.doubts) == (False, ())
    server.close()


async def test_vouching_ends_the_pause_and_lets_programs_have_other_terms() -> None:
    server = Server()
    for lease in (9.0, 10.0):
        limiter = RedisLimiter(server.url, lease=lease)
        if lease > 9.0:
            with pytest.raises(InvalidRequestError, match="lease=10 here, 9 there"):
                await limiter.vouch()
        else:
            await limiter.block(KEY, 0.0)
        report_server(server.url, vouch=True)
        async with limiter.slot(KEY) as slot:
            slot.refund()
        assert report_server(server.url).paused == 0.0
        await limiter.aclose()
    server.close()


def test_a_server_that_is_not_there_is_an_error() -> None:
    with pytest.raises(BusyError, match="redis://127"):
        report_of(NamedStore(f"redis://:hunter2@127.0.0.1:{free_port()}"))


def test_a_server_that_a_script_of_another_program_holds_up_meanwhile_is_an_error(
    redis_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Link.commands
    busy = ResponseError("BUSY the server is busy running a script")

    def commands(link: Link, words: Any, **options: Any) -> list[Any]:
        words = list(words)
        return [busy] if words == [("TIME",)] else asked(link, words, **options)

    monkeypatch.setattr(Link, "commands", commands)
    with pytest.raises(BusyError, match="busy running a script"):
        report_server(redis_server.url)


def test_a_user_who_may_not_look_is_named() -> None:
    server = Server()
    assert server.said("ACL", "SETUSER", "limits", "on", ">pass", "+@all", "-scan", "~*", "&*") == b"+OK"
    with pytest.raises(InvalidRequestError, match=r"the server refuses this user: .*'scan'"):
        report_server(f"redis://limits:pass@127.0.0.1:{server.port}")
    server.close()


def test_a_proxy_that_puts_clients_on_one_connection_is_seen(redis_server: Server) -> None:
    proxy = Multiplexer(redis_server.port)
    found = report_of(NamedStore(proxy.url))
    assert found.server is not None
    assert found.server.multiplexed
    proxy.close()


def test_other_prefixes_are_seen() -> None:
    server = Server()
    for prefix in ("mine", "other"):
        report_server(server.url, vouch=True, prefix=prefix)
    found = report_server(server.url, prefix="mine")
    assert found.server is not None
    assert "other" in "".join(found.server.doubts)
    server.close()


@pytest.mark.parametrize("more", [True, False])
def test_other_prefixes_that_are_old_are_not_if_the_user_may_ask(*, more: bool) -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "many-hosts.md").read_text()
    [rights] = re.findall(r"^ACL SETUSER okx on >password (.*)$", page, re.MULTILINE)
    [others] = re.findall(r"`(\+object.*?)`", page)
    server = Server()
    assert server.said("ACL", "SETUSER", "u", "on", ">pass", *rights.split(), *others.split() * more) == b"+OK"
    for prefix in ("okx-async", "other"):
        report_server(server.url, vouch=True, prefix=prefix)
    link = Link(read_address(server.url))
    for name in names_in(link):
        [record] = link.commands([("DUMP", name)])
        assert link.commands([("RESTORE", name, 0, record, "REPLACE", "IDLETIME", LATELY + 100)]) == [b"OK"]
    link.close()
    found = report_server(f"redis://u:pass@127.0.0.1:{server.port}")
    assert found.server is not None
    assert (found.server.doubts == (), found.server.refuses) == (more, "")
    server.close()


def test_a_server_whose_memory_is_full_is_seen() -> None:
    server = Server()
    report_server(server.url, vouch=True)
    assert server.said("CONFIG", "SET", "maxmemory", "1") == b"+OK"
    found = report_server(server.url)
    assert found.server is not None
    assert found.server.refuses == "its memory is full"
    assert server.said("CONFIG", "SET", "maxmemory", "0") == b"+OK"
    before = server.said("DBSIZE")
    found = report_server(server.url)
    assert found.server is not None
    assert found.server.refuses == ""
    assert server.said("DBSIZE") == before, "to find out leaves nothing behind"
    server.close()


async def test_the_terms_that_stand_there_are_seen() -> None:
    server = Server()
    assert report_server(server.url).terms == ()
    limiter = RedisLimiter(server.url, lease=30.0, guard=0.004)
    await limiter.vouch()
    await limiter.aclose()
    assert report_server(server.url).terms == (Terms(30.0, 5.0, 0.004),)
    assert report_server(server.url, vouch=True).terms == (), "to vouch forgets them"
    server.close()


@pytest.mark.parametrize(
    ("moments", "ways", "found"),
    [
        ([(0.0, 500.0), (1.0, 501.0)], [0.001, 0.001], 0.0),
        ([(0.0, 500.0), (1.0, 501.4), (2.0, 502.4)], [0.001, 0.1, 0.002], 0.398),
        ([(0.0, 500.0), (1.0, 500.9)], [0.001, 0.001], 0.099),
        ([(0.0, 500.0)], [0.001], 0.0),
    ],
)
def test_a_clock_that_jumps_is_told_from_a_slow_way(
    moments: list[tuple[float, float]], ways: list[float], found: float
) -> None:
    assert jump(moments, ways) == pytest.approx(found)


def test_what_another_program_put_among_the_limits_is_named(redis_server: Server) -> None:
    prefix = os.urandom(6).hex()
    report_server(redis_server.url, prefix=prefix, vouch=True)
    name = f"{prefix}:{{{prefix}-3}}:garbage"
    assert redis_server.said("SET", name, "x") == b"+OK"
    with pytest.raises(StoreError, match=rf"what stands at {re.escape(name)} cannot be read"):
        report_server(redis_server.url, prefix=prefix)


async def test_many_keys_are_looked_at_in_a_few_round_trips(
    redis_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = os.urandom(6).hex()
    limiter = RedisLimiter(redis_server.url, prefix=prefix)
    await limiter.vouch()
    for number in range(300):
        await limiter.block((f"{number}",), 60.0)
    await limiter.vouch()  # by then all that was told is there
    trips: list[int] = []
    script = Link.script

    def counted(link: Link, calls: Sequence[Call]) -> list[list[Any]]:
        trips.append(len(calls))
        return script(link, calls)

    monkeypatch.setattr(Link, "script", counted)
    found = report_server(redis_server.url, prefix=prefix)
    assert {key.key for key in found.keys} == {(f"{number}",) for number in range(300)}
    assert trips == [64, 256, 44]
    await limiter.aclose()
