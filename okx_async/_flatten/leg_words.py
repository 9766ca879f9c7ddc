"""What is said of one leg: the log's words, and its part in an error that stops all of them."""

from okx_async._errors import AuthenticationError, OkxError
from okx_async._flatten.guard import Observation
from okx_async._flatten.leg import Leg
from okx_async._log import ERROR, WARNING, logger


def warn_of_other(leg: Leg) -> None:
    """Log that another position stands at the leg's address, if it does."""
    guard = leg.guard
    if guard.observation is not Observation.OTHER or guard.listed is None:
        return
    turned = guard.listed.c_time == leg.before.c_time and guard.listed.pos_id == leg.before.pos_id
    logger.log(
        ERROR if turned else WARNING,
        "%s: %s position stands there now, it is left alone: %s contracts, before %s",
        leg.before.inst_id,
        "the turned" if turned else "another",
        guard.listed.pos,
        leg.before.pos,
    )


def error_of(leg: Leg, error: OkxError) -> OkxError:
    """Return the error of a leg that is stopped because of an error of another one."""
    if not isinstance(error, AuthenticationError):
        return error
    text = f"{leg.before.inst_id}: nothing was sent: the API key is refused ({error.code}: {error.message})"
    return type(error)(text, code=error.code, status=error.status, message=error.message)
