"""Where and what to rehearse."""

from dataclasses import dataclass, field
from pathlib import Path

from okx_async._http.route import NetworkOptions


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a rehearsal; the defaults are those of demo trading."""

    demo: bool = True
    live_uid: str | None = None
    """Of live trading, the user id of the account that may be traded on."""
    region: str = "global"
    base_url: str | None = None
    counts_as: str | None = None
    inst_id: str | None = None
    """The instrument to trade; None: one that is liquid and on which the account has nothing."""
    ids: frozenset[str] | None = None
    """The assumptions to try; None: all."""
    deadline: float = 300.0
    """Seconds after which no further trial begins; what is open then is closed all the same."""
    connect_timeout: float = 2.0
    timeout: float = 5.0
    network: NetworkOptions = field(default_factory=NetworkOptions)
    folder: Path | None = None
    """Where the ledger is kept; None: in this user's folder."""
    other_base_url: str | None = None
    """A second name of the host; None: the one that is known, if any."""
