"""What stands in a Redis or Valkey server of limits, and what it says of itself."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median
from time import monotonic, perf_counter, sleep
from typing import Any, Final

from okx_async._quota import Quota
from okx_async.stores._redis.address import read_address
from okx_async.stores._redis.link import SCRIPT, Call, Link
from okx_async.stores._redis.messages import (
    NEVER,
    TAGS,
    Frame,
    epoch_name,
    read_record,
    read_terms,
    terms_of,
    told_name,
    write_epoch,
)
from okx_async.stores._redis.neighbours import doubts, elsewhere, in_use, names_in
from okx_async.stores._redis.nodes import Nodes
from okx_async.stores.lease import Place, SharedBucket, Terms, Token
from okx_async.stores.records import UnreadableError, key_of
from okx_async.stores.reports import KeyReport, ServerReport, StoreReport, report_key
from okx_async.stores.store import StoreError
from okx_async.stores.url_options import PREFIX

_CHUNK: Final = 256
"""Keys that are looked at in one round trip: a server may be far away."""
_PINGS: Final = 5
_PAUSE: Final = 0.05
"""Seconds between them: a clock that is being set shows that."""
_NOBODYS: Final = Terms(0.0, 0.0, 0.0)
"""Terms of an epoch that takes those of the first program."""
_NOTHING: Final = "nothing"
"""A name under which no program tells another one anything."""


def report_server(url: str, *, vouch: bool = False, prefix: str = PREFIX) -> StoreReport:
    """Return what stands in a server; nothing is written unless it is vouched for.

    Raises:
        StoreError: It cannot be read now.
        InvalidRequestError: It must not be used.
    """
    address = read_address(url)
    nodes = Nodes(address, prefix, SCRIPT, monotonic)
    age, paused = 0.0, 0.0
    keys: list[KeyReport] = []
    told: list[str] = []
    agreed: list[Terms] = []
    refusals: list[str] = []
    try:
        for tag in range(TAGS):
            nodes.link(tag)
        for link in nodes.links:
            epochs = [[epoch_name(prefix, tag)] for tag in nodes.tags(link)]
            if vouch:
                _calls(link, "vouch", epochs)
            for _, (_, now, since, unknown, *terms_there) in _calls(link, "look", epochs):
                age = max(age, (now - since) / 1e6)
                terms = read_terms(terms_there)
                if terms != _NOBODYS:
                    agreed.append(terms)
                if unknown != NEVER:
                    paused = max(paused, (unknown - now) / 1e6 + terms.doubt(Quota()))
            names = names_in(link)
            keys += _keys(link, prefix, names)
            told += doubts(in_use(link, names), prefix) + elsewhere(link, prefix)
            refusals += [_refuses(link, told_name(prefix, tag, _NOTHING)) for tag in nodes.tags(link)[:1]]
        doubtful, refuses = tuple(dict.fromkeys(told)), next(filter(None, refusals), "")
        server = replace(_server(nodes.link(0)), doubts=doubtful, refuses=refuses)
        return StoreReport(address.label, age, paused, tuple(keys), server, tuple(dict.fromkeys(agreed)))
    except UnreadableError as error:
        raise StoreError(f"{address.label}: {error}") from None
    finally:
        nodes.close()


def _refuses(link: Link, name: str) -> str:
    """Return why a server takes nothing that is written to it; "" if it does.

    It judges a command before it carries it out: that of a value which is to replace one that is not there.
    """
    [answer] = link.commands([("SET", name, "", "XX")])
    return str(link.failure(answer)).removeprefix(f"{link.label}: ") if isinstance(answer, Exception) else ""


def _calls(link: Link, what: str, keys: list[list[str]]) -> list[tuple[str, list[Any]]]:
    """Return the last of each keys and the script's reply, without those of keys where nothing stands."""
    message = write_epoch(what, Frame(link.run, NEVER, terms_of(_NOBODYS)))
    replies = link.script([Call(names, message) for names in keys]) if keys else []
    for names, reply in zip(keys, replies, strict=True):
        if reply[0] not in {b"ok", b"nothing"}:
            raise StoreError(f"{link.label}: what stands at {names[-1]} cannot be read ({reply[0].decode()})")
    return [(names[-1], reply) for names, reply in zip(keys, replies, strict=True) if reply[0] == b"ok"]


def _keys(link: Link, prefix: str, names: set[str]) -> list[KeyReport]:
    ours = sorted(name for name in names if name.startswith(f"{prefix}:") and not name.endswith("}:epoch"))
    asked = [[name[: name.index("}") + 1] + ":epoch", name] for name in ours]
    return [
        _key(key_of(name[name.index("}") + 2 :]), reply)
        for begin in range(0, len(asked), _CHUNK)
        for name, reply in _calls(link, "look", asked[begin : begin + _CHUNK])
    ]


def _key(key: tuple[str, ...], reply: list[Any]) -> KeyReport:
    now, record, waiting = reply[1], read_record(reply[3]), reply[4:]
    bucket = SharedBucket(
        Quota(record.limit, record.per / 1e6, record.reserve),
        Terms(),
        {
            str(n): Token(record.holder_at(name), at / 1e6, free_at / 1e6, cooling)
            for n, (_, name, at, free_at, cooling) in enumerate(record.tokens())
        },
        {str(n): Place(holder.decode(), False, 0.0, now / 1e6) for n, holder in enumerate(waiting)},  # noqa: FBT003
        record.blocked / 1e6,
        None if record.refused == NEVER else record.refused / 1e6,
        record.given_up,
    )
    return report_key(key, bucket, now / 1e6)


def _server(link: Link, clock: Callable[[], float] = perf_counter) -> ServerReport:
    times: list[float] = []
    moments: list[tuple[float, float]] = []
    for _ in range(_PINGS):
        begun = clock()
        [shown] = link.commands([("TIME",)])
        if isinstance(shown, Exception):  # a script of another program may hold it up by now
            raise link.failure(shown)
        times.append(clock() - begun)
        moments.append((begun, int(shown[0]) + int(shown[1]) / 1e6))
        sleep(_PAUSE)
    [wary] = link.commands([("CONFIG", "GET", "min-replicas-to-write")])  # a managed server may refuse to say
    info = link.info
    name = "Valkey" if "valkey_version" in info else "Redis"
    return ServerReport(
        f"{name} {info.get('valkey_version') or info.get('redis_version', '?')}",
        median(times),
        info.get("maxmemory_policy", "?"),
        info.get("aof_enabled") == "1",
        int(info.get("connected_slaves", 0)),
        not isinstance(wary, Exception) and wary[1:] not in ([], [b"0"]),
        jump(moments, times),
        _multiplexed(link),
    )


def jump(moments: Sequence[tuple[float, float]], ways: Sequence[float]) -> float:
    """Return by how many seconds a clock went another way than ours, beyond what the round trips leave open.

    Args:
        moments: When it was asked, by our clock, and what it showed.
        ways: The round trips.
    """
    (began, first), *others = moments
    least = ways[0]
    beyond = max(
        (
            abs((at - first) - (asked - began)) - max(least, way)
            for (asked, at), way in zip(others, ways[1:], strict=True)
        ),
        default=0.0,
    )
    return max(0.0, beyond)


def _multiplexed(link: Link) -> bool:
    """Return whether a second connection turns out to be the same one for the server."""
    other = Link(link.address)
    try:
        ids = [found for each in (link, other) for found in each.commands([("CLIENT", "ID")])]
    finally:
        other.close()
    return not any(isinstance(found, Exception) for found in ids) and ids[0] == ids[1]
