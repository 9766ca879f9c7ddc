"""Checks without a network: this Python, the installed packages, and the keys in the environment."""

import os
import platform
import re
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from aiohttp import http_parser

from okx_async._credentials import Credentials
from okx_async._errors import InvalidRequestError
from okx_async._http.certificates import useless_file
from okx_async.doctor.clash import OURS, clash
from okx_async.doctor.finding import Finding, Level

_SPARE_FILES = 64
"""Rough number of open files that a program needs beside its connections."""
_QUOTED = re.compile(r"""(["'])[^"']+\1""")
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)[^;]*>=(?P<least>[\d.]+)")


def examine_machine(*, max_connections: int = 256) -> list[Finding]:
    """Return findings on Python, the packages installed, their compiled parts and the limit of open files.

    Args:
        max_connections: as Client is given it, compared with the limit of open files.
    """
    return [
        Finding("python", Level.OK, f"{platform.python_implementation()} {platform.python_version()}, {_system()}"),
        *_packages(),
        *_certificates(),
        *clash(sys.path, Path(__file__).parent.parent),
        _compiled(pure=http_parser.HttpResponseParser is http_parser.HttpResponseParserPy),
        _uvloop(),
        _open_files(_files_limit(), max_connections),
    ]


def examine_keys() -> tuple[Credentials | None, Finding]:
    """Return the API key from the environment (None without a usable one), and the finding about it."""
    names = ("OKX_API_KEY", "OKX_SECRET_KEY", "OKX_PASSPHRASE")
    missing = [name for name in names if not os.environ.get(name)]
    if missing == list(names):
        text = f"none in the environment ({', '.join(names)})"
        return None, Finding("keys", Level.WARN, text, "set the three; the account cannot be looked at without them")
    try:
        credentials = Credentials.from_env()
    except InvalidRequestError as error:
        return None, Finding("keys", Level.FAIL, str(error), "set all three, exactly as OKX gave them")
    if quoted := [name for name in names if _QUOTED.fullmatch(os.environ[name])]:
        text = f"{', '.join(quoted)} in quotes, which count as a part of it (none is shown)"
        return credentials, Finding("keys", Level.WARN, text, "leave them out: a file for docker --env-file takes none")
    return credentials, Finding("keys", Level.OK, f"{', '.join(names)} are set (not shown)")


def _system() -> str:
    supported = platform.system() in {"Linux", "Darwin"}
    return f"{platform.system()} {platform.machine()}{'' if supported else ' (best effort: not tested there)'}"


def _packages() -> Iterable[Finding]:
    try:
        ours, wanted = version(OURS), requires(OURS) or []
    except PackageNotFoundError:
        yield Finding(
            "packages",
            Level.WARN,
            f"{OURS} is on the path, but not installed: what it needs cannot be compared",
            f"install it: pip install {OURS}",
        )
        return
    yield Finding("okx-async", Level.OK, ours)
    for line in wanted:
        found = _REQUIREMENT.match(line)
        if found is not None and ";" not in line:  # extras report their missing packages themselves
            yield _package(found["name"], version(found["name"]), found["least"])


def _package(name: str, have: str, least: str) -> Finding:
    if _numbers(have) >= _numbers(least):
        return Finding(name, Level.OK, have)
    return Finding(name, Level.FAIL, f"{have} is older than {least}", f"pip install '{name}>={least}'")


def _numbers(text: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: 3.13.0rc1 is 3.13.0 here."""
    return tuple(int(number) for number in re.findall(r"\d+", re.split(r"[^\d.]", text)[0]))


def _compiled(*, pure: bool) -> Finding:
    if not pure:
        return Finding("aiohttp parser", Level.OK, "compiled")
    return Finding(
        "aiohttp parser",
        Level.WARN,
        "plain Python: every answer takes several times as long to read",
        "install a wheel of aiohttp for this platform, and leave AIOHTTP_NO_EXTENSIONS unset",
    )


def _certificates() -> Iterable[Finding]:
    if useless := useless_file():
        yield Finding(
            "certificates",
            Level.WARN,
            f"SSL_CERT_FILE={os.environ['SSL_CERT_FILE']}: {useless}",
            "name a file of certificates in PEM form, or unset it to trust this system's",
        )


def _uvloop() -> Finding:
    try:
        have = version("uvloop")
    except PackageNotFoundError:
        return Finding("uvloop", Level.OK, "not installed, and not needed")
    return Finding("uvloop", Level.OK, f"{have}: usable")


def _files_limit() -> int | None:
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ModuleNotFoundError:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def _open_files(limit: int | None, max_connections: int) -> Finding:
    needed = max_connections + _SPARE_FILES
    if limit is None:
        return Finding("open files", Level.OK, "no limit")
    if limit >= needed:
        return Finding("open files", Level.OK, f"{limit} allowed, {max_connections} connections wanted")
    return Finding(
        "open files",
        Level.WARN,
        f"{limit} allowed, {max_connections} connections wanted: closes may find no socket",
        f"ulimit -n {max(1024, needed)}, or a lower max_connections=",
    )
