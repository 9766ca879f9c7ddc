"""Processes that are forked from one that has imported the command line already: most of a start is imports.

A `Nursery` is that process. It forks twice and its children are orphans at once, which this process adopts (as their
"subreaper"), so that `Popen` waits for them as for its own. Linux only; elsewhere each command is started anew.
"""

import ctypes
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from okx_async._limiter.registry import _Fork

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of <sys/prctl.h>
_LONGEST = 1 << 20
_CODE = "from tests.cli.warm import serve; serve({number})\nfrom okx_async.cli import main\nmain()"


class Nursery:
    """The process that commands are forked from."""

    def __init__(self) -> None:
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own code
                [sys.executable, "-W", "error", "-b", "-c", _CODE.format(number=theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def fork(self, args: list[str], env: Mapping[str, str], hang_up: int, fds: list[int]) -> int:
        """Start a command with these streams, and return its process id."""
        asked = json.dumps({"args": args, "env": dict(env), "cwd": str(Path.cwd()), "hang_up": hang_up}).encode()
        socket.send_fds(self._socket, [len(asked).to_bytes(4, "big") + asked], fds)
        return int.from_bytes(self._socket.recv(4), "big")

    def close(self) -> None:
        """End the process; commands that run go on."""
        self._socket.close()
        self._process.wait()


class WarmPopen(subprocess.Popen[str]):
    """A command of a nursery, with streams as `Popen` takes them."""

    def __init__(self, nursery: Nursery, args: list[str], env: Mapping[str, str], hang_up: int, **streams: Any) -> None:
        self._nursery = nursery
        self._hang_up = hang_up
        super().__init__(args, env=env, text=True, **streams)

    def _execute_child(
        self, *given: Any
    ) -> None:  # in place of fork and exec; the streams are the same in 3.11 to 3.14
        args, env = given[0], given[6]
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite = given[10:16]
        self.pid = self._nursery.fork(args, env, self._hang_up, [p2cread, c2pwrite, errwrite])
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
    """Import what commands need, and fork for each request; returns in the children, as a new process would begin."""
    for name in ("app", "flatten", "simulation", "trading"):
        import_module(f"okx_async.cli.{name}")
    line = socket.socket(fileno=number)
    while True:
        data, fds, _, _ = socket.recv_fds(line, _LONGEST, 3)
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


def _begin(asked: dict[str, Any], fds: list[int]) -> None:
    for number, one in enumerate(fds):
        os.dup2(one, number)
        os.close(one)
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
