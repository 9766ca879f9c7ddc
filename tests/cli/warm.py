"""Processes that are forked from one that has imported the command line already: most of a start is imports.

A `Nursery` is that process. It forks twice and its children are orphans at once, which this process adopts (as their
"subreaper"), so that `Popen` waits for them as for its own. Linux only; elsewhere each command is started anew, and
so are some here: the first and the last moments of an interpreter are not those of such a process.
"""

import atexit
import ctypes
import fcntl
import gc
import json
import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from okx_async import cli
from okx_async._limiter.registry import _Fork

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of <sys/prctl.h>
_LONGEST = 1 << 20
COMMANDS = """
import gc
gc.disable()  # nothing of what is imported is garbage
from tests.cli.warm import end_with, import_all, serve
import_all()
serve({number})
from okx_async.cli import main
end_with(main)
"""
PYTEST = """
import gc
gc.disable()
import sys, pytest, aiohttp.web, okx_async.simulator
from tests.cli.warm import end_with, serve
serve({number})
end_with(lambda: sys.exit(int(pytest.main())))
"""
_NAMES = [
    *(f"okx_async.cli.{path.stem}" for path in sorted(Path(cli.__file__).parent.glob("[a-z]*.py"))),
    *("encodings.idna", "uvloop", "zoneinfo"),
    *(f"rich.{name}" for name in ("ansi", "console", "file_proxy", "live", "live_render", "markup", "table")),
]
"""What commands import, as far as it is there."""


_PROGRAM = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as line:
    line.connect({address!r})
    socket.send_fds(line, [json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()], [0, 1, 2])
    sys.exit(line.recv(1)[0])
