"""One rehearsal from the first question to the proof that nothing is left.

The environment is asked before all else, what an earlier rehearsal left is closed before anything is opened, and the
way back is gone whatever ends the trials: their end, a deadline, a stop, an error.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, TypeVar

from okx_async._callbacks import notify
from okx_async._calls.default_source import default_limiter
from okx_async._credentials import Credentials
from okx_async._errors import OkxError
from okx_async._http.route import make_route
from okx_async._limiter.slots import SlotSource
from okx_async._log import logger
from okx_async._rest.hosts import REGIONS, environment, host_of
from okx_async._rest.rate_keys import check_inst_id
from okx_async.rehearsal.assumption import Assumption, Danger
from okx_async.rehearsal.cleanup import Cleaner, Left
from okx_async.rehearsal.environment import Account, examine
from okx_async.rehearsal.exchanges import Observer, current_trial
from okx_async.rehearsal.ledger import Ledger, default_folder, open_ledger
from okx_async.rehearsal.library import ObservedClient
from okx_async.rehearsal.market import choose
from okx_async.rehearsal.options import Options
from okx_async.rehearsal.plan import Plan, make_plan
from okx_async.rehearsal.report import Report, Survey
from okx_async.rehearsal.results import TrialResult, Value, Verdict
from okx_async.rehearsal.stage import NotAloneError, NotOpenedError, NotTriedError, Stage
from okx_async.rehearsal.trials.closes import GOES_FLAT, LONGEST
from okx_async.rehearsal.trials.table import TRIALS
from okx_async.rehearsal.wire import Wire

_T = TypeVar("_T")

_TOUCHING: Final = frozenset({Danger.REFUSED, Danger.OPENS, Danger.LOAD})
"""Trials that send closes: of what another program has opened meanwhile, these would be right ones."""
_OTHER_NAMES: Final = {REGIONS["global"]: "https://www.okx.com"}
"""Second names of hosts that lead to the same accounts."""


class StoppedError(Exception):
    """The rehearsal was stopped before it had opened anything."""


class Rehearsal:
    """One rehearsal.

    Args:
        credentials: The API key.
        options: Where and what.
        limiter: Grants the slots; None: the one that all clients of this process share.
        observer: Is told every request with its answer.
        on_trial: Called with each assumption before it is tried.
        on_result: Called with each result.
        wall_clock: Unix seconds.
    """

    def __init__(
        self,
        credentials: Credentials,
        options: Options,
        *,
        limiter: SlotSource | None = None,
        observer: Observer = lambda _: None,
        on_trial: Callable[[Assumption], object] = lambda _: None,
        on_result: Callable[[TrialResult], object] = lambda _: None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._credentials = credentials
        self._options = options
        self._plan = make_plan(options.ids)
        if options.inst_id is not None:
            check_inst_id(options.inst_id)
        self._base_url = host_of(options.region, options.base_url)
        self._route = make_route(self._base_url, options.network)
        self._environment = environment(self._base_url, demo=options.demo, counts_as=options.counts_as)
        self._limiter = default_limiter() if limiter is None else limiter
        self._observer = observer
        self._on_trial = on_trial
        self._on_result = on_result
        self._wall_clock = wall_clock
        self._task: asyncio.Future[Any] | None = None
        self._stopped = ""
        self._barred = ""
        """Why nothing can be opened; "": it can."""
        self._failed = ""
        """How a trial itself failed; "": none did."""

    @property
    def plan(self) -> Plan:
        """The trials that it makes."""
        return self._plan

    async def stop(self, why: str = "interrupted") -> None:
        """Begin no further trial, and go the way back."""
        self._stopped = self._stopped or why
        if self._task is not None:
            self._task.cancel()

    async def survey(self) -> Survey:
        """Find out what a rehearsal would do; nothing is changed.

        Raises:
            CannotRehearseError: Environment, account or market do not allow it.
            InvalidRequestError: An option cannot work.
            OkxError: The exchange cannot be asked.
        """
        return await self._stoppable(self._survey())

    async def run(self) -> Report:
        """Rehearse, and report.

        Raises:
            StoppedError: It was stopped before it had opened anything.
            CannotRehearseError: Environment, account or market do not allow it; nothing was opened.
            InvalidRequestError: An option cannot work; nothing was opened.
            OkxError: The exchange cannot be asked; nothing was opened.
        """
        async with self._wire() as wire:
            account = await self._stoppable(self._examine(wire))
            with self._ledger(account) as ledger:
                async with self._client(account) as client:
                    return await self._rehearse(wire, client, account, ledger)

    async def _rehearse(self, wire: Wire, client: ObservedClient, account: Account, ledger: Ledger) -> Report:
        loop = asyncio.get_running_loop()
        began, cleaner = loop.time(), Cleaner(wire, client, ledger)
        found = await cleaner.clean() if ledger.openings else None
        if found is not None and not found.flat:
            inst_id = ledger.openings[0].inst_id if ledger.openings else ""
            why = "an earlier rehearsal's positions are in the way"
            return Report(self._environment, inst_id, (), found, found, why)
        chosen = await self._stoppable(choose(wire, self._options.inst_id))
        stage = Stage(
            wire,
            client,
            account,
            chosen[0],
            ledger,
            secrets.token_hex(4),
            chosen[1] if len(chosen) > 1 else None,
            self._second_name(),
        )
        results: list[TrialResult] = []
        left = None
        try:
            left = await self._stoppable(self._try_all(stage, cleaner, results, began + self._options.deadline))
        except StoppedError:
            logger.debug("stopped: %s", self._stopped)
        except Exception as error:  # whatever it is, it must not keep the rehearsal from the way back
            logger.exception("the rehearsal itself failed")
            self._stopped = f"the rehearsal itself failed: {type(error).__name__}"
        if left is None:
            left = await cleaner.clean()
        if left.flat:
            left = await cleaner.prove(stage.instrument.inst_id, left)
        done = {result.id for result in results}
        for assumption in self._plan.assumptions:
            if assumption.id not in done:
                self._tell(results, TrialResult(assumption.id, Verdict.NOT_TRIED, self._stopped or "not reached"))
        why, seconds = self._stopped or self._barred or self._failed, round(loop.time() - began, 3)
        trips = tuple(sorted(wire.round_trips))
        return Report(self._environment, stage.instrument.inst_id, tuple(results), left, found, why, seconds, trips)

    async def _try_all(self, stage: Stage, cleaner: Cleaner, results: list[TrialResult], until: float) -> Left | None:
        """Try one assumption after the other; between two of them the account is flat. Return what is left if not."""
        loop = asyncio.get_running_loop()
        for assumption in self._plan.assumptions:
            if self._barred and assumption.danger is Danger.OPENS:
                self._tell(results, TrialResult(assumption.id, Verdict.NOT_TRIED, self._barred))
                continue
            if loop.time() >= until:
                self._stopped = "the deadline"
                return None
            notify(self._on_trial, assumption)
            self._tell(results, await self._try(assumption, stage, until))
            if stage.flat and not stage.resting:
                try:
                    stage.ledger.clear()
                except OSError as error:
                    self._stopped = f"{stage.ledger.path} cannot be written: {error.strerror}"
                if self._stopped:
                    return None
                continue
            left = await cleaner.clean()
            if not left.flat:
                self._stopped = f"after {assumption.id} the account was not flat"
                self._name_stuck_close(results, left)
                return left
            stage.flat, stage.resting = True, False
        return None

    def _name_stuck_close(self, results: list[TrialResult], left: Left) -> None:
        """Tell that closes do not end, if the clean-up has met that before its trial came."""
        asked = any(one.id == GOES_FLAT for one in self._plan.assumptions)
        if left.untouched is None or left.untouched < LONGEST or not asked or any(r.id == GOES_FLAT for r in results):
            return
        words = f"in the clean-up a position was still listed {left.untouched:.1f} s after code 0"
        self._tell(results, TrialResult(GOES_FLAT, Verdict.NOT_HELD, words))

    async def _try(self, assumption: Assumption, stage: Stage, until: float) -> TrialResult:
        loop = asyncio.get_running_loop()
        began = loop.time()
        observed: Mapping[str, Value] = {}
        verdict = Verdict.NOT_TRIED
        token = current_trial.set(assumption.id)
        try:
            async with asyncio.timeout_at(until):
                if assumption.danger in _TOUCHING:
                    await stage.check_alone()
                seen = await TRIALS[assumption.id](stage)
        except NotAloneError as reason:
            evidence = self._stopped = str(reason)
        except NotOpenedError as reason:
            evidence = self._barred = str(reason)
        except NotTriedError as reason:
            evidence = str(reason)
        except TimeoutError:
            evidence = "the deadline came first"
        except OkxError as error:
            evidence = f"{type(error).__name__}: {error}"
        except Exception as error:  # an answer of an unforeseen form must not keep the rehearsal from the way back
            logger.exception("the trial %s failed", assumption.id)
            evidence = self._failed = f"the trial itself failed: {type(error).__name__}"
        else:
            verdict = Verdict.HELD if seen.held else Verdict.NOT_HELD
            evidence, observed = seen.evidence, seen.observed
        finally:
            current_trial.reset(token)
        return TrialResult(assumption.id, verdict, evidence, observed, round(loop.time() - began, 3))

    def _tell(self, results: list[TrialResult], result: TrialResult) -> None:
        results.append(result)
        notify(self._on_result, result)

    async def _survey(self) -> Survey:
        async with self._wire() as wire:
            account = await self._examine(wire)
            with self._ledger(account) as ledger:
                mine = [opening.inst_id for opening in ledger.openings]
                chosen = await choose(wire, self._options.inst_id, mine)
                plan = self._plan.made_in(account.pos_mode)
                return Survey(account, self._environment, chosen[0], plan, len(ledger.openings))

    async def _examine(self, wire: Wire) -> Account:
        return await examine(wire, demo=self._options.demo, live_uid=self._options.live_uid)

    async def _stoppable(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Await `work`, and raise StoppedError if `stop` ends it."""
        if self._stopped:
            work.close()
            raise StoppedError(self._stopped)
        task: asyncio.Future[_T] = asyncio.ensure_future(work)
        self._task = task
        try:
            done = await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if self._stopped and current is not None and not current.cancelling():
                raise StoppedError(self._stopped) from None
            raise
        finally:
            self._task = None
        return done

    def _wire(self) -> Wire:
        return Wire(
            self._credentials,
            self._base_url,
            demo=self._options.demo,
            environment=self._environment,
            limiter=self._limiter,
            route=self._route,
            observer=self._observer,
            connect_timeout=self._options.connect_timeout,
            timeout=self._options.timeout,
            wall_clock=self._wall_clock,
        )

    def _client(self, account: Account) -> ObservedClient:
        network = self._options.network
        return ObservedClient(
            self._credentials,
            self._observer,
            base_url=self._base_url,
            wall_clock=self._wall_clock,
            user_id=account.user_id,
            demo=self._options.demo,
            counts_as=self._options.counts_as,
            limiter=self._limiter,
            proxy=network.proxy,
            ssl=network.ssl,
            local_addr=network.local_addr,
            family=network.family,
            resolver=network.resolver,
            connect_timeout=self._options.connect_timeout,
            timeout=self._options.timeout,
        )

    def _ledger(self, account: Account) -> AbstractContextManager[Ledger]:
        return open_ledger(self._options.folder or default_folder(), self._environment, account.user_id)

    def _second_name(self) -> str:
        given = self._options.other_base_url
        return _OTHER_NAMES.get(self._base_url, "") if given is None else given
