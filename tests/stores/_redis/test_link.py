import socket
import struct
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from okx_async import InvalidRequestError, Quota
from okx_async.stores._redis.address import read_address
from okx_async.stores._redis.link import Call, EndedError, Link, UnreachableError, _together
from okx_async.stores._redis.messages import NEVER, Frame, Visit, read_seen, terms_of, write_epoch, write_visit
from okx_async.stores.lease import Terms
from okx_async.stores.line import Ask
from okx_async.stores.store import StoreError
from tests.sockets.tls import authority, serving
from tests.stores.proxies import Multiplexer, Proxy
from tests.stores.servers import Server, free_port


def hello(link: Link) -> Call:
    return Call(["{link}:epoch"], write_epoch("hello", Frame(link.run, NEVER, terms_of(Terms()))))


@pytest.fixture
def link(redis_server: Server) -> Iterator[Link]:
    made = Link(read_address(redis_server.url))
    yield made
    made.close()


def ask(link: Link, name: str) -> Call:
    frame = Frame(link.run, NEVER, terms_of(Terms()), "me", 10**17)
    visit = Visit((name,), Quota(20, 2.0), asks=[Ask(name, name)], serve=True)
    return Call(["{link}:epoch", f"{{link}}:{name}"], write_visit(visit, 0.0, 0.0, frame))


def answers(link: Link, calls: list[Call]) -> list[tuple[str, set[str]]]:
    """Return the status of each reply, and the tokens that the sender has there."""
    return [
        (
            reply[0].decode(),
            set(read_seen(reply, 0.0, "me", Terms()).bucket.held_by("me")) if len(call.keys) == 2 else set(),
        )
        for call, reply in zip(calls, link.script(iter(calls)), strict=True)
    ]


@pytest.mark.parametrize("sharded", ["0", "1"])
def test_all_calls_of_a_turn_are_answered_in_order(
    redis_server: Server, monkeypatch: pytest.MonkeyPatch, sharded: str
) -> None:
    told: list[int] = []
    link = Link(read_address(redis_server.url))
    link.script([Call(["{link}:epoch"], write_epoch("vouch", Frame(link.run, NEVER, terms_of(Terms()))))])
    link.commands([("DEL", *(f"{{link}}:{n}" for n in range(20)))])
    link.sharded = sharded == "1"
    names = [f"{n}" for n in range(20)]
    calls = [ask(link, name) for name in names]
    calls[3:3] = [hello(link), hello(link)]
    calls.append(ask(link, "0"))
    real = link.commands

    def counting(commands: Iterable[tuple[Any, ...]], *, written: int) -> list[Any]:
        commands = list(commands)
        told.extend(len(command) - 5 for command in commands)
        return real(commands, written=written)

    monkeypatch.setattr(link, "commands", counting)
    expected = [("ok", {name}) for name in [*names, "0"]]
    expected[3:3] = [("ok", set()), ("ok", set())]
    assert answers(link, calls) == expected
    assert max(told) == (2 if sharded == "1" else 2 + 3 * 7)  # a call is two keys and a message
    link.close()


def test_no_two_calls_of_one_command_are_about_the_same_bucket() -> None:
    calls = [Call(["e", name], b"") for name in "abcab"] + [Call(["e"], b"")] * 2 + [Call(["e", "d"], b"")]
    assert [[call.keys[-1] for call in group] for group in _together(calls, 4)] == [
        ["a", "b", "c"],
        ["a", "b"],
        ["e"],
        ["e"],
        ["d"],
    ]
    assert [len(group) for group in _together(calls[:3], 2)] == [2, 1]


def test_a_server_that_forgot_the_script_is_told_it_again(link: Link) -> None:
    link.script([hello(link)])
    link.commands([("SCRIPT", "FLUSH")])
    assert [reply[0] for reply in link.script([hello(link), hello(link)])] == [b"ok"] * 2


def test_a_call_that_the_server_refuses_is_no_matter_of_the_connection(link: Link) -> None:
    with pytest.raises(StoreError, match=r"redis://127\.0\.0\.1"):
        link.script([Call(["{link}:epoch"], b"no message")])
    assert link.script([hello(link)])[0][0] == b"ok"


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
    with pytest.raises(UnreachableError, match="if it speaks TLS: rediss://; if this is a proxy") as failed:
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


def test_a_connection_that_is_reset_may_be_one_that_wants_tls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reset() -> None:
            near, _ = listener.accept()
            near.recv(65536)
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # ends in a reset
            near.close()

        threading.Thread(target=reset, daemon=True).start()
        with pytest.raises(UnreachableError, match=r"reset by peer.*; if it speaks TLS: rediss://; if this is a proxy"):
            Link(read_address(f"redis://127.0.0.1:{listener.getsockname()[1]}/0"))


def test_a_server_that_wants_a_certificate_may_say_so_by_ending_the_connection(tmp_path: Path) -> None:
    authority("").cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def end() -> None:
            near, _ = listener.accept()
            with serving("127.0.0.1").wrap_socket(near, server_side=True) as secured:
                secured.recv(65536)

        threading.Thread(target=end, daemon=True).start()
        url = f"rediss://127.0.0.1:{listener.getsockname()[1]}/0?ssl_ca_certs={tmp_path}/ca.pem"
        with pytest.raises(
            UnreachableError, match="; if it wants a certificate of yours: ssl_certfile and ssl_keyfile"
        ):
            Link(read_address(url))


def test_files_of_a_url_that_cannot_be_read_are_named(redis_server: Server, tmp_path: Path) -> None:
    (tmp_path / "here.pem").touch()
    query = f"ssl_ca_certs={tmp_path}/nowhere.pem&ssl_certfile={tmp_path}/here.pem&ssl_keyfile={tmp_path}/gone.key"
    with pytest.raises(UnreachableError, match=r"; of the url, ssl_ca_certs and ssl_keyfile cannot be read$"):
        Link(read_address(f"rediss://127.0.0.1:{redis_server.port}/0?{query}"))


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
