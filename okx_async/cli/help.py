"""The help of commands: plain text as wide as the terminal, in which no option is cut off."""

import shutil
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from typer.core import TyperCommand, TyperGroup

_MOST: Final = 80
"""Columns that are used of a wider terminal: longer lines are hard to read."""
_LEAST: Final = 20
_NARROW: Final = 64
"""Columns below which explanations stand under their options, not beside them."""


_OF_ALL: Final = frozenset({"--verbose", "-v", "--version"})
"""Options that stand before the command."""


class HelpCommand(TyperCommand):
    """A command whose help fits the terminal."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the options; one that belongs before the command is told so."""
        known = {name for parameter in self.params for name in (*parameter.opts, *parameter.secondary_opts)}
        given = args[: args.index("--")] if "--" in args else args
        for option in given if not ctx.resilient_parsing else ():
            if option in _OF_ALL - known:
                root = ctx.find_root().info_name
                command = ctx.command_path.removeprefix(f"{root} ")
                ctx.fail(f"{option} goes before the command: {root} {option} {command}")
        return super().parse_args(ctx, args)

    def get_help(self, ctx: Any) -> str:
        """Return the help."""
        return _help(self, ctx)


class HelpGroup(TyperGroup):
    """A group of commands whose help fits the terminal."""

    def get_help(self, ctx: Any) -> str:
        """Return the help."""
        return _help(self, ctx)


def one_of(*words: str) -> dict[str, Any]:
    """Return the arguments of an option that takes one of `words`: how help names them, and shells complete them."""
    return {"metavar": "|".join(words), "autocompletion": _completion(words)}


def _completion(words: tuple[str, ...]) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


def _help(command: TyperCommand | TyperGroup, ctx: Any) -> str:
    columns = shutil.get_terminal_size().columns
    ctx.terminal_width = max(_LEAST, min(columns, _MOST)) - 2
    formatter = ctx.make_formatter()
    if columns < _NARROW:
        formatter.write_dl = partial(formatter.write_dl, col_max=4)
    command.format_help(ctx, formatter)
    text: str = formatter.getvalue()
    return text.rstrip("\n")
