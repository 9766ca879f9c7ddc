"""The package's logger: what a program's filters and handlers raise ends no call of this library.

Log calls stand where outcomes are told. The logging module catches what a handler raises while it writes, and nothing
else: not a filter's errors, and not those of a handler that has an `emit` of its own.
"""

import logging
import sys
import traceback
from contextlib import suppress
from logging import DEBUG, ERROR, WARNING
from typing import Final

__all__ = ["DEBUG", "ERROR", "WARNING", "logger"]


class QuietLogger:
    """Logs as `logging.Logger` does, and raises nothing but KeyboardInterrupt and SystemExit.

    What filters and handlers raise is told on stderr, as `logging.raiseExceptions` says.

    Args:
        name: The logger's name.
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    @property
    def shows_debug(self) -> bool:
        """Whether a message of the lowest level would be looked at."""
        return self._logger.isEnabledFor(DEBUG)

    def debug(self, text: str, *args: object) -> None:
        """Log for the search of errors."""
        self._log(DEBUG, text, args)

    def warning(self, text: str, *args: object, exc_info: bool = False) -> None:
        """Log what a user should know."""
        self._log(WARNING, text, args, exc_info=exc_info)

    def error(self, text: str, *args: object) -> None:
        """Log what a user should mend."""
        self._log(ERROR, text, args)

    def exception(self, text: str, *args: object) -> None:
        """Log an error with the exception that is being handled."""
        self._log(ERROR, text, args, exc_info=True)

    def log(self, level: int, text: str, *args: object) -> None:
        """Log at a level: `DEBUG`, `WARNING` or `ERROR`."""
        self._log(level, text, args)

    def _log(self, level: int, text: str, args: tuple[object, ...], *, exc_info: bool = False) -> None:
        try:
            self._logger.log(level, text, *args, exc_info=exc_info, stacklevel=3)  # the module that called
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001 - a program's filters and handlers may raise anything
            if logging.raiseExceptions and sys.stderr is not None:
                with suppress(Exception):  # of a stderr that is closed, say
                    traceback.print_exc(chain=False)


logger: Final = QuietLogger("okx_async")
"""The logger of all modules."""
