"""The servers behind one address: a single one, that which sentinels name, or the nodes of a cluster by hash tag."""

from collections.abc import Callable
from typing import Any, Final

import redis.exceptions as problems
from redis.crc import key_slot

from okx_async.stores.redis_address import Address
from okx_async.stores.redis_link import Link, UnreachableError, connection_to
from okx_async.stores.redis_messages import TAGS, epoch_name
from okx_async.stores.transactions import StoreError

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
        """Return the connection to the server of a tag if there is one."""
        return self._links.get(self._places[tag].label) if self._places else None

    def tags(self, link: Link) -> list[int]:
        """Return the tags that a server keeps."""
        return [tag for tag, place in enumerate(self._places) if place.label == link.label]

    def fail(self, link: Link, error: StoreError) -> StoreError:
        """Close a connection that failed, find the servers anew, and return the error to be raised."""
        self.drop(link)
        self._rest(link.label, error)
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
        for address in self._address.all():
            try:
                place = _master(address, self._address) if self._address.service else address
                link = self._links.get(place.label) or self._open(place)
                self._places = self._map(link, place)
            except UnreachableError as error:
                errors.append(error)
                continue
            return
        raise errors[0]

    def _map(self, link: Link, place: Address) -> list[Address]:
        if link.info.get("cluster_enabled") != "1":
            return [place] * TAGS
        [ranges] = link.commands([("CLUSTER", "SLOTS")])
        if isinstance(ranges, Exception):
            raise UnreachableError(f"{link.label}: {ranges}")
        found = []
        for slot in self._slots:
            at = [node for first, last, node, *_ in ranges if first <= slot <= last]
            if not at:
                raise UnreachableError(f"{link.label}: its cluster has no node for slot {slot}")
            host = at[0][0].decode() or place.options["host"]  # a node may not know its own name
            found.append(place.at(host, at[0][1]))
        return found


def _master(sentinel: Address, address: Address) -> Address:
    """Return the server that a sentinel names."""
    options = {name: value for name, value in sentinel.options.items() if name not in {"db", "username", "password"}}
    connection = connection_to(Address(sentinel.label, sentinel.kind, options))
    try:
        connection.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.service)  # type: ignore[no-untyped-call]
        found: Any = connection.read_response()
    except (problems.RedisError, OSError) as error:
        raise UnreachableError(f"{sentinel.label}: {error}") from None
    finally:
        connection.disconnect()  # type: ignore[no-untyped-call]
    if not found:
        raise UnreachableError(f"{sentinel.label}: this sentinel knows no service {address.service}")
    host, port = found
    return address.at(host.decode(), int(port))
