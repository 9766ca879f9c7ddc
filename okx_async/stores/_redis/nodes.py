"""The servers behind one address: a single one, that which sentinels name, or the nodes of a cluster by hash tag."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import redis.exceptions as problems
from redis.crc import key_slot

from okx_async._errors import InvalidRequestError
from okx_async._spellings import forms_of
from okx_async.stores._redis.address import Address
from okx_async.stores._redis.link import Link, UnreachableError, connection_to, unreadable, words_of
from okx_async.stores._redis.messages import TAGS, epoch_name
from okx_async.stores.store import StoreError

REST: Final = 0.1
"""Seconds for which a server that failed is left alone: those that ask meanwhile are answered at once."""


class NodeError(StoreError):
    """One node of a cluster is out of reach; it is no matter of keys on the others."""


class Nodes:
    """Connections to the servers, by the tags that they keep.

    Args:
        address: What was named.
        prefix: With which all keys begin.
        script: What the servers carry out.
        clock: The host's clock.
    """

    def __init__(self, address: Address, prefix: str, script: str, clock: Callable[[], float]) -> None:
        self._address = address
        self._guides = deque(address.all())  # who say where the keys are, the one to be asked first at the left
        self._learned: list[Address] = []  # nodes that were not named; they are asked if those that were named are away
        self._script = script
        self._clock = clock
        self._slots = [key_slot(epoch_name(prefix, tag).encode()) for tag in range(TAGS)]
        self._places: list[Address] = []  # by tag, once they are known
        self._links: dict[str, Link] = {}
        self._failed: dict[str, tuple[float, str]] = {}

    @property
    def links(self) -> list[Link]:
        """The connections that are open."""
        return list(self._links.values())

    def link(self, tag: int) -> Link:
        """Return the connection to the server of a tag.

        Raises:
            UnreachableError: It cannot be reached (NodeError: others of its cluster may be).
            InvalidRequestError: It must not be used.
        """
        if not self._places:
            self._find()
        place = self._places[tag]
        return self._links.get(place.label) or self._opened(place)

    def known(self, tag: int) -> Link | None:
        """Return the connection to the server of a tag if there is one; from any thread."""
        places = self._places
        return self._links.get(places[tag].label) if places else None

    def tags(self, link: Link) -> list[int]:
        """Return the tags that a server keeps."""
        return [tag for tag, place in enumerate(self._places) if place.label == link.label]

    def fail(self, link: Link, error: StoreError) -> StoreError:
        """Close a connection that failed, find the servers anew, and return the error to be raised."""
        self.drop(link)
        self._rest(link.label, error)
        # One that is cut off from the others goes on naming a server that was replaced, and may go on answering.
        self._guides.rotate(-1)
        return self._lost(error)

    def drop(self, link: Link) -> None:
        """Close a connection; another one is opened when it is needed."""
        link.close()
        self._links.pop(link.label, None)

    def close(self) -> None:
        """Close all."""
        for link in self.forget():
            link.close()

    def forget(self) -> list[Link]:
        """Return all connections, and know them no more."""
        links, self._links, self._places = self.links, {}, []
        return links

    def _lost(self, error: StoreError) -> StoreError:
        """Have the servers found anew, and return the error to be raised."""
        several = len({place.label for place in self._places}) > 1
        self._places = []
        return NodeError(str(error)) if several else error

    def _opened(self, place: Address) -> Link:
        try:
            return self._open(place)
        except UnreachableError as error:
            raise self._lost(error) from None

    def _open(self, place: Address) -> Link:
        until, text = self._failed.get(place.label, (0.0, ""))
        if self._clock() < until:
            raise UnreachableError(text)
        try:
            link = self._links[place.label] = Link(place, self._script)
        except UnreachableError as error:
            self._rest(place.label, error)
            raise
        return link

    def _rest(self, label: str, error: StoreError) -> None:
        self._failed[label] = self._clock() + REST, str(error)

    def _find(self) -> None:
        """Learn which server keeps which tag."""
        errors: list[UnreachableError] = []
        for address in (*self._guides, *self._learned):
            try:
                place = _master(address, self._address) if self._address.service else address
                link = self._links.get(place.label) or self._open(place)
                self._places = self._map(link, place)
                if not self._address.service:
                    named = {guide.label for guide in self._guides}
                    nodes = {node.label: node for node in self._places if node.label not in named}
                    self._learned = list(nodes.values())
            except UnreachableError as error:
                errors.append(error)
                continue
            return
        raise errors[0]

    def _map(self, link: Link, place: Address) -> list[Address]:
        if link.info.get("cluster_enabled") != "1":
            return [place] * TAGS
        if "host" not in place.options:
            raise InvalidRequestError(
                f"{link.label}: it is a node of a cluster, which is named by hosts: redis://a,b,c"
            )
        [ranges] = link.commands([("CLUSTER", "SLOTS")])
        if isinstance(ranges, Exception):
            raise link.failure(ranges)
        found = []
        for slot in self._slots:
            at = [node for first, last, node, *_ in ranges if first <= slot <= last]
            if not at:
                raise UnreachableError(f"{link.label}: its cluster has no node for slot {slot}")
            found.append(place.at(_host_of(at[0]) or place.options["host"], at[0][1]))
        return found


def _host_of(node: Sequence[Any]) -> str:
    """Return where a cluster says that a node is; empty: at the host that was asked.

    A node may not know its own address, or be set to name none; where host names are preferred, one without is "?", and
    its address stands beside it.
    """
    name = (node[0] or b"").decode()
    if name != "?":
        return name
    others = node[3] if len(node) > 3 else []  # noqa: PLR2004 - host, port, id, more
    more = dict(zip(others[::2], others[1::2], strict=False))
    return str(more.get(b"ip", b""), "utf-8")


def _master(sentinel: Address, address: Address) -> Address:
    """Return the server that a sentinel names."""
    login = {name: sentinel.options[name] for name in ("username", "password") if name in sentinel.options}
    options = {name: value for name, value in sentinel.options.items() if name != "db" and name not in login}
    secrets = forms_of(filter(None, [login.get("password")]))
    try:
        try:
            found = _named(Address(sentinel.label, sentinel.kind, options), address.service)
        except (problems.AuthenticationError, problems.NoPermissionError):
            if not login:
                raise
            # Many have the password of the servers that they watch; to one that has none it would be an error.
            found = _named(Address(sentinel.label, sentinel.kind, {**options, **login}), address.service)
    except (problems.AuthenticationError, problems.NoPermissionError) as error:
        raise UnreachableError(
            f"{sentinel.label}: this sentinel wants a password, which must be that of the server in the url: "
            f"{words_of(error, secrets)}"
        ) from None
    except (problems.RedisError, OSError, ValueError) as error:
        raise UnreachableError(f"{sentinel.label}: {words_of(error, secrets)}{unreadable(sentinel)}") from None
    if not found:
        raise UnreachableError(f"{sentinel.label}: this sentinel knows no service {address.service}")
    host, port = found
    return address.at(host.decode(), int(port))


def _named(sentinel: Address, service: str) -> Any:
    """Return what a sentinel answers: host and port, or nothing."""
    connection = connection_to(sentinel)
    try:
        connection.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)  # type: ignore[no-untyped-call]
        return connection.read_response()
    finally:
        connection.disconnect()  # type: ignore[no-untyped-call]
