"""The command line as a whole: what stands before the name of a command.

typer's options for shell completion ask the processes above for the shell. Here they take its name, too.
"""

from typing import Any, Final

from typer.completion import install_callback, show_callback

from okx_async.cli.help import HelpGroup

_SHELLS: Final = ("bash", "zsh", "fish", "powershell", "pwsh")
_COMPLETION: Final = {"--install-completion": install_callback, "--show-completion": show_callback}


class RootGroup(HelpGroup):
    """The group of all commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what stands before the command; a shell after an option for completion is the option's."""
        option, _, joined = args[0].partition("=") if args else ("", "", "")
        shells = [joined] if joined else args[1:]
        if option in _COMPLETION and shells and not ctx.resilient_parsing:
            if len(shells) > 1 or shells[0] not in _SHELLS:
                ctx.fail(f"{option} takes one of {', '.join(_SHELLS)}, got {' '.join(shells)!r}")
            _COMPLETION[option](ctx, self.params[0], shells[0])  # ends the process
        return super().parse_args(ctx, args)
