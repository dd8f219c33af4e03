-- One store a service. The event table is the outbox: nothing is copied out of it and nothing is deleted.

create table if not exists store (
    only_row           boolean primary key default true check (only_row),
    incarnation        integer not null default 1,
    view_epoch         integer not null default 1,   -- raised whenever the set of views that appends must keep changes
    published          bigint not null default 0,    -- the relay's cursor: every event up to here is final and on the topic
    topic_offsets      jsonb not null default '{}',  -- partition -> offset behind the last record sent, as of `published`
    already_sent       uuid[] not null default '{}', -- events above `published` that the topic had before a restore
    system_identifier  bigint,                       -- the cluster that wrote this store last: another one means a restore
    timeline           integer,
    partitions         integer,                      -- of the topic, since the first event: another count moves keys
    backfill_reached   timestamptz,                  -- business time of timers while a backfill runs; null: the wall clock
    states_sent        jsonb not null default '{}',  -- of the state topic: see StateTopic
    sent_before        bigint not null default 0,    -- every event up to here was sent once, should it be sent again
    topic_id           uuid                          -- of the topic that it was sent to: one made anew has another
);
insert into store default values on conflict do nothing;

-- The last position that each incarnation but the present one has sent: sent again, an event keeps its incarnation.
create table if not exists past_incarnation (
    number  integer primary key,
    up_to   bigint not null
);

create table if not exists stream (
    id                    text primary key,
    version               integer not null,
    recorded_at           timestamptz not null,
    snapshot              json,
    snapshot_version      integer not null default 0,
    snapshot_fingerprint  text
);

create table if not exists event (
    position        bigint generated always as identity (cache 1) primary key,
    stream          text not null,
    version         integer not null,
    id              uuid not null default uuidv7() unique,
    type            text not null,
    data            json not null,
    occurred_at     timestamptz not null,
    recorded_at     timestamptz not null,
    correlation_id  uuid not null,
    causation_id    uuid,
    actor           text not null,
    client          text,
    on_behalf_of    text,
    traceparent     text,
    tracestate      text,
    unique (stream, version)
);
create index if not exists event_correlation on event (correlation_id);

-- Every command that came with an id, also when it led to nothing: its repeat gets the same answer.
create table if not exists command (
    id           uuid primary key,
    stream       text not null,
    version      integer not null,
    events       integer not null,
    refusal      json,
    recorded_at  timestamptz not null default clock_timestamp(),
    request      bytea  -- what a caller asked, as a digest ('' if unknown): kept for some days; null: kept for good
);

-- Leadership by time on the database's clock; whoever acts under a lease proves its epoch in the same transaction.
create table if not exists lease (
    name          text primary key,
    epoch         bigint not null default 0,
    holder        text,
    leased_until  timestamptz not null default '-infinity'
);

-- How far each subscription is, in the same transaction as its effects. topic_id 0...0 is the service's own log,
-- where offsets are positions.
create table if not exists consumer_offset (
    subscription   text not null,
    source         text not null,
    topic_id       uuid not null,
    partition      integer not null,
    next_offset    bigint not null default 0,
    incarnation    integer not null default 0,
    last_position  bigint not null default 0,
    epoch          bigint not null default 0,
    primary key (subscription, topic_id, partition)
);
alter table consumer_offset set (fillfactor = 50);

create table if not exists parked_event (
    subscription    text not null,
    stream          text not null,
    incarnation     integer not null,
    position        bigint not null,
    topic_id        uuid not null,
    partition       integer not null,
    version         integer not null,
    id              uuid not null,
    type            text not null,
    data            bytea not null,
    occurred_at     timestamptz not null,
    recorded_at     timestamptz not null,
    correlation_id  uuid not null,
    causation_id    uuid,
    actor           text not null,
    client          text,
    on_behalf_of    text,
    traceparent     text,
    tracestate      text,
    error           text,
    parked_at       timestamptz not null default clock_timestamp(),
    primary key (subscription, stream, incarnation, position)
);

