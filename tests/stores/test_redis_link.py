import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from okx_async import InvalidRequestError
from okx_async.stores.lease import Terms
from okx_async.stores.redis_address import read_address
from okx_async.stores.redis_link import Call, EndedError, Link, UnreachableError
from okx_async.stores.redis_messages import NEVER, Frame, terms_of, write_epoch
from okx_async.stores.transactions import StoreError
from tests.stores.proxies import Multiplexer, Proxy
from tests.stores.servers import Server, free_port


def hello(link: Link) -> Call:
    return Call(["{link}:epoch"], write_epoch("hello", Frame(link.run, NEVER, terms_of(Terms()))))


@pytest.fixture
def link(redis_server: Server) -> Iterator[Link]:
    made = Link(read_address(redis_server.url))
    yield made
    made.close()


def test_all_calls_of_a_turn_are_answered_in_order(link: Link) -> None:
    replies = link.script([hello(link) for _ in range(3)])
    assert [reply[1] for reply in replies] == [b"ok"] * 3
    assert len({reply[0] for reply in replies}) == 3


def test_a_server_that_forgot_the_script_is_told_it_again(link: Link) -> None:
    link.script([hello(link)])
    link.commands([("SCRIPT", "FLUSH")])
    assert [reply[1] for reply in link.script([hello(link), hello(link)])] == [b"ok"] * 2


def test_a_call_that_the_server_refuses_is_no_matter_of_the_connection(link: Link) -> None:
    with pytest.raises(StoreError, match=r"redis://127\.0\.0\.1"):
        link.script([Call(["{link}:epoch"], b"no json")])
    assert link.script([hello(link)])[0][1] == b"ok"


def test_an_answer_to_another_question_ends_the_connection(redis_server: Server) -> None:
    proxy = Proxy(redis_server.port)
    link = Link(read_address(proxy.url))
    link.script([hello(link)])  # the server knows the script now
    proxy.doubles = 1
    with pytest.raises(UnreachableError, match="another question"):  # noqa: PT012 - whichever notices
        for _ in range(3):  # the second answer to the first may arrive a moment later
            link.script([hello(link)])
    link.close()
    proxy.close()


def test_a_connection_that_ends_after_it_answered_says_nothing_of_the_server(redis_server: Server) -> None:
    proxy = Proxy(redis_server.port)
    proxy.drops = 1
    with pytest.raises(UnreachableError) as failed:
        Link(read_address(proxy.url))
    assert not isinstance(failed.value, EndedError), "it never answered"
    link = Link(read_address(proxy.url))
    proxy.drops = 1
    with pytest.raises(UnreachableError) as failed:
        link.script([hello(link)])
    assert not isinstance(failed.value, EndedError), "it never answered a call"
    link = Link(read_address(proxy.url))
    link.script([hello(link)])
    proxy.drops = 1
    with pytest.raises(EndedError):
        link.script([hello(link)])
    proxy.close()


def answering(answer: bytes) -> tuple[socket.socket, int]:
    """Return a server that answers whatever is asked, and where it is."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            near, _ = listener.accept()
            with near:
                while near.recv(65536):
                    near.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return listener, int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("scheme", "answer", "text"),
    [
        ("redis", b"HTTP/1.1 400 Bad Request\r\n\r\n", "it is no Redis or Valkey server, or one that wants rediss://"),
        ("redis", b"\x15\x03\x03\x00\x02\x02\x46", "one that wants rediss://"),  # a TLS alert
        ("rediss", b"", "no answer within 1 s; does it speak TLS?"),
        ("redis", b"", "no answer within 1 s$"),
    ],
)
def test_what_is_no_server_of_that_kind_is_said(scheme: str, answer: bytes, text: str) -> None:
    listener, port = answering(answer)
    with listener, pytest.raises(UnreachableError, match=text.replace("?", r"\?")):
        Link(read_address(f"{scheme}://127.0.0.1:{port}/0"))


@pytest.mark.parametrize("user", ["", "bob"])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"-ERR unknown command `AUTH`, with args beginning with: `bob`, `wr0ng&77`\r\n", StoreError),
        (b'-ERR ["AUTH", "wr0ng\\u002677"]\r\n', StoreError),
        (b"-WRONGPASS invalid username-password pair bob wr0ng&77\r\n", InvalidRequestError),
        (b"-LOADING " + b"x" * 390 + b" wr0ng&77\r\n", UnreachableError),
    ],
)
def test_words_of_a_server_that_repeat_the_password_are_not_shown(
    user: str, answer: bytes, error: type[Exception]
) -> None:
    listener, port = answering(answer)
    with listener, pytest.raises(error, match="its words are not shown: they repeat the password") as caught:
        Link(read_address(f"redis://{user}:wr0ng%2677@127.0.0.1:{port}/0"))
    assert "wr0ng" not in repr(caught.value)


def test_a_server_that_is_not_there_is_out_of_reach() -> None:
    with pytest.raises(UnreachableError, match=r"redis://127\.0\.0\.1"):
        Link(read_address(f"redis://127.0.0.1:{free_port()}"))


def test_a_server_that_drops_keys_when_memory_is_short_is_refused_by_name() -> None:
    server = Server("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with pytest.raises(InvalidRequestError, match="maxmemory-policy allkeys-lru"):
        Link(read_address(server.url))
    server.said("CONFIG", "SET", "maxmemory-policy", "noeviction")
    link = Link(read_address(server.url))
    server.said("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(UnreachableError, match="memory is full"):
        link.script([hello(link)])
    link.close()
    server.close()


def test_a_wrong_password_is_said_and_not_shown() -> None:
    server = Server("--requirepass", "r1ght")
    for password in ("", ":wr0ng@"):
        with pytest.raises(InvalidRequestError, match="refuses this user") as caught:
            Link(read_address(f"redis://{password}127.0.0.1:{server.port}"))
        assert "wr0ng" not in str(caught.value)
    Link(read_address(f"redis://:r1ght@127.0.0.1:{server.port}")).close()
    server.close()


@pytest.mark.parametrize(
    ("refuses", "error"),
    [(b"-ERR unsupported command 'info'\r\n", InvalidRequestError), (b"", UnreachableError)],
)
def test_a_proxy_that_lets_no_info_through_is_named(
    redis_server: Server, refuses: bytes, error: type[Exception]
) -> None:
    proxy = Multiplexer(redis_server.port, refuses)
    with pytest.raises(error, match="puts many clients on one connection: name the server itself"):
        Link(read_address(proxy.url))
    proxy.close()
