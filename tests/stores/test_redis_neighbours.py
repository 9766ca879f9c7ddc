import pytest

from okx_async.stores.redis_address import read_address
from okx_async.stores.redis_link import Link
from okx_async.stores.redis_messages import bucket_name, epoch_name
from okx_async.stores.redis_neighbours import doubts, elsewhere, names_in, size_of
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
