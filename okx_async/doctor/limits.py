"""Where the limits are kept, and who else uses them."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Final

from okx_async._calls.default_source import VARIABLE
from okx_async._errors import InvalidRequestError
from okx_async.doctor.finding import Finding, Level
from okx_async.stores._sqlite.places import check_makeable
from okx_async.stores.epoch import MEANWHILE, Epoch, check_terms
from okx_async.stores.lease import Terms
from okx_async.stores.reports import ServerReport, StoreReport, try_out
from okx_async.stores.store import StoreError
from okx_async.stores.urls import report_of, store_of

_NAME: Final = "limits"
_JUMP: Final = 0.002
"""Seconds: a quarter of a second at 500 ppm is a tenth of a millisecond."""
UNUSED: Final = "no program has used it since it was started or emptied, so the first one waits for some 15 s"
_SHOWN: Final = 5
"""Process ids in a line at most."""
_KEEPS: Final = {"noeviction", "?"}
"""What a server does when memory is short that loses no limits; not every server tells."""


def examine_limits() -> Finding:
    """Return the finding about OKX_LIMITS, or about the file that the command line uses without it."""
    url = os.environ.get(VARIABLE, "")
    try:
        store = store_of(url or "sqlite:")
        if store is None:
            text = f"{VARIABLE}={url}: of each process alone; programs of one account do not see each other"
            return Finding(_NAME, Level.WARN, text, f"unset {VARIABLE}, or set it to sqlite: for all of them")
        found, terms = report_of(store), store.options.terms
        if isinstance(store.place, Path):
            try_out(store.place, terms) if store.place.exists() else check_makeable(store.place)
    except (InvalidRequestError, StoreError) as error:
        if url:
            return unusable_limits(error)
        return Finding(_NAME, Level.WARN, f"{error}: this command line has limits of its own", f"set {VARIABLE}")
    if found.server is not None and (words := other_terms(found, terms)):
        return unusable_limits(InvalidRequestError(f"{found.path}: {words}"))
    return _judged(url, found)


def unusable_limits(error: Exception) -> Finding:
    """Return the finding of limits that cannot be used, by the error that they end in."""
    text = str(error)
    meanwhile = "" if MEANWHILE in text else f"; until then {MEANWHILE}"
    return Finding(
        _NAME, Level.FAIL, text, f"see to it that it can be used, or set {VARIABLE} to another place{meanwhile}"
    )


def _judged(url: str, found: StoreReport) -> Finding:
    """Return what is to be said of limits that can be read."""
    if found.server is not None:  # its URL may hold a password
        text = f"{VARIABLE} names {found.path} ({server_words(found.server)}), {_state(found)}"
        problems = server_problems(found.server)
    else:
        words = f"{VARIABLE}={url}" if url else f"{VARIABLE} is not set: the command line uses"
        text, problems = f"{words} {found.path}, {_state(found)}", []
    if problems and (problems[0][0] is Level.FAIL or not (found.paused or is_unused(found))):
        level, _, remedy = problems[0]
        return Finding(_NAME, level, "; ".join([text, *(words for _, words, _ in problems)]), remedy)
    if found.paused:
        remedy = "wait; or, if no program of this account ran lately: okx-async limits --vouch"
        return Finding(_NAME, Level.WARN, f"{text}; it was lost and grants nothing for {found.paused:.1f} s", remedy)
    if is_unused(found):
        remedy = "if no program of this account ran lately: okx-async limits --vouch"
        return Finding(_NAME, Level.WARN, f"{text}; {UNUSED}", remedy)
    if not url:
        return Finding(_NAME, Level.OK, f"{text}; a program shares it with {VARIABLE}=sqlite:")
    return Finding(_NAME, Level.OK, text)


def is_unused(found: StoreReport) -> bool:
    """Return whether limits are those of a server whose memory is empty: it may have been lost."""
    return found.server is not None and not found.age


def keys_in_use(found: StoreReport) -> str:
    """Return how many keys are in use, in words."""
    count = len(found.keys)
    return f"{count} key{'s' * (count != 1)} in use"


def server_problems(server: ServerReport) -> list[tuple[Level, str, str]]:
    """Return what is wrong with a server, the worst first: how bad, what it is, and the remedy."""
    found = []
    if server.multiplexed:
        words = "a proxy puts several clients on one connection, so that a restart of the server cannot be seen"
        found.append((Level.FAIL, words, "name the server itself"))
    if server.refuses:
        words = f"it refuses what is written to it, so it grants nothing: {server.refuses}"
        remedy = f"see to it that it can be written to, with a larger maxmemory if it is full; until then {MEANWHILE}"
        found.append((Level.FAIL, words, remedy))
    if server.jump > _JUMP:
        words = f"its clock moved by {server.jump:.3f} s beside this host's while it was looked at"
        found.append((Level.WARN, words, "have it slewed, by 500 ppm at most, and never set"))
    if server.replicas and not server.wary:
        words = "if the network splits, it and a replica that took over grant slots beside each other"
        remedy = "set min-replicas-to-write 1, and min-replicas-max-lag to the time after which a replica takes over"
        found.append((Level.WARN, words, remedy))
    if server.policy not in _KEEPS:  # with a maxmemory it is refused
        words = f"by its maxmemory-policy {server.policy} it forgets limits that are in use once a maxmemory is set"
        found.append((Level.WARN, words, "set maxmemory-policy noeviction"))
    found += [
        (
            Level.WARN,
            words,
            "give each a server of its own, or to all programs of an account one database and prefix (?prefix=desk)",
        )
        for words in server.doubts
    ]
    return found


def other_terms(found: StoreReport, own: Terms) -> str:
    """Return what bars the commands, which have `own` terms, from limits whose programs have others, or ""."""
    for terms in found.terms:
        try:
            check_terms(Epoch("", 0.0, terms), own)
        except InvalidRequestError as error:
            return str(error)
    return ""


def terms_words(found: StoreReport) -> str:
    """Return the terms that the programs of a store have agreed upon, "" if none has entered."""
    return " or ".join(
        ", ".join(f"{name} {value:g} s" for name, value in asdict(terms).items() if value or name != "rtt_floor")
        for terms in found.terms
    )


def server_words(server: ServerReport) -> str:
    """Return what a server says of itself."""
    kept = "kept on disk" if server.persistent else "not kept on disk"
    return (
        f"{server.version}, {server.round_trip * 1000:.1f} ms away, {server.policy}, {kept}, {server.replicas} replicas"
    )


def _state(found: StoreReport) -> str:
    others = sorted(
        {process for key in found.keys for process in {*key.holders, *key.waiters}},
        key=lambda process: (len(process), process),
    )
    terms = f", {words}" if (words := terms_words(found)) else ""
    if not found.keys:
        return f"no key in use{terms}"
    who = ", ".join(others[:_SHOWN]) + (f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else "")
    return f"{keys_in_use(found)}{f', by processes {who}' if who else ''}, kept for {found.age:.0f} s{terms}"