"""


class Nursery:
    """The process that others are forked from.

    Args:
        code: What it runs.
        options: The interpreter's options.
    """

    def __init__(self, code: str = COMMANDS, options: Sequence[str] = ("-W", "error", "-b")) -> None:
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
        self._socket, theirs = socket.socketpair()
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own code
                [sys.executable, *options, "-c", code.format(number=theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                # aiohttp reads all certificates of the system when it is imported; commands get an environment anew.
                env={**os.environ, "SSL_CERT_FILE": os.devnull},
            )

    def fork(self, args: list[str], env: Mapping[str, str], fds: list[int], **options: Any) -> int:
        """Start a command with these streams, and return its process id."""
        asked = json.dumps({"args": args, "env": dict(env), "cwd": str(Path.cwd()), **options}).encode()
        with self._lock:
            socket.send_fds(self._socket, [len(asked).to_bytes(4, "big") + asked], fds)
            return int.from_bytes(self._socket.recv(4), "big")

    def close(self) -> None:
        """End the process; commands that run go on."""
        self._socket.close()
        self._process.wait()


@contextmanager
def program(nursery: Nursery | None, path: Path) -> Iterator[None]:
    """Have an executable file run commands of the nursery, for shells; without one it starts each anew."""
    if nursery is None:
        path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -b -m okx_async.cli "$@"\n')
        path.chmod(0o755)
        yield
        return
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("")  # a name of the system's choice, which is no file
        listening.listen()
        path.write_text(_PROGRAM.format(python=sys.executable, address=listening.getsockname()))
        path.chmod(0o755)
        thread = threading.Thread(target=_serve_programs, args=(nursery, listening))
        thread.start()
        try:
            yield
        finally:
            listening.shutdown(socket.SHUT_RD)
            thread.join()


def _serve_programs(nursery: Nursery, listening: socket.socket) -> None:
    running = []
    while True:
        try:
            line, _ = listening.accept()
        except OSError:  # it was shut down
            break
        running.append(threading.Thread(target=_serve_program, args=(nursery, line)))
        running[-1].start()
    for thread in running:
        thread.join()


def _serve_program(nursery: Nursery, line: socket.socket) -> None:
    with line:
        data, fds, _, _ = socket.recv_fds(line, _LONGEST, 3)
        args, env, cwd = json.loads(data)
        pid = nursery.fork(args, env, fds, cwd=cwd, hang_up=signal.SIG_DFL, before="")
        for one in fds:
            os.close(one)
        _, status = os.waitpid(pid, 0)
        line.sendall(bytes([os.waitstatus_to_exitcode(status) & 0xFF]))


class WarmPopen(subprocess.Popen[str]):
    """A command of a nursery, with streams as `Popen` takes them.

    Args:
        nursery: The process to fork.
        args: The words after the command's name.
        env: Its environment.
        hang_up: What it does with SIGHUP at first.
        terminal: The terminal to control it, in a session of its own; by default it stays in this one.
        before: Python to run first.
        streams: Its stdin, stdout and stderr; none may be None.
    """

    def __init__(
        self,
        nursery: Nursery,
        args: list[str],
        env: Mapping[str, str],
        *,
        hang_up: int,
        terminal: int | None,
        before: str,
        **streams: Any,
    ) -> None:
        self._nursery = nursery
        self._terminal = [] if terminal is None else [terminal]
        self._options = {"hang_up": hang_up, "before": before}
        super().__init__(args, env=env, text=True, **streams)

    def _execute_child(
        self, *given: Any
    ) -> None:  # in place of fork and exec; the streams are the same in 3.11 to 3.14
        args, env = given[0], given[6]
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite = given[10:16]
        fds = [p2cread, c2pwrite, errwrite, *self._terminal]
        self.pid = self._nursery.fork(args, env, fds, **self._options)
        # What the caller did not ask for is -1, and cannot be sent: commands have all three streams.
        self._child_created = True
        devnull = getattr(self, "_devnull", None)
        for theirs, ours in ((p2cread, p2cwrite), (c2pwrite, c2pread), (errwrite, errread)):
            if -1 not in {ours, theirs} and theirs != devnull:
                os.close(theirs)
        if devnull is not None:
            os.close(devnull)
        self._closed_child_pipe_fds = True


def serve(number: int) -> None:
    """Fork for each request; returns in the children, as a new process would begin."""
    gc.collect()
    gc.freeze()  # else each child would look at all of it when it ends
    gc.enable()
    line = socket.socket(fileno=number)
    while True:
        data, fds, _, _ = socket.recv_fds(line, _LONGEST, 4)
        if not data:
            os._exit(0)
        size = int.from_bytes(data[:4], "big")
        while len(data) < size + 4:
            data += line.recv(_LONGEST)
        told, tells = os.pipe()
        middle = os.fork()
        if middle == 0:
            child = os.fork()
            if child == 0:
                line.close()
                os.close(told)
                os.close(tells)
                _begin(json.loads(data[4:]), fds)
                return
            os.write(tells, child.to_bytes(4, "big"))
            os._exit(0)
        os.waitpid(middle, 0)  # the child is an orphan now
        line.sendall(os.read(told, 4))
        for one in (told, tells, *fds):
            os.close(one)


def end_with(main: Callable[[], None]) -> None:
    """End the process as `main` ends, after what ends with a process, but without taking every module to pieces.

    That would be two thirds of a short command's time. What cannot be written at the end is left to the interpreter.
    """
    try:
        main()
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        inner: Any = threading  # there are no public names for these
        inner._shutdown()
        atexit._run_exitfuncs()
        gc.collect()  # what was never closed is told
        for stream in filter(None, (sys.stdout, sys.stderr)):
            try:
                stream.flush()
            except (OSError, ValueError):
                raise end from None
        os._exit((end.code or 0) & 0xFF)


def import_all() -> None:
    """Import what commands need."""
    for name in _NAMES:
        with suppress(ModuleNotFoundError):
            import_module(name)
    once = typer.Typer()
    once.command()(_typed)
    once([], standalone_mode=False)
    # Commands are made from signatures, of all commands for each process: a third of a short one's time.
    inner: Any = typer.main
    inner.get_command = cache(inner.get_command)
    inner.get_command(import_module("okx_async.cli.app").app)


def _typed(number: int = 0) -> None:
    """Have typer import what it needs for a number."""


def _begin(asked: dict[str, Any], fds: list[int]) -> None:
    for number, one in enumerate(fds[:3]):
        os.dup2(one, number)
        os.close(one)
    for terminal in fds[3:]:
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        os.close(terminal)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.argv[:] = ["okx-async", *asked["args"]]
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        errors = "backslashreplace" if name == "stderr" else "strict"
        lines = 1 if name == "stderr" or os.isatty(number) else -1
        stream = open(number, mode, lines, encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115 - of a process
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    random.seed()
    _Fork.to_be_told = False  # the parent sends nothing
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, asked["hang_up"])
    exec(asked["before"], {})  # noqa: S102 - our own
