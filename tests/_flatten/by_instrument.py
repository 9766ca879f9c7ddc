"""States in a report and positions of the exchange, by instrument."""

from decimal import Decimal

import okx_async as okx
from okx_async import FlattenState
from tests.conftest import World


def states(report: okx.FlattenReport) -> dict[str, FlattenState]:
    return {row.position.inst_id: row.state for row in report.rows}


def held(world: World) -> dict[str, Decimal]:
    return {holding.inst_id: holding.pos for holding in world.exchange.positions}
