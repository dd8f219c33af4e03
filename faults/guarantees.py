"""What must hold of one service, whatever was done to it. Each check yields a sentence for everything that does not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from engine.kafka import partition_of
from engine.wire import Raw

from faults.evidence import Evidence, data_of, name_of
from faults.ledger import Asked


def acknowledged_once(evidence: Evidence, asked: Sequence[Asked]) -> Iterator[str]:
    """Each event that a client was told of is in its stream exactly once, where it was told."""
    at = {(event.stream[-36:], event.version): event for event in evidence.events}
    for each in asked:
        if each.service != evidence.service or each.outcome != "acknowledged" or each.lines:
            continue
        receipt = each.receipt
        found = evidence.by_correlation.get(each.correlation_id, ())
        own = [event for event in found if event.stream[-36:] == receipt["id"]]
        if [event.type for event in own] != list(receipt["events"]) or not _together(own, found):
            yield f"{each}: told of {receipt['events']}, and there is {[name_of(event) for event in found]}"
        elif receipt["position"] is not None:
            last = at.get((receipt["id"], receipt["version"]))
            if last is None or last.position != receipt["position"]:
                yield f"{each}: its event is not at version {receipt['version']}, position {receipt['position']}"


def uploads_once(evidence: Evidence, asked: Sequence[Asked]) -> Iterator[str]:
    """Each line of an acknowledged upload is recorded exactly once, and as it was sent; no line more often."""
    reported = defaultdict(list)
    for event in evidence.called("KPIReported"):
        reported[data_of(event)["source_ref"]].append(data_of(event))
    for each in asked:
        if each.service != evidence.service or not each.lines:
            continue
        refused = {error["line"] for error in each.receipt.get("errors", ())}
        for number, line in enumerate(each.lines, start=2):
            found = reported.get(line.source_ref, ())
            kept = [(r["partner_id"], r["period"], float(r["value"])) for r in found]
            there = kept == [(line.partner_id, line.period, float(line.value))]
            if each.outcome == "acknowledged" and number not in refused and not there:
                yield f"{each}: line {number} ({line}) is recorded as {kept}"
            if len(kept) > 1:
                yield f"{each}: line {number} ({line}) is recorded {len(kept)} times"


def never_half(evidence: Evidence, asked: Sequence[Asked]) -> Iterator[str]:
    """A command that nobody answered happened wholly or not at all; one that was refused did not happen."""
    versions = {(event.stream, event.version): event for event in evidence.events}
    whole: dict[UUID, tuple[str, int]] = {}
    for kept in evidence.commands.values():
        mine = [versions.get((kept.stream, v)) for v in range(kept.version - kept.events + 1, kept.version + 1)]
        if None in mine:
            yield f"a command led to {kept.events} events up to {kept.stream}@{kept.version}, and some are not there"
        elif mine and mine[0] is not None and mine[0].causation_id is None:
            whole[mine[0].correlation_id] = (kept.stream, kept.events)
    for each in asked:
        if each.service != evidence.service or each.lines or each.outcome == "acknowledged":
            continue
        found = evidence.by_correlation.get(each.correlation_id, ())
        stream, count = whole.get(each.correlation_id, ("", 0))
        own = [event for event in found if event.stream == stream]
        if each.outcome == "refused" and found:
            yield f"{each}: refused with {each.problem}, and {len(found)} events are there"
        if each.outcome == "unknown" and (len(own) != count or not _together(own, found)):
            there = [name_of(event) for event in found]
            yield f"{each}: {there} are there, and {count} are to be in {stream or 'no stream'}"


def _together(own: Sequence[Raw], all_of_it: Sequence[Raw]) -> bool:
    """What a command led to in other streams came with its own, in one transaction: of which there is one clock."""
    return {event.recorded_at for event in all_of_it} == {event.recorded_at for event in own}


def contiguous(evidence: Evidence) -> Iterator[str]:
    """Every stream runs from 1 to its version without a gap, in the order of positions and of the recording clock."""
    streams = defaultdict(list)
    for event in evidence.events:
        streams[event.stream].append(event)
    for stream, version in evidence.streams.items():
        found = [event.version for event in streams.get(stream, ())]
        if found != list(range(1, version + 1)):
            yield f"{stream} is at version {version} and has {found}"
        clock = [event.recorded_at for event in streams.get(stream, ())]
        if clock != sorted(clock):
            yield f"{stream}: recorded_at steps back"
    for stream in streams.keys() - evidence.streams.keys():
        yield f"{stream} has events and no stream"


def published(evidence: Evidence) -> Iterator[str]:
    """A consumer with a watermark hears every public event, unchanged, in the partition of its stream."""
    heard = {raw.id: raw for raw in evidence.heard}
    partitions = {sent.raw.id: sent.partition for sent in evidence.topic}
    on_topic = partitions.keys()
    for event in evidence.public:
        there = heard.get(event.id)
        if there is None:
            how = "on the topic, behind a later one: consumers pass over it" if event.id in on_topic else "not there"
            yield f"{name_of(event)} at position {event.position} of {event.stream} is {how}"
        elif (there.data, there.stream, there.version) != (event.data, event.stream, event.version):
            yield f"{name_of(event)} at position {event.position} says something else on the topic"
        elif partitions[event.id] != partition_of(event.stream, evidence.partitions):
            yield f"{name_of(event)} of {event.stream} is in partition {partitions[event.id]}"


def ordered(evidence: Evidence) -> Iterator[str]:
    """What a consumer hears of a stream comes in the stream's order."""
    at: dict[str, int] = {}
    for raw in evidence.heard:
        if raw.id in evidence.lost:
            continue
        if raw.version <= at.get(raw.stream, 0):
            yield f"{raw.stream}: version {raw.version} comes after {at[raw.stream]}"
        at[raw.stream] = raw.version


