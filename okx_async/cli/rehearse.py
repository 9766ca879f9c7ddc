"""The `rehearse` command: the plan and its cost, consent, the trials as they end, and the proof that nothing is left.

Live trading needs two flags, of which one names the account; the exchange's own word decides, not the flags.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import inf
from statistics import median
from typing import Any

from okx_async import Credentials, InvalidRequestError, OkxError
from okx_async._http.route import NetworkOptions
from okx_async._rest.rate_keys import check_user_id
from okx_async.cli.consent import Stopped, ask, no_terminal
from okx_async.cli.exits import ExitCode, check_written, emit, failure_record, say, say_error
from okx_async.cli.limits import command_limits
from okx_async.cli.recordings import recorder_for, save
from okx_async.cli.signals import Stop, interruptible, run
from okx_async.cli.target import Target
from okx_async.rehearsal.assumption import Assumption
from okx_async.rehearsal.assumptions import ASSUMPTIONS, BY_ID
from okx_async.rehearsal.exchanges import HttpExchange
from okx_async.rehearsal.options import Options
from okx_async.rehearsal.recording.recorder import Recorder
from okx_async.rehearsal.report import Report, Survey
from okx_async.rehearsal.results import TrialResult, Verdict
from okx_async.rehearsal.run import Rehearsal, StoppedError

_Callbacks = tuple[Callable[[Assumption], object], Callable[[TrialResult], object]]


@dataclass(frozen=True, slots=True)
class RehearseOptions:
    """The options of the command, beside those of every command that talks to an exchange."""

    live: bool
    live_uid: str | None
    inst_id: str | None
    ids: tuple[str, ...]
    deadline: float
    record: str | None = None
    """The file that a recording is written to."""

    def of(self, target: Target) -> Options:
        """Return the options of the rehearsal; raises InvalidRequestError for wrong ones."""
        if target.demo == self.live:
            raise InvalidRequestError(
                "give --demo, or --live with --live-uid UID, which trades with real money: one of the two, not both"
            )
        if self.live and self.live_uid is None:
            raise InvalidRequestError("--live trades with real money: name the account with --live-uid UID")
        if self.live_uid is not None:
            check_user_id(self.live_uid)
        if not 0 < self.deadline < inf:
            raise InvalidRequestError(f"--deadline must be a positive number of seconds, got {self.deadline:g}")
        target.check()
        given = target.arguments()
        return Options(
            demo=target.demo,
            live_uid=self.live_uid if self.live else None,
            region=target.region,
            base_url=target.base_url,
            counts_as=target.counts_as,
            inst_id=self.inst_id,
            ids=frozenset(self.ids) or None,
            deadline=self.deadline,
            connect_timeout=target.connect_timeout,
            timeout=target.timeout,
            network=NetworkOptions(*(given[name] for name in ("proxy", "ssl", "local_addr", "family"))),
        )


def rehearse(given: RehearseOptions, target: Target, *, yes: bool, as_json: bool) -> ExitCode:
    """Rehearse, and report."""
    stop = Stop()
    results: list[TrialResult] = []
    recorder: Recorder | None = None
    try:
        credentials = Credentials.from_env()
        options = given.of(target)
        limiter = command_limits()
        rehearsal = Rehearsal(credentials, options, limiter=limiter)
        if given.record is not None:
            recorder = recorder_for(given.record, credentials, target)
        ending: Report | Stopped | None = None
        if not yes:
            ending = no_terminal("rehearse")
        if ending is None and not yes:
            survey = run(rehearsal.survey(), stop)
            ending = _ask(survey, target, stop)
        if ending is None:
            with _progress(rehearsal, live=not as_json) as (on_trial, on_result):

                def keep(result: TrialResult) -> None:
                    results.append(result)
                    on_result(result)

                work = Rehearsal(
                    credentials,
                    options,
                    limiter=limiter,
                    observer=recorder or _unobserved,
                    on_trial=on_trial,
                    on_result=keep,
                )
                stop.gently = lambda: work.stop(stop.word)
                ending = run(work.run(), stop)
    except StoppedError:
        ending = Stopped(f"{stop.word}: nothing was opened", ExitCode.FAILED)
    except OkxError as error:
        return _failed(error, target, as_json=as_json)
    if ending is None:
        text = f"{stop.word}: what is open is not known; start it again: it first closes what this run has opened"
        ending = Stopped(text, ExitCode.UNKNOWN)
    code = _ended(ending, results, target, as_json=as_json)
    begun = isinstance(ending, Report) or bool(results)
    if (
        recorder is not None
        and given.record is not None
        and begun
        and not _saved(recorder, results, given.record, stop)
    ):
        return code or ExitCode.FAILED
    return code


def _saved(recorder: Recorder, results: list[TrialResult], path: str, stop: Stop) -> bool:
    """Write the recording, which takes a while, and what is left open is told already: a second signal gives it up."""
    try:
        with interruptible(stop, at_once=False):
            return save(recorder, results, path)
    except KeyboardInterrupt:
        say(f"{stop.word}: the recording was not written")
        return False


def _unobserved(_exchange: HttpExchange) -> None:
    pass


def list_assumptions(*, as_json: bool) -> ExitCode:
    """Print the register of assumptions."""
    if as_json:
        emit({"assumptions": [_assumption(one) for one in ASSUMPTIONS]})
        return ExitCode.DONE
    from okx_async.cli.rehearse_page import print_assumptions  # noqa: PLC0415 - not for JSON

    print_assumptions(ASSUMPTIONS)
    return ExitCode.DONE


def _progress(rehearsal: Rehearsal, *, live: bool) -> AbstractContextManager[_Callbacks]:
    if not live:
        return nullcontext((bool, bool))
    from okx_async.cli.rehearse_page import progress  # noqa: PLC0415 - not for JSON

    return progress(len(rehearsal.plan.assumptions))


def _ask(survey: Survey | None, target: Target, stop: Stop) -> Stopped | None:
    """Show the plan and ask for consent; return None for consent, else the end of the command."""
    if survey is None:
        return Stopped(f"{stop.word}: nothing was opened", ExitCode.FAILED)
    say("To be tried:")
    for line in survey.plan.lines(survey.instrument):
        say(f"  {line}")
    mode = "long/short mode" if survey.account.two_sided else "net mode"
    say(f"  account  {survey.account.user_id}, {mode}\n  where    {target.description()}")
    if survey.left_behind:
        say(f"  first    what an earlier rehearsal has left is closed ({survey.left_behind} openings are noted)")
    return ask("Rehearse?", stop)


def _failed(error: OkxError, target: Target, *, as_json: bool) -> ExitCode:
    """Report what came before anything was opened."""
    say_error(error)
    code = ExitCode.USAGE if isinstance(error, InvalidRequestError) else ExitCode.FAILED
    if hint := target.doctor_hint(error):
        say(hint)
    if as_json and code is not ExitCode.USAGE:
        emit({"flat": None, "results": []} | failure_record(error) | {"outcome": "nothing_opened"})
    return code


def _ended(ending: Report | Stopped, results: list[TrialResult], target: Target, *, as_json: bool) -> ExitCode:
    """Print the report, as text or as one record, and the next steps."""
    if isinstance(ending, Stopped):
        say(ending.text)
        if ending.code is ExitCode.UNKNOWN:
            say(f"see what is left: {target.positions_command()}")
        if as_json and ending.code is not ExitCode.USAGE:
            record: dict[str, Any] = {"flat": None, "results": [_result(one) for one in results]}
            emit(record | {"outcome": "stopped", "error": "Stopped", "text": ending.text.strip()})
        return ending.code
    code = _code(ending)
    if as_json:
        emit(_record(ending))
    else:
        from okx_async.cli.rehearse_page import print_report  # noqa: PLC0415 - not for JSON

        print_report(ending)
        check_written("the results were")
    if not ending.left.flat:
        inst_ids = (ending.inst_id,) if ending.inst_id else ()
        say(f"see what is left: {target.positions_command(*inst_ids)}")
        if inst_ids:  # without an instrument it would be everything
            say(f"close it, after a question: {target.flatten_command(*inst_ids)}")
        if ending.left.again:
            say("or start the rehearsal again: it first closes what is certainly its own")
        else:
            say("another start leaves it as it is: close it yourself")
        if ending.left.ledger:
            say(f"once nothing of the rehearsal is open, delete its notes: {ending.left.ledger}")
    return code


def _code(report: Report) -> ExitCode:
    if not (report.left.flat or report.left.certain):
        return ExitCode.UNKNOWN
    return ExitCode.DONE if report else ExitCode.FAILED


def round_trips(report: Report) -> dict[str, float]:
    """Return the shortest, the middle and the longest round trip, in seconds; nothing if there was none."""
    trips = report.round_trips
    return {"least_s": trips[0], "median_s": median(trips), "most_s": trips[-1]} if trips else {}


def _record(report: Report) -> dict[str, Any]:
    counts = Counter(result.verdict.value for result in report.results)
    return {
        "outcome": "unknown" if _code(report) is ExitCode.UNKNOWN else "known",
        "environment": report.environment,
        "inst_id": report.inst_id,
        "flat": report.left.flat,
        "left": list(report.left.words),
        "found": None if report.found is None else {"closed": report.found.closed, "words": list(report.found.words)},
        "stopped": report.stopped,
        "counts": {verdict.value: counts[verdict.value] for verdict in Verdict},
        "results": [_result(one) for one in report.results],
        "round_trips": {name: round(seconds, 6) for name, seconds in round_trips(report).items()},
        "seconds": report.seconds,
    }


def _result(result: TrialResult) -> dict[str, Any]:
    return _assumption(BY_ID[result.id]) | {
        "verdict": result.verdict.value,
        "evidence": result.evidence,
        "observed": dict(result.observed),
        "seconds": result.seconds,
    }


def _assumption(one: Assumption) -> dict[str, Any]:
    return {
        "id": one.id,
        "statement": one.statement,
        "how": one.how,
        "rests": list(one.rests),
        "sure": one.sure,
        "danger": one.danger.words,
    }
