"""Let a fault happen to a call, and return what the caller was told, what the exchange did, and what is left of it.

Client, network and exchange are the real ones, in virtual time. Nothing here expects anything.
"""

import asyncio
import gc

import aiohttp

import okx_async as okx
from okx_async.simulator import JournalRow, Network, Path, SimulatedExchange, VirtualLoop, run
from okx_async.simulator.api.endpoints import CLOSE_PATH
from tests.faults import judge
from tests.faults.calls import Column
from tests.faults.cells import Row
from tests.faults.world import STRUCK, End, Ends, Leg, Observed, World

EPOCH = 1768519672.0
TIME_PATH = "/api/v5/public/time"


def observe(row: Row, columns: dict[str, Column]) -> dict[str, Observed]:
    """Let a fault happen to each kind of call, in a world of its own."""
    observations = {column: _observe(row, columns[column]) for column in row.cells}
    gc.collect()  # an exception that was never retrieved is logged when its task is collected
    for observed, complaints in observations.values():
        observed.wrong += complaints
    return {column: observed for column, (observed, _) in observations.items()}


def _observe(row: Row, column: Column) -> tuple[Observed, list[str]]:
    network = Network(seed=row.title, inward=Path(0.03, 0.02), outward=Path(0.03, 0.02))
    complaints: list[str] = []

    async def main(loop: VirtualLoop) -> Observed:
        loop.set_exception_handler(lambda _, what: complaints.append(f"{what['message']}: {what.get('exception')!r}"))
        limiter = okx.Limiter(clock=loop.clock)
        begun = loop.clock()
        ended: list[tuple[okx.Attempt, float]] = []
        wall_clock = lambda: EPOCH + loop.clock() - begun  # noqa: E731 - two uses
        exchange = SimulatedExchange(seed=row.title, clock=loop.clock, wall_clock=wall_clock, **row.options)
        async with exchange:
            base_url, proxy = (exchange.base_url, None) if row.way is None else row.way.open(loop, network)
            session = aiohttp.ClientSession(proxy=proxy) if column.session else None
            client = okx.Client(
                exchange.credentials,
                user_id=exchange.user_id if row.user_id else None,
                base_url=base_url,
                limiter=limiter,
                session=session,
                proxy=None if column.session else proxy,
                wall_clock=wall_clock,
                on_attempt=lambda attempt: ended.append((attempt, loop.clock())),
            )
            client._caller._random = lambda: 1.0  # the longest of the pauses
            world = World(loop, network, exchange, client, limiter, row.max_wait, column.legs, ended)
            for inst_id in column.legs:
                exchange.open_position(inst_id, 4)
            if row.cancel_orders:
                place_orders(world)
            async with client:
                observed = await _happen(row, world, column)
            if session is not None:
                await session.close()
        await asyncio.sleep(10)  # until the ends of closed connections have arrived
        here = asyncio.current_task()
        observed.wrong += [f"{task!r} is left" for task in asyncio.all_tasks() if task is not here]
        observed.wrong += [f"{timer!r} is left" for timer in loop.timers()]
        observed.wrong += [f"{wire.near!r} is left" for wire in network.wires.values()]
        return observed

    return run(main, VirtualLoop(network)), complaints


async def _happen(row: Row, world: World, column: Column) -> Observed:
    exchange = world.exchange
    await row.arrange(world)
    before, held = len(exchange.journal), judge.held(exchange.trades)
    world.ended.clear()
    ends = await _call(world, column)
    told = world.loop.clock()
    if ends.report is not None:
        until_told = [each for each in exchange.journal[before:] if each.at <= told]
        world.wrong += judge.orders(ends.report, orders_left(world)) if row.cancel_orders else ()
        world.wrong += judge.refuted(ends.report, until_told, exchange.trades)
    await judge.follow_tokens(world, ends, told)
    rows = exchange.journal[before:]
    if ends.report is not None:
        world.wrong += judge.harmful(ends.report, rows, exchange.trades, held)
    arrived = [each for each in rows if each.path == CLOSE_PATH and each.fault != "forwarded"]
    return Observed(
        legs=[_leg(end, rows) for end in ends.legs],
        sent=len(arrived),
        late=sum(each.at > told for each in arrived),
        asked=sum(each.path == TIME_PATH for each in rows),
        flat=None if ends.report is None else ends.report.flat,
        more=ends.more,
        orders=_orders(world, ends.report) if row.cancel_orders and ends.report is not None else "",
        wrong=world.wrong,
    )


async def _call(world: World, column: Column) -> Ends:
    """Make the call, and cancel it if that was arranged; what its exception notes of a leg is what it tells of it."""
    if not world.cancels:
        return await column.call(world)
    task = asyncio.ensure_future(column.call(world))
    for seconds in world.cancels:
        await asyncio.sleep(seconds)
        task.cancel()
    try:
        return await task
    except asyncio.CancelledError as error:
        notes = getattr(error, "__notes__", [])
    told = {inst_id: [note.removeprefix(f"{inst_id}: ") for note in notes if inst_id in note] for inst_id in world.legs}
    world.wrong += [f"noted {len(told[inst_id])} times: {told}" for inst_id in told if len(told[inst_id]) > 1]
    attempts = [attempt for attempt, _ in world.ended]
    return Ends(
        [
            End(
                inst_id,
                f"CancelledError: {told[inst_id][0]}" if told[inst_id] else "CancelledError",
                "",
                tuple(attempt for attempt in attempts if attempt.request.inst_id == inst_id),
            )
            for inst_id in world.legs
        ]
    )


def place_orders(world: World) -> None:
    """Let three entries, three algo orders that would add, and a stop rest beside the position of `STRUCK`."""
    exchange = world.exchange
    world.cancel_orders = True
    for _ in range(3):
        exchange.add_pending_order(STRUCK, side="buy", reduce_only=False)
        exchange.add_algo_order(STRUCK, "trigger", side="buy", sz="1", reduce_only=False)
    exchange.add_algo_order(STRUCK)


def orders_left(world: World) -> dict[str, str]:
    """Return the orders that rest: their kinds by their ids."""
    exchange = world.exchange
    algos = {order.algo_id: order.ord_type for order in exchange.algo_orders}
    return {order.ord_id: order.ord_type for order in exchange.pending_orders} | algos


def _orders(world: World, report: okx.FlattenReport) -> str:
    left = len(orders_left(world))
    return f"{len(report.cancelled)} cancelled, {left} left{', noted' * bool(report.notes)}"


def _leg(end: End, rows: list[JournalRow]) -> Leg:
    return Leg(
        inst_id=end.inst_id,
        told=end.told,
        code=end.code,
        tokens="".join({"settled": "s", "in doubt": "d", "refunded": "r"}[each.token] for each in end.attempts),
        done=sum(each.executed and each.key is not None and each.key[1] == end.inst_id for each in rows),
        outcomes=tuple(each.outcome.value for each in end.attempts),
    )
