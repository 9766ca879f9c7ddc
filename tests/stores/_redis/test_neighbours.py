import pytest

from okx_async.stores._redis.address import read_address
from okx_async.stores._redis.link import Link
from okx_async.stores._redis.messages import bucket_name, epoch_name
from okx_async.stores._redis.neighbours import LATELY, doubts, elsewhere, in_use, names_in, size_of
from tests.stores.servers import Server

LIVE, DEMO = ("live", "1", "BTC-USDT-SWAP"), ("demo", "1", "BTC-USDT-SWAP")


def test_the_records_of_limits_are_told_from_all_others() -> None:
    server = Server()
    link = Link(read_address(server.url))
    ours = {bucket_name("a", LIVE), bucket_name("b", DEMO), epoch_name("a", 3)}
    link.commands([("SET", name, "x") for name in [*ours, "a:{b-1}:x", "{a-1}:x", "some:{a-1}:thing", "c"]])
    assert names_in(link) == ours
    link.close()
    link = Link(read_address(server.url))
    assert size_of(link) == 7
    link.close()
    server.close()


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], []),
        ([epoch_name("a", 1), bucket_name("a", LIVE)], []),
        ([bucket_name("a", LIVE), bucket_name("a", ("http://127.0.0.1:1", "1", "X"))], []),
        ([epoch_name("b", 1), epoch_name("c", 1)], ["another prefix (b, c)"]),
        ([epoch_name(prefix, 1) for prefix in "bcdef"], ["another prefix (b, c, d and more)"]),
        ([bucket_name("a", LIVE), bucket_name("b", DEMO)], ["another prefix (b)"]),
        ([bucket_name("a", LIVE), bucket_name("a", DEMO)], ["live and demo"]),
    ],
)
def test_what_is_likely_to_be_a_mistake_is_told(names: list[str], told: list[str]) -> None:
    found = doubts(names, "a")
    assert len(found) == len(told)
    for text, words in zip(found, told, strict=True):
        assert words in text


def test_a_name_that_is_not_of_this_library_is_no_doubt() -> None:
    assert doubts(["okx-async:{okx-async-3}:garbage", "okx-async:{okx-async-3}:5"], "okx-async") == []


def test_a_prefix_that_was_tried_long_ago_is_not_told() -> None:
    """Its epochs never expire: the warning would stay until the server is flushed."""
    server = Server()
    link = Link(read_address(server.url))

    def age(name: str, seconds: int) -> None:
        link.commands([("SET", name, "x")])
        [record] = link.commands([("DUMP", name)])
        assert link.commands([("RESTORE", name, 0, record, "REPLACE", "IDLETIME", seconds)]) == [b"OK"]

    def told() -> list[str]:
        return doubts(in_use(link, names_in(link)), "a")

    age(epoch_name("b", 1), LATELY + 100)
    age(epoch_name("b", 2), LATELY + 100)
    age(epoch_name("a", 2), LATELY + 100)  # nor is the own one ever
    assert told() == []
    age(epoch_name("b", 2), LATELY - 100)  # as a program that runs and has little to do visits it now and then
    assert ["another prefix (b)" in text for text in told()] == [True]
    age(epoch_name("b", 2), LATELY + 100)
    age(bucket_name("b", LIVE), LATELY + 100)  # which expires by itself
    assert ["another prefix (b)" in text for text in told()] == [True]
    link.commands([("DEL", bucket_name("b", LIVE))])
    assert told() == []
    link.close()
    server.close()


@pytest.mark.parametrize("bar", ["user", "policy"])
def test_where_the_server_does_not_tell_what_is_old_all_is_told(bar: str) -> None:
    server = Server(*(["--maxmemory-policy", "allkeys-lfu"] if bar == "policy" else []))
    assert server.said("ACL", "SETUSER", "u", "on", ">pw", "+info", "+scan", "~*") == b"+OK"
    assert server.said("SET", epoch_name("b", 1), "x") == b"+OK"
    link = Link(read_address(f"redis://{'u:pw@' if bar == 'user' else ''}127.0.0.1:{server.port}"))
    assert in_use(link, names_in(link)) == {epoch_name("b", 1)}
    link.close()
    server.close()


def test_limits_in_another_database_are_told() -> None:
    """As of OKX_LIMITS=redis://host/1 in one program: both together send twice as much as the limit."""
    server = Server()

    def found(database: int = 0, user: str = "") -> list[str]:
        link = Link(read_address(f"redis://{user}127.0.0.1:{server.port}/{database}"))
        try:
            return elsewhere(link, "a")
        finally:
            link.close()

    def enter(database: int, name: str) -> None:
        link = Link(read_address(f"redis://127.0.0.1:{server.port}/{database}"))
        assert link.commands([("SET", name, "x")]) == [b"OK"]
        link.close()

    enter(0, bucket_name("a", LIVE))
    enter(1, epoch_name("a", 3))
    enter(1, bucket_name("b", LIVE))
    assert found() == []
    enter(1, bucket_name("a", LIVE))
    assert ["database 1," in text and "database 0 " in text for text in found()] == [True]
    assert ["database 0," in text for text in found(1)] == [True]
    assert server.said("ACL", "SETUSER", "u", "on", ">pw", "+info", "+scan", "~*") == b"+OK"
    assert found(user="u:pw@") == [], "one that may not look there"
    server.close()