create table if not exists dropped_event (
    like parked_event including defaults,
    reason      text not null,
    dropped_by  text not null,
    dropped_at  timestamptz not null default clock_timestamp()
);

create table if not exists process (
    name   text not null,
    key    text not null,
    state  json not null,
    primary key (name, key)
);

create table if not exists timer (
    owner           text not null,
    key             text not null,
    due_at          timestamptz not null,
    send            json,
    correlation_id  uuid not null,
    causation_id    uuid not null,
    traceparent     text,
    tracestate      text,
    error           text,
    primary key (owner, key)
);
create index if not exists timer_due on timer (due_at) where error is null;

-- Every build of every view. `generation` names its tables; of one view at most one build is live, which the plain
-- name shows. feed: 'inline' (written by appends), 'log' or 'topic' (written by a subscription).
create table if not exists view_build (
    name        text not null,
    generation  integer not null,
    version     integer not null,
    feed        text not null check (feed in ('inline', 'log', 'topic')),
    live        boolean not null default false,
    tables      text[] not null,
    primary key (name, generation)
);

-- The processes that run now, the view versions that each can keep, and the types of events that it can read.
create table if not exists pod (
    id       uuid primary key,
    views    jsonb not null,
    seen_at  timestamptz not null default clock_timestamp(),
    reads    text[] not null default '{}'
);

-- The types of events that may be written. `since`: the end of the log when the type was admitted; null: with the first.
create table if not exists admitted_type (
    type         text primary key,
    since        bigint,
    admitted_at  timestamptz not null default clock_timestamp()
);

-- What each release's `migrate` was done with here: a process of that release may start.
create table if not exists migration (
    made  text primary key,
    at    timestamptz not null default clock_timestamp()
);

-- The keys of the people whom events speak of, each wrapped by a key from the environment. An erased one keeps its row,
-- so that it can never get a key again. Without autovacuum's leave a destroyed key would linger in dead rows for long.
create table if not exists subject_key (
    subject    uuid primary key,
    master     text,
    wrapped    bytea,
    made_at    timestamptz not null default clock_timestamp(),
    erased_at  timestamptz,
    check ((wrapped is null) = (erased_at is not null) and (wrapped is null) = (master is null))
);
alter table subject_key set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 0);

-- What older stores lack. Only then: an ALTER TABLE that has nothing to do would still lock out everybody.
do $$
declare
    v_table text;
    v_column text;
    v_type text;
begin
    for v_table, v_column, v_type in values
        ('store', 'partitions', 'integer'),
        ('store', 'states_sent', $c$jsonb not null default '{}'$c$),
        ('store', 'sent_before', 'bigint not null default 0'), ('store', 'topic_id', 'uuid'),
        ('event', 'client', 'text'), ('event', 'on_behalf_of', 'text'),
        ('event', 'traceparent', 'text'), ('event', 'tracestate', 'text'),
        ('command', 'request', 'bytea'),
        ('parked_event', 'client', 'text'), ('parked_event', 'on_behalf_of', 'text'),
        ('parked_event', 'traceparent', 'text'), ('parked_event', 'tracestate', 'text'),
        ('dropped_event', 'client', 'text'), ('dropped_event', 'on_behalf_of', 'text'),
        ('dropped_event', 'traceparent', 'text'), ('dropped_event', 'tracestate', 'text'),
        ('timer', 'traceparent', 'text'), ('timer', 'tracestate', 'text'),
        ('pod', 'reads', $c$text[] not null default '{}'$c$)
    loop
        if not exists (select from pg_attribute where attrelid = v_table::regclass and attname = v_column) then
            execute format('alter table %I add column %I %s', v_table, v_column, v_type);
        end if;
    end loop;
end $$;
create index if not exists command_expiry on command (recorded_at) where request is not null;

