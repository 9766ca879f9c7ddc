"""docs/reference/cli.md agrees with --help; `python tests/cli/test_reference.py` writes it."""

from pathlib import Path
from typing import Any

import typer

from okx_async.cli.app import app

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "cli.md"
MARK = "<!-- From here on as --help says it; python tests/cli/test_reference.py writes it. -->"


def default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    if getattr(parameter, "is_flag", False):  # an argument is none
        return parameter.opts[0] if parameter.secondary_opts and parameter.default else ""
    return "" if parameter.default is None else str(parameter.default)


def row(parameter: Any) -> str:
    names = "/".join(parameter.opts + parameter.secondary_opts)
    if parameter.param_type_name == "argument":
        names = parameter.metavar
    elif parameter.metavar:
        names = f"{names} {parameter.metavar}"
    return f"| `{names.replace('|', '/')}` | {parameter.help} | {default(parameter)} |"


def section(name: str, command: Any) -> str:
    words = [" ".join(paragraph.split()) for paragraph in command.help.split("\n\n")]
    rows = [row(parameter) for parameter in command.params if parameter.name != "help"]
    return "\n".join(
        [f"## {name}", "", *"\n\n".join(words).split("\n"), "", "| | | default |", "|---|---|---|", *rows, ""]
    )


def sections(group: Any, before: str = "") -> list[str]:
    found = []
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            words = [" ".join(paragraph.split()) for paragraph in command.help.split("\n\n")]
            found += ["\n".join([f"## {before}{name}", "", "\n\n".join(words), ""])]
            found += sections(command, f"{before}{name} ")
        else:
            found.append(section(f"{before}{name}", command))
    return found


def reference() -> str:
    return "\n".join(sections(typer.main.get_command(app)))


def test_the_page_says_what_help_says() -> None:
    assert PAGE.read_text().partition(MARK)[2].strip() == reference().strip()


if __name__ == "__main__":
    PAGE.write_text(f"{PAGE.read_text().partition(MARK)[0]}{MARK}\n\n{reference()}")
