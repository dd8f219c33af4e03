"""How policies, process managers and views turn facts into one transaction's work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote, unquote
from uuid import UUID, uuid5

import orjson
import structlog

from engine.decider import Rejected
from engine.errors import Fenced
from engine.facts import Context, Fact, Receipt
from engine.metrics import Metrics
from engine.reactions import Become, CancelTimer, Policy, Process, Send, SetTimer, Step
from engine.store import Db, Intent, Store
from engine.tables import run_statements
from engine.tracing import Spans, about
from engine.views import View

log = structlog.get_logger()

Outcomes = list[tuple[Intent, Receipt | Rejected]]
"""What the commands of one transaction led to: not true before its commit, and not to be counted or told before."""


@dataclass
class Work:
    """What one transaction collects; commands are appended together at its end, so that the append lock is short.
    `own`: what led to it is of the service's own log."""

    db: Db
    store: Store
    subscription: str
    own: bool = True
    intents: list[Intent] = field(default_factory=list)
    timers: dict[str, tuple[SetTimer | CancelTimer, Context]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.spans = Spans(self.subscription, own=self.own)

    def because_of(self, fact: Fact[Any]) -> Context:
        """Of what the fact leads to here."""
        by = f"policy:{self.subscription}"
        cause = Context(
            by, fact.correlation_id, fact.event_id, traceparent=fact.traceparent, tracestate=fact.tracestate
        )
        return self.spans.reacting(fact, cause)

    def add(self, step: Step, context: Context, occurred_at: datetime, seed: UUID, n: int) -> None:
        """The n-th reaction to what `seed` identifies; a command's id follows from these and the subscription."""
        match step:
            case Send():
                self.intents.append(
                    Intent(
                        step,
                        step.command.occurred_at or occurred_at,
                        context,
                        command_id=uuid5(seed, f"{self.subscription}:{n}"),
                    )
                )
            case SetTimer() | CancelTimer():
                self.timers[step.key] = (step, context)
            case Become():
                raise TypeError(f"{self.subscription}: only a process manager has a state to become")

    async def flush(self) -> Outcomes:
        """Timers first: what holds the append lock is the last thing before the commit."""
        await self._set_timers()
        if not self.intents:
            return []
        return list(zip(self.intents, await self.store.execute(self.db, self.intents), strict=True))

    async def _set_timers(self) -> None:
        timers = sorted(self.timers.items())  # in the same order everywhere, against deadlocks
        setting = [(s, c) for _, (s, c) in timers if isinstance(s, SetTimer)]
        cancelling = [key for key, (s, _) in timers if isinstance(s, CancelTimer)]
        if setting:
            await self.db.executemany(
                "insert into timer (owner, key, due_at, send, correlation_id, causation_id, traceparent, tracestate)"
                " values ($1,$2,$3,$4,$5,$6,$7,$8)"
                " on conflict (owner, key) do update set due_at = excluded.due_at, send = excluded.send, error = null,"
                " correlation_id = excluded.correlation_id, causation_id = excluded.causation_id,"
                " traceparent = excluded.traceparent, tracestate = excluded.tracestate",
                [
                    (
                        self.subscription,
                        s.key,
                        s.at,
                        send_json(s.send),
                        c.correlation_id,
                        c.causation_id,
                        c.traceparent,
                        c.tracestate,
                    )
                    for s, c in setting
                ],
            )
        if cancelling:
            await self.db.execute(
                "delete from timer where owner = $1 and key = any ($2)", self.subscription, cancelling
            )


def tell(metrics: Metrics, subscription: str, outcomes: Outcomes) -> None:
    """Counts and logs what a committed transaction led to."""
    metrics.count([outcome for _, outcome in outcomes])
    for intent, outcome in outcomes:
        if isinstance(outcome, Rejected):
            named = about(intent.context)
            log.info("command_refused", by=subscription, stream=intent.stream, refusal=str(outcome), **named)


def send_json(send: Send | None) -> bytes | None:
    if send is None:
        return None
    command = orjson.Fragment(send.command.model_dump_json())
    return orjson.dumps(
        {
            "category": send.decider.category,
            "id": str(send.id),
            "type": type(send.command).__name__,
            "command": command,
        }
    )


class Handler(Protocol):
    async def __call__(self, work: Work, facts: Sequence[Fact[Any]]) -> None: ...


@dataclass(frozen=True)
class PolicyHandler:
    policy: Policy

    async def __call__(self, work: Work, facts: Sequence[Fact[Any]]) -> None:
        for fact in facts:
            context = work.because_of(fact)
            if self.policy.gather is None:
                reactions = self.policy.react(fact)
            else:
                reactions = self.policy.react(fact, await self.policy.gather(work.db, fact))
            for n, reaction in enumerate(reactions):
                if isinstance(reaction, SetTimer) and reaction.send is None:
                    raise TypeError(f"{work.subscription}: a timer without a command wakes only a process manager")
                work.add(reaction, context, fact.occurred_at, fact.event_id, n)


@dataclass(frozen=True)
class ProcessHandler:
    process: Process[Any]
    state: Any  # a TypeAdapter of the state

    async def __call__(self, work: Work, facts: Sequence[Fact[Any]]) -> None:
        keyed = [(key, fact) for fact in facts if (key := self.process.key(fact)) is not None]
        states = await self.lock(work, {key for key, _ in keyed})
        for key, fact in keyed:
            context = work.because_of(fact)
            steps = self.process.react(states[key], fact)
            states[key] = self.take(work, key, states[key], steps, context, fact.occurred_at, fact.event_id)
        await self.save(work, states)

    async def lock(self, work: Work, keys: Iterable[str]) -> dict[str, Any]:
        """Each instance's state, inserted where absent and then locked: of two events at once, none is lost."""
        wanted = sorted(set(keys))
        initial = self.state.dump_json(self.process.initial())
        await work.db.executemany(
            "insert into process (name, key, state) values ($1, $2, $3) on conflict do nothing",
            [(self.process.name, key, initial) for key in wanted],
        )
        rows = await work.db.fetch(
            "select key, state from process where name = $1 and key = any ($2) order by key for update",
            self.process.name,
            wanted,
        )
        return {row["key"]: self.state.validate_json(row["state"]) for row in rows}

    def take(
        self, work: Work, key: str, state: Any, steps: Iterable[Step], context: Context, at: datetime, seed: UUID
    ) -> Any:
        """Collects what the steps ask for; returns the state that they lead to."""
        for n, step in enumerate(steps):
            match step:
                case Become(state=state):
                    pass
                case SetTimer() | CancelTimer():
                    work.add(replace(step, key=f"{quote(key, safe='')}/{step.key}"), context, at, seed, n)
                case _:
                    work.add(step, context, at, seed, n)
        return state

    def timer_of(self, stored: str) -> tuple[str, str]:
        """The instance and the timer's own key."""
        instance, _, key = stored.partition("/")
        return unquote(instance), key

    async def save(self, work: Work, states: Mapping[str, Any]) -> None:
        await work.db.executemany(
            "update process set state = $3 where name = $1 and key = $2",
            [(self.process.name, key, self.state.dump_json(state)) for key, state in states.items()],
        )


@dataclass(frozen=True)
class ViewHandler:
    view: View
    generation: int

    async def __call__(self, work: Work, facts: Sequence[Fact[Any]]) -> None:
        self._fed(
            await work.db.fetchval(
                "select feed from view_build where name = $1 and generation = $2", self.view.name, self.generation
            )
        )
        work.spans.projecting(facts)
        await run_statements(work.db, (s for fact in facts for s in self.view.project(fact)), self.generation)

    async def prove(self, db: Db) -> None:
        """Raises Fenced where it is not; else it is until the transaction ends."""
        self._fed(
            await db.fetchval(
                "select feed from view_build where name = $1 and generation = $2 for share",
                self.view.name,
                self.generation,
            )
        )

    def _fed(self, feed: str | None) -> None:
        """It took over, or was dropped, and this reader has not heard of it yet."""
        if feed in (None, "inline"):
            raise Fenced(f"{self.view.name}: build {self.generation} is not fed from here any more")
