"""What is done when the process ends, after all that the program itself does then.

`atexit` calls first what was registered last, and a function of the program's may have positions to close. So the end
is registered when the package is imported, which is before what a program registers that imports it at its head.
"""

import atexit
from collections.abc import Callable
from typing import Final

_ACTS: Final[list[Callable[[], object]]] = []


def at_end(act: Callable[[], object]) -> None:
    """Have a function called when the process ends."""
    _ACTS.append(act)


def _end() -> None:
    for act in _ACTS:
        act()


atexit.register(_end)
