"""Recordings on the command line: one of a rehearsal is written, or one of a file is held against the simulator."""

import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from okx_async import Credentials, InvalidRequestError
from okx_async._http.proxy import read_proxy
from okx_async._rest.responses import one_line
from okx_async.cli.exits import ExitCode, emit, say, show
from okx_async.cli.target import Target
from okx_async.rehearsal.recording.differences import Difference
from okx_async.rehearsal.recording.document import read_recording
from okx_async.rehearsal.recording.recorder import Recorder, write_recording
from okx_async.rehearsal.recording.replay import replay
from okx_async.rehearsal.recording.settle import settle
from okx_async.rehearsal.results import TrialResult
from okx_async.simulator import RecordingError
from okx_async.simulator.recorded import settings_section


def recorder_for(path: str, credentials: Credentials, target: Target) -> Recorder:
    """Return what takes a rehearsal down.

    Raises:
        InvalidRequestError: If the file could not be written in the end, or the credentials cannot be searched for.
    """
    if why := _unfit(path):
        raise InvalidRequestError(f"--record: {path} {why}")
    proxy = read_proxy(target.proxy, target.url())
    try:
        return Recorder(credentials, *(() if proxy is None else proxy.secrets))
    except RecordingError as error:
        raise InvalidRequestError(f"--record: {error}") from None


def _unfit(path: str) -> str:
    """Return why a recording cannot be written to a path; "": it can. What is no regular file stays what it is."""
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return "is no regular file: name a new one"
    return "" if os.access(Path(path).parent, os.W_OK | os.X_OK) else "cannot be written"


def save(recorder: Recorder, results: Sequence[TrialResult], path: str) -> bool:
    """Write the recording, and say so; return whether it was written."""
    say("finding out what the recording settles, for some seconds")
    if why := _unfit(path):  # by now
        say(f"error: the recording was not written: {path} {why}")
        return False
    try:
        write_recording(settle(recorder.recording(results)), path)
    except (OSError, RecordingError) as error:
        say(f"error: the recording was not written: {error}")
        return False
    say(f"recorded: {path}, without keys, user id and addresses")
    return True


def replay_file(path: str, *, as_json: bool) -> ExitCode:
    """Run the simulated exchange against a recording; exit 1 if there is a difference, 2 if the file is none."""
    try:
        recording = read_recording(path)
        if not recording.entries:
            say(f"error: {path} has no requests: there is nothing to be held against the simulated exchange")
            return ExitCode.USAGE
        usual, settled = replay(recording), replay(recording, recording.settings)
    except OSError as error:
        say(f"error: {path}: {error.strerror or error}")
        return ExitCode.USAGE
    except RecordingError as error:
        say(f"error: {one_line(str(error))}")
        return ExitCode.USAGE
    code = ExitCode.FAILED if usual.differences else ExitCode.DONE
    settings = settings_section(recording.settings)
    if as_json:
        emit(
            {
                "by": recording.by,
                "compared": usual.compared,
                "left_out": usual.left_out,
                "differences": [_record(each) for each in usual.differences],
                "settings": settings,
                "unexplained": [_record(each) for each in settled.differences],
            }
        )
        return code
    show(f"{usual.compared} requests compared with the simulated exchange, {usual.left_out} without an answer left out")
    _print(usual.differences)
    if settings and usual.differences:
        show("with the settings of the recording (SimulatedExchange.from_recording):")
        _print(settled.differences)
    return code


def _print(differences: Iterable[Difference]) -> None:
    by_assumption: dict[str, list[Difference]] = {}
    for difference in differences:
        by_assumption.setdefault(difference.assumption, []).append(difference)
    if not by_assumption:
        show("no difference")
    for assumption, those in by_assumption.items():
        show(one_line(assumption) or "(no assumption)")
        for each in those:
            show(f"  {one_line(str(each))}")  # a stranger's file may hold what drives a terminal


def _record(difference: Difference) -> dict[str, Any]:
    return {
        "assumption": difference.assumption,
        "kind": difference.kind.value,
        "where": difference.where,
        "recorded": difference.recorded,
        "simulated": difference.simulated,
        "requests": list(difference.requests),
    }