-- Appends to one or several streams. Streams come sorted by id, so that two appends cannot deadlock; events come in
-- the order in which they get their positions. SQLSTATE CA001: another version than expected (detail: the stream);
-- CA002: the set of views changed, read it anew; CA003: a command of the same id is being handled in another
-- transaction. A command of an id that was handled already violates command_pkey.
create or replace function append(
    p_view_epoch integer,
    p_streams text[], p_expected integer[], p_counts integer[], p_snapshots json[], p_fingerprints text[],
    p_stream text[], p_version integer[], p_type text[], p_data json[],
    p_occurred_at timestamptz[], p_correlation_id uuid[], p_causation_id uuid[], p_actor text[],
    p_client text[], p_on_behalf_of text[], p_traceparent text[], p_tracestate text[],
    p_command_ids uuid[], p_command_streams text[], p_command_versions integer[], p_command_events integer[],
    p_refusals json[], p_requests bytea[]
) returns table (r_position bigint, r_id uuid, r_recorded_at timestamptz, r_incarnation integer)
language plpgsql as $$
declare
    v_now timestamptz := clock_timestamp();
    v_recorded timestamptz := v_now;
    v_stream timestamptz;
    v_epoch integer;
    v_incarnation integer;
begin
    if cardinality(p_command_ids) > 0 then
        -- Only callers' requests: each lock is held to the end, and policies send commands by the hundred.
        perform 1 from unnest(p_command_ids, p_requests) as c (id, request)
            where c.request <> '' and not pg_try_advisory_xact_lock(hashtextextended(c.id::text, 0));
        if found then
            raise exception 'a command is being handled elsewhere' using errcode = 'CA003';
        end if;
        insert into command (id, stream, version, events, refusal, request)
        select * from unnest(p_command_ids, p_command_streams, p_command_versions, p_command_events, p_refusals,
                             p_requests)
            as c (id, stream, version, events, refusal, request)
        order by c.id;  -- nor can two that share commands
    end if;
    for i in 1 .. cardinality(p_streams) loop
        if p_expected[i] = 0 then
            insert into stream (id, version, recorded_at, snapshot, snapshot_version, snapshot_fingerprint)
            values (p_streams[i], p_counts[i], v_now, p_snapshots[i],
                    case when p_snapshots[i] is null then 0 else p_counts[i] end, p_fingerprints[i])
            on conflict do nothing;
        elsif p_snapshots[i] is null then
            update stream set version = version + p_counts[i], recorded_at = greatest(recorded_at, v_now)
            where id = p_streams[i] and version = p_expected[i] returning recorded_at into v_stream;
        else
            update stream set version = version + p_counts[i], recorded_at = greatest(recorded_at, v_now),
                snapshot = p_snapshots[i], snapshot_version = version + p_counts[i],
                snapshot_fingerprint = p_fingerprints[i]
            where id = p_streams[i] and version = p_expected[i] returning recorded_at into v_stream;
        end if;
        if not found then
            raise exception 'stream % is not at version %', p_streams[i], p_expected[i]
                using errcode = 'CA001', detail = p_streams[i];
        end if;
        v_recorded := greatest(v_recorded, v_stream);
    end loop;
    if v_recorded > v_now then  -- the clock stepped back: all of these streams stay monotone
        update stream set recorded_at = v_recorded where id = any (p_streams);
    end if;

    perform pg_advisory_xact_lock_shared(1128355157, 1);
    select view_epoch, incarnation into v_epoch, v_incarnation from store;
    if v_epoch <> p_view_epoch then
        raise exception 'the views changed' using errcode = 'CA002';
    end if;

    return query
        insert into event (stream, version, type, data, occurred_at, recorded_at, correlation_id, causation_id, actor,
                           client, on_behalf_of, traceparent, tracestate)
        select e.stream, e.version, e.type, e.data, e.occurred_at, v_recorded, e.correlation_id, e.causation_id, e.actor,
               e.client, e.on_behalf_of, e.traceparent, e.tracestate
        from unnest(p_stream, p_version, p_type, p_data, p_occurred_at, p_correlation_id, p_causation_id, p_actor,
                    p_client, p_on_behalf_of, p_traceparent, p_tracestate)
            with ordinality
            as e (stream, version, type, data, occurred_at, correlation_id, causation_id, actor, client, on_behalf_of,
                  traceparent, tracestate, n)
        order by e.n
        returning position, id, recorded_at, v_incarnation;
end $$;