def nothing_foreign(evidence: Evidence) -> Iterator[str]:
    """Nothing is on the topic that the store does not have, but for what a restored store has lost."""
    known = {event.id for event in evidence.public} | evidence.lost
    for sent in evidence.topic:
        if sent.raw.id not in known:
            yield f"{name_of(sent.raw)} at offset {sent.partition}/{sent.offset} is not in the store"


def repeats(evidence: Evidence) -> int:
    return len(evidence.topic) - len({sent.raw.id for sent in evidence.topic})


def repeated_in_bounds(evidence: Evidence, window: int, stumbles: int) -> Iterator[str]:
    """The relay sends one window again at most, when it was taken over or has stumbled."""
    times = evidence.takeovers + stumbles
    if repeats(evidence) > times * window:
        yield f"{repeats(evidence)} records are repeats, with a window of {window} and {times} reasons to begin anew"
    for position, again in sent_again(evidence):
        if again > window:
            yield f"after position {position} the relay sent {again} events of one partition again"


def sent_again(evidence: Evidence) -> Iterator[tuple[int, int]]:
    """Where a partition steps back: after which position, and how many events come there again. How far back they lie
    says nothing: one that slept with a window in hand sends it when its successor is far ahead."""
    highest: dict[int, tuple[int, int]] = {}
    running: dict[int, int] = defaultdict(int)
    for sent in evidence.topic:
        place = (sent.raw.incarnation, sent.raw.position)
        if place <= highest.get(sent.partition, (0, 0)):
            running[sent.partition] += 1
            continue
        if again := running.pop(sent.partition, 0):
            yield highest[sent.partition][1], again
        highest[sent.partition] = place
    yield from ((highest[partition][1], again) for partition, again in running.items() if again)


def effects_once(evidence: Evidence) -> Iterator[str]:
    """No cause has the same effect on one stream twice."""
    counted = Counter(
        (event.causation_id, event.actor, event.stream, event.type)
        for event in evidence.events
        if event.causation_id is not None
        and name_of(event) != "EvaluationRestated"  # one cause may restate two periods
    )
    for (cause, actor, stream, type), times in counted.items():
        if times > 1:
            yield f"{actor}: {cause} led to {type} in {stream} {times} times"


def nothing_waits(evidence: Evidence, now: datetime) -> Iterator[str]:
    """All is published, nothing is parked, and every timer that was due has fired."""
    if evidence.events and evidence.published < evidence.events[-1].position:
        yield f"published up to {evidence.published} of {evidence.events[-1].position}"
    for parked in evidence.parked:
        yield f"parked: {parked}"
    for timer in evidence.timers:
        if timer.error is not None:
            yield f"timer {timer.owner}/{timer.key} was set aside: {timer.error}"
        elif timer.due_at <= now:
            yield f"timer {timer.owner}/{timer.key}, due at {timer.due_at}, has not fired"
