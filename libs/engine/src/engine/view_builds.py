"""Which build of each view is kept, by whom, and how a new one takes over from the old one.

A view version is built beside the one that is live, from the log or the topic. When it has caught up, one short
transaction under the append lock reads the last tail and flips: the plain name then shows the new build and appends
write it from then on. Every append proves the `view_epoch` that it read, so that none can miss the flip. While a
process runs that does not know the version of an inline view, that view is fed from the log.

A process that begins is not ready, and does nothing but build, until what its release reads of the own log is shown:
the release before it answers meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import orjson
import structlog

from engine.admission import ALIVE_SECONDS, admitted
from engine.errors import TooOld, passes
from engine.handlers import ViewHandler, Work
from engine.reactions import Rows
from engine.store import LOCK, Db, Store
from engine.subscriptions import OWN_LOG, Subscription
from engine.tables import physical
from engine.views import View

log = structlog.get_logger()

POD_SECONDS = ALIVE_SECONDS

TAIL = 1000
"""Of a build that follows the own log, so many positions fit well into the short transaction in which it takes over."""

_EXCLUSIVE = "select pg_advisory_xact_lock($1, $2)"
_NO_WAITING = "set local lock_timeout = '500ms'"
"""Appends wait for whoever holds the lock exclusively, who must not wait for slow readers of a table."""

_HEARTBEAT = (
    "with me as (update pod set seen_at = clock_timestamp() where id = $1 returning 1),"
    " gone as (delete from pod where id in (select id from pod where id <> $1"
    "   and seen_at < clock_timestamp() - make_interval(secs => $2) for update skip locked) returning 1)"
    " select exists (select from me) as known, (select count(*) from gone) as gone, view_epoch, published from store"
)
_SUPERSEDED = (
    "select name, generation, tables from view_build b where not live and exists (select 1 from view_build l"
    " where l.name = b.name and l.live and l.generation > b.generation and (l.version = b.version"
    " or not exists (select 1 from pod p where (p.views->>b.name)::int = b.version)))"
)
_SHOWN = (
    "select b.name, b.version, b.live, b.feed = 'inline' or coalesce(o.next_offset, 0) + $3 > s.published as whole,"
    " exists (select 1 from parked_event where subscription = n.name) and not exists (select 1 from pod p"
    "   where (p.views->>b.name)::int <> b.version) as stuck"
    " from store s, view_build b cross join lateral (select $1 || '.' || b.name || '.g' || b.generation as name) n"
    " left join consumer_offset o on o.subscription = n.name and o.topic_id = $2"
)
_READ_TAIL = "select e.*, s.incarnation from event e, store s where position >= $1 order by position"


@dataclass(frozen=True)
class Build:
    view: View
    generation: int
    feed: str
    live: bool


def _is_shown(view: View, rows: Sequence[asyncpg.Record]) -> bool:
    """In its own version, or built beside a later one that is; or as good as that will be."""
    builds = [row for row in rows if row["name"] == view.name]
    own = [row for row in builds if row["version"] == view.version]
    shown = any(row["live"] and row["version"] >= view.version for row in builds)
    return (shown and any(row["whole"] for row in own)) or any(row["stuck"] for row in own)


class ViewBuilds:
    def __init__(self, service: str, store: Store, views: Sequence[View]):
        self._service = service
        self._store = store
        self._pod: UUID | None = None
        self._views = {view.name: view for view in views}
        if len(self._views) != len(views):
            raise ValueError("two views share a name")
        for view in views:
            if view.inline and view.source not in (None, service):
                raise ValueError(f"view {view.name} cannot be inline: appends of {service} do not hear {view.source}")
        self._turn = asyncio.Lock()  # a later look is never overtaken by an earlier one
        self.builds: tuple[Build, ...] = ()
        self._all_live = False
        self.missing: dict[str, str] = {"views": "not looked at yet"}

    def sources(self, view: View) -> tuple[str, ...]:
        if view.source is None or view.inline:
            return (self._service,)
        return view.source if isinstance(view.source, tuple) else (view.source,)

    def subscription(self, build: Build) -> Subscription:
        name = f"{self._service}.{build.view.name}.g{build.generation}"
        handler = ViewHandler(build.view, build.generation)
        return Subscription(name, self.sources(build.view), handler, prove=handler.prove)

    # -- tables

    async def migrate(self, db: Db) -> None:
        """A build for every version that has none yet; on an empty log an inline view is up to date at once."""
        async with db.transaction():
            await db.execute(_EXCLUSIVE, *LOCK)
            await self._begin_missing(db)

    async def _begin_missing(self, db: Db) -> None:
        rows = await db.fetch("select name, version from view_build")
        known = {(row["name"], row["version"]) for row in rows}
        for view in self._views.values():
            if (view.name, view.version) not in known:
                await self._begin(db, view)

    async def _begin(self, db: Db, view: View) -> int:
        rows = await db.fetch("select generation, live from view_build where name = $1", view.name)
        generation = max((row["generation"] for row in rows), default=0) + 1
        first = not any(row["live"] for row in rows)
        empty = not await db.fetchval("select exists (select 1 from event)")
        own = self.sources(view) == (self._service,)
        feed = "inline" if view.inline and empty else "log" if own else "topic"
        for table in view.tables:
            name = physical(table, generation)
            await db.execute(f"create table {name} ({table.columns})")
            for n, index in enumerate(table.indexes, 1):
                await db.execute(f"create index {name}_i{n} on {name} {index}")
        await db.execute(
            "insert into view_build (name, generation, version, feed, live, tables) values ($1, $2, $3, $4, $5, $6)",
            view.name,
            generation,
            view.version,
            feed,
            first,
            [physical(table, generation) for table in view.tables],
        )
        if first:
            await self._show(db, view, generation)
        await db.execute("update store set view_epoch = view_epoch + 1")
        return generation

    async def _show(self, db: Db, view: View, generation: int) -> None:
        for table in view.tables:
            await db.execute(f"drop view if exists {table.name}")
            await db.execute(f"create view {table.name} as select * from {physical(table, generation)}")

    # -- who runs

    async def register(self, db: Db, pod: UUID, *, builds: bool = False) -> None:
        """Announces this process. Inline builds that it does not know are fed from the log from here on. One that
        `builds` begins what is missing: builds that were dropped when all had gone over to a later release, and this is
        the way back.

        Raises TooOld, and announces nothing, where a later release writes what this one cannot read."""
        self._pod = pod
        async with db.transaction():
            await db.execute(_EXCLUSIVE, *LOCK)
            await self._admitted(db)
            if builds:
                await self._begin_missing(db)
            versions = {view.name: view.version for view in self._views.values()}
            await db.execute(
                "insert into pod (id, views, reads) values ($1, $2, $3)"
                " on conflict (id) do update set seen_at = clock_timestamp()",
                pod,
                orjson.dumps(versions).decode(),
                sorted(self._store.codec.reads),
            )
            rows = await db.fetch("select name, generation, version from view_build where feed = 'inline'")
            strange = [row for row in rows if not self._knows(row)]
            if strange:
                head = await db.fetchval("select coalesce(max(position), 0) from event")
                for row in strange:
                    log.info("view_fed_from_log", view=row["name"], version=row["version"])
                    await db.execute(
                        "update view_build set feed = 'log' where name = $1 and generation = $2",
                        row["name"],
                        row["generation"],
                    )
                    await db.execute(
                        "insert into consumer_offset (subscription, source, topic_id, partition, next_offset)"
                        " values ($1, $2, $3, 0, $4) on conflict (subscription, topic_id, partition)"
                        " do update set next_offset = excluded.next_offset, epoch = consumer_offset.epoch + 1",
                        f"{self._service}.{row['name']}.g{row['generation']}",
                        self._service,
                        OWN_LOG,
                        head + 1,
                    )
                await db.execute("update store set view_epoch = view_epoch + 1")
        await self.refresh(db)
        await self._look(db)

    async def _admitted(self, db: Db) -> frozenset[str]:
        try:
            types = await admitted(db, self._store.codec)
        except TooOld as old:
            self.missing = {"release": str(old)}
            raise
        return types

    async def _look(self, db: Db) -> bool:
        """Whether all that this release reads of the own log is shown since this call. Once it was, what comes later
        takes over without this process waiting for it. Nor is a build waited for that stands before a parked stream
        where nobody of another release answers meanwhile."""
        if not self.missing:
            return False
        rows = await db.fetch(_SHOWN, self._service, OWN_LOG, TAIL)
        waits = [
            f"{view.name} in version {view.version}"
            for view in self._views.values()
            if self.sources(view) == (self._service,) and not _is_shown(view, rows)
        ]
        self.missing = {"views": f"being built: {', '.join(waits)}"} if waits else {}
        return not waits

    async def heartbeat(self, db: Db, pod: UUID) -> tuple[bool, int]:
        """Says that this process lives. Returns whether what there is to do changed since it last looked (the set of
        views, or that all of its own are shown), and how far the log is published."""
        row = await db.fetchrow(_HEARTBEAT, pod, POD_SECONDS)
        assert row is not None  # noqa: S101
        if row["gone"]:
            log.info("processes_gone", count=row["gone"])
        changed = not row["known"] or row["view_epoch"] != self._store.view_epoch
        if not row["known"]:  # taken for dead
            await self.register(db, pod)
        elif changed:
            await self.refresh(db)
        return await self._look(db) or changed, row["published"]

    async def unregister(self, db: Db, pod: UUID) -> None:
        await db.execute("delete from pod where id = $1", pod)

    async def refresh(self, db: Db) -> None:
        """Reads which builds there are; the append function refuses whoever has not.

        A process that was taken for dead may find a build that others write inline and that it does not know. It must
        not append beside that one: it announces itself again first.
        """
        async with self._turn:
            known = await self._read(db)
        if not known and self._pod is not None:
            await self.register(db, self._pod)

    async def _read(self, db: Db) -> bool:
        """False where appends must write what this process does not know; then nothing was taken up."""
        async with db.transaction(isolation="repeatable_read", readonly=True):
            store = await db.fetchrow("select view_epoch, incarnation from store")
            rows = await db.fetch("select * from view_build order by name, generation")
            types = await self._admitted(db)
        assert store is not None  # noqa: S101
        if any(row["feed"] == "inline" and not self._knows(row) for row in rows) and self._pod is not None:
            return False
        self.builds = tuple(
            Build(view, row["generation"], row["feed"], row["live"])
            for row in rows
            if (view := self._views.get(row["name"])) is not None and self._knows(row)
        )
        self._all_live = all(row["live"] for row in rows)
        self._store.inline = tuple((b.view, b.generation) for b in self.builds if b.feed == "inline")
        self._store.incarnation = store["incarnation"]
        self._store.admitted = types
        self._store.view_epoch = store["view_epoch"]
        return True

    def _knows(self, build: asyncpg.Record) -> bool:
        view = self._views.get(build["name"])
        return view is not None and view.version == build["version"]

    # -- taking over

    async def rebuild(self, db: Db, name: str) -> Build:
        """Begins a new build of a view's own version beside the live one."""
        view = self._views.get(name)
        if view is None:
            raise LookupError(f"no view is called {name!r}; there are: {', '.join(sorted(self._views)) or 'none'}")
        async with db.transaction():
            await db.execute(_EXCLUSIVE, *LOCK)
            generation = await self._begin(db, view)
        await self.refresh(db)
        return next(b for b in self.builds if b.view is view and b.generation == generation)

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do: no build stands beside a live one, and each is written as it should be."""
        return self._all_live and not self.unfinished()

    def unfinished(self) -> list[Build]:
        """Our builds that still have a step to take: to be shown, or to be written by appends."""
        return [b for b in self.builds if not b.live or (b.view.inline and b.feed == "log")]

    async def tend(self, db: Db, caught_up: Sequence[Build]) -> bool:
        """Takes the next step for each of our builds that has caught up; True if anything changed."""
        changed = False
        newest = {b.view.name: b for b in self.builds}  # in order of generation
        for build in newest.values():
            inline = build.view.inline and build.feed == "log"
            if (inline or not build.live) and build in caught_up:
                try:
                    changed = await self._take_over(db, build) or changed
                except Exception as error:
                    if passes(error):
                        raise
                    # an event of the tail that cannot be handled: its reader will park it and say so
                    log.exception("view_cannot_take_over", view=build.view.name, generation=build.generation)
        return await self._drop_superseded(db) or changed

    async def live_subscription(self, db: Rows, build: Build) -> str | None:
        """What feeds the build that is shown now; None if appends do, or if there is none."""
        generation = await db.fetchval(
            "select generation from view_build where name = $1 and live and feed <> 'inline'", build.view.name
        )
        return None if generation is None else f"{self._service}.{build.view.name}.g{generation}"

    async def parked(self, db: Rows, build: Build) -> int:
        """How many streams the build could not go on with: it is not whole."""
        streams: int = await db.fetchval(
            "select count(distinct stream) from parked_event where subscription = $1", self.subscription(build).name
        )
        return streams

    async def _take_over(self, db: Db, build: Build) -> bool:
        if await self.parked(db, build):
            log.error(
                "view_has_parked_streams",
                view=build.view.name,
                generation=build.generation,
                remedy="mend the cause, then: cauce parked retry; the build takes over when none is left",
            )
            return False
        async with db.transaction():
            await db.execute(_EXCLUSIVE, *LOCK)
            row = await db.fetchrow(
                "select feed, live, (select max((p.views->>name)::int) from pod p) as newest,"
                " not exists (select 1 from pod p where (p.views->>name)::int is distinct from b.version) as all_know"
                " from view_build b where name = $1 and generation = $2",
                build.view.name,
                build.generation,
            )
            if row is None or (row["newest"] or 0) > build.view.version:
                return False
            inline = build.view.inline and row["feed"] == "log" and row["all_know"]
            if row["live"] and not inline:
                return False
            if row["feed"] == "log":
                next_offset = await self._fence_reader(db, build)
                if await self.parked(db, build):  # since we looked
                    return False
                await self._read_tail(db, build, next_offset)
            if inline:
                await db.execute(
                    "update view_build set feed = 'inline' where name = $1 and generation = $2",
                    build.view.name,
                    build.generation,
                )
            if not row["live"]:
                await db.execute(
                    "update view_build set live = (generation = $2) where name = $1", build.view.name, build.generation
                )
                await db.execute(_NO_WAITING)
                await self._show(db, build.view, build.generation)
            await db.execute("update store set view_epoch = view_epoch + 1")
        log.info("view_took_over", view=build.view.name, generation=build.generation, inline=inline)
        await self.refresh(db)
        return True

    async def _fence_reader(self, db: Db, build: Build) -> int:
        """Nobody else applies anything to the build until this transaction ends. Returns the next offset to read."""
        next_offset: int = await db.fetchval(
            "insert into consumer_offset (subscription, source, topic_id, partition, epoch) values ($1, $2, $3, 0, 1)"
            " on conflict (subscription, topic_id, partition) do update set epoch = consumer_offset.epoch + 1"
            " returning next_offset",
            self.subscription(build).name,
            self._service,
            OWN_LOG,
        )
        return next_offset

    async def _read_tail(self, db: Db, build: Build, next_offset: int) -> None:
        """Under the exclusive lock no append is open: all that there is, is final."""
        subscription = self.subscription(build)
        rows = await db.fetch(_READ_TAIL, next_offset)
        if not rows:
            return
        work = Work(db, self._store, subscription.name)
        with work.spans:
            await subscription.handler(work, [self._store.fact(row) for row in rows])
        await db.execute(
            "update consumer_offset set next_offset = $3, last_position = $4, incarnation = $5"
            " where subscription = $1 and topic_id = $2",
            subscription.name,
            OWN_LOG,
            rows[-1]["position"] + 1,
            rows[-1]["position"],
            rows[-1]["incarnation"],
        )

    async def _drop_superseded(self, db: Db) -> bool:
        """Tables of builds that no running process can keep, or that a newer build of the same version replaced."""
        if not await db.fetch(_SUPERSEDED):
            return False
        async with db.transaction():
            await db.execute(_EXCLUSIVE, *LOCK)
            await db.execute(_NO_WAITING)
            rows = await db.fetch(_SUPERSEDED)
            for row in rows:
                await self._drop(db, row)
            await db.execute("update store set view_epoch = view_epoch + 1")
        await self.refresh(db)
        return True

    async def _drop(self, db: Db, row: asyncpg.Record) -> None:
        for table in row["tables"]:
            await db.execute(f"drop table if exists {table} cascade")
        await db.execute("delete from view_build where name = $1 and generation = $2", row["name"], row["generation"])
        for kept in ("consumer_offset", "parked_event"):
            subscription = f"{self._service}.{row['name']}.g{row['generation']}"
            await db.execute(f"delete from {kept} where subscription = $1", subscription)
        log.info("view_build_dropped", view=row["name"], generation=row["generation"])
