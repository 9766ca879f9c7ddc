"""Sessions of a shell on the pages: what a page tells a shell to do is done here.

A `console` block is a session: what follows a "$" is run, and the lines below it must be printed, in this order. An
"…" stands for anything. The terminal that the command line asks at says yes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from okx_async.simulator import SimulatedExchange
from tests.desk import LIMIT, Desk
from tests.pages import HOW_TO, blocks

WITH_SESSIONS = (
    "../tutorial/first-close.md",
    "fastapi.md",
    pytest.param("go-live.md", marks=pytest.mark.long),
    "kill-switch.md",
    "loops.md",
    "many-processes.md",
    "sub-accounts.md",
    "unattended-flatten.md",
)
END = "@@ end of a command: "


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a session, and the lines that it prints according to the page."""

    text: str
    printed: list[str]


def commands(session: str) -> Iterator[Command]:
    """Yield the commands of a session."""
    for part in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        ends = next(nth for nth, line in enumerate(lines) if not line.endswith("\\"))
        yield Command("\n".join(lines[: ends + 1]), [line.strip() for line in lines[ends + 1 :] if line.strip()])


@pytest.mark.share(2)
@pytest.mark.timeout(2 * LIMIT)
@pytest.mark.parametrize("page", WITH_SESSIONS)
async def test_the_sessions_of_a_page_go_as_it_says(page: str, okx_async_program: Path, tmp_path: Path) -> None:
    session = list(commands("".join(blocks(HOW_TO / page, "console"))))
    assert session
    script = "".join(f"{command.text}\n(code=$?; echo '{END}'$code; exit $code)\n" for command in session)
    async with SimulatedExchange() as exchange:
        ended, printed = await Desk(tmp_path, exchange, okx_async_program).run("bash", "-c", script)
    parts = re.split(rf"^{END}(\d+)\n", printed, flags=re.MULTILINE)
    assert len(parts) == 2 * len(session) + 1, (ended, printed)
    for command, text, code in zip(session, parts[::2], parts[1::2], strict=False):
        assert code == "0", (command.text, text)
        rest = text
        for wanted in filter(None, (part for line in command.printed for part in line.split("…"))):
            before, found, rest = rest.partition(wanted)
            assert found == wanted, (command.text, wanted, before)
