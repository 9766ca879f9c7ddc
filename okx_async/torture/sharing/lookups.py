"""The mishaps of programs that are not given their user id: what becomes of their questions for it."""

from collections.abc import Callable
from random import Random

from okx_async.torture.sharing.world import World

CONFIG = "/api/v5/account/config"


def _questions(world: World, rng: Random) -> int:
    """Return how many questions for the user id a mishap befalls: often the first one of each program."""
    return rng.choice((1, world.plan.programs, world.plan.programs, 40))


def config_late(world: World, rng: Random) -> str:
    """Let the exchange tell the user id late, perhaps too late."""
    delay = rng.choice((world.plan.timeout * rng.choice((0.5, 0.97, 1.5)), rng.uniform(0.0, 1.2)))
    world.exchange.inject(path=CONFIG, delay=delay, times=_questions(world, rng))
    return f"user ids are told {delay:.3f} s late"


def config_lost(world: World, rng: Random) -> str:
    """Hang up instead of telling the user id."""
    world.exchange.inject(path=CONFIG, disconnect=True, times=_questions(world, rng))
    return "user ids are not told"


def config_refused(world: World, rng: Random) -> str:
    """Let another program of the user use up the limit of account/config."""
    world.exchange.inject(path=CONFIG, code="50011", times=_questions(world, rng))
    return "questions for the user id are refused for rate"


LOOKUPS: tuple[Callable[[World, Random], str], ...] = (config_late, config_late, config_lost, config_refused)
"""What befalls programs that are not given their user id."""
