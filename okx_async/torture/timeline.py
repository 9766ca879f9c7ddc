"""The readable timeline of a history: calls, arrivals, answers and results in order."""

from collections.abc import Iterable

from okx_async.torture.evidence import Evidence

Note = tuple[float, str]


def timeline(evidence: Evidence, notes: Iterable[Note]) -> tuple[Note, ...]:
    """Return the notes and journal rows of a history by time, in seconds since its beginning."""
    rate, start = evidence.plan.exchange.rate, evidence.start
    lines = [(at - start, text) for at, text in notes]
    for row in evidence.journal:
        what = row.cl_ord_id or row.path
        answer = f"answered {row.code or 'nothing'} {row.status or 'and cut'}"
        more = f"{', executed' * row.executed}{f', fault {row.fault}' * bool(row.fault)}"
        at = (row.at - start) / rate
        lines.append((at, f"{what} ARRIVED at the exchange ({row.at - start:.6f} of its clock): {answer}{more}"))
    lines.sort(key=lambda line: line[0])
    return tuple(lines)
