"""Rows of the matrix, written by hand: what keeps client and exchange apart before a request can be written.

Nothing arrives, so nothing is done: each row says how often it is tried, and that every slot is given back.
"""

from tests.faults.arrange import at_once
from tests.faults.cells import Table, unread, unsent
from tests.faults.ways import Way, answering, certificate

ROWS = Table()


def row(group: str, title: str, tokens: str, way: Way) -> None:
    """Add a row; `tokens`: one for each try."""
    ROWS.row(group, title, unsent(tokens), at_once(lambda _: None), flatten=unread("NotSentError"), way=way)


PROXY = "A proxy makes no tunnel"
row(PROXY, "CONNECT answered 407", "r", answering("407 Proxy Authentication Required"))
row(PROXY, "CONNECT answered 403", "rrrrrr", answering("403 Forbidden"))
row(PROXY, "CONNECT answered 429", "rrrrrr", answering("429 Too Many Requests"))
row(PROXY, "CONNECT answered 502", "rrrrrr", answering("502 Bad Gateway"))
row(PROXY, "CONNECT answered in no HTTP", "rrrrrr", Way(lambda transport: transport.write(b"SSH-2.0-x\r\n\r\n")))
row(PROXY, "it hangs up on CONNECT", "rrrrrr", Way(lambda transport: transport.close()))
row(PROXY, "it resets the connection", "rrrrrr", Way(lambda transport: transport.abort()))
row(PROXY, "it never answers CONNECT", "rrrrrr", Way(lambda _: None))
row(PROXY, "it is down", "rrrrrr", Way(down=True))

CERTIFICATE = "The certificate is refused"
row(CERTIFICATE, "untrusted", "r", certificate(20, "unable to get local issuer certificate"))
row(CERTIFICATE, "expired", "r", certificate(10, "certificate has expired"))
row(CERTIFICATE, "for another name", "r", certificate(62, "Hostname mismatch"))

DNS = "The host's name is not found"
row(DNS, "DNS knows no address, nor is one known from before", "rrrrrr", Way())
