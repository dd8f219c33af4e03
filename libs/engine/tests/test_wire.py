"""How a fact travels: CloudEvents in binary mode, there and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from engine.decider import Codec
from engine.wire import UNREADABLE, Headers, Raw, headers_of, raw_from, unreadable
from events.envelope import ENVELOPE, sequence, source_of
from events.partner import PartnerActivated
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

ID = UUID(int=1)
RAW = Raw(
    id=ID,
    stream=f"partner-{ID}",
    version=3,
    type="cauce.partner.PartnerActivated.v1",
    data=b'{"partner_id":"%s"}' % str(ID).encode(),
    position=41,
    incarnation=2,
    occurred_at=datetime(2003, 5, 4, 3, 2, 1, tzinfo=UTC),
    recorded_at=datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=UTC),
    correlation_id=UUID(int=2),
    causation_id=UUID(int=3),
    actor="ana",
    client="erp",
    on_behalf_of="ben",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    tracestate="rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
)

instants = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9)), timezone(timedelta(hours=14))]))
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
raws = st.builds(
    Raw,
    id=st.uuids(),
    stream=texts,
    version=st.integers(1, 2**31 - 1),
    type=texts,
    data=st.binary(),
    position=st.integers(1, 2**63 - 1),
    incarnation=st.integers(1, 2**31 - 1),
    occurred_at=instants,
    recorded_at=instants,
    correlation_id=st.uuids(),
    causation_id=st.none() | st.uuids(),
    actor=texts,
    client=st.none() | texts.filter(bool),
    on_behalf_of=st.none() | texts.filter(bool),
    traceparent=st.none(),
    tracestate=st.none(),
)


@given(raws)
def test_every_fact_arrives_as_it_was_sent(raw: Raw) -> None:
    arrived = raw_from(headers_of(raw, "/cauce/partner"), raw.data)
    assert arrived == raw
    assert arrived.occurred_at.utcoffset() == timedelta(0)


def test_the_headers_are_cloudevents_in_binary_mode_with_a_plain_json_value() -> None:
    headers = dict(headers_of(RAW, "/cauce/partner"))
    assert headers == {
        "content-type": b"application/json",
        "ce_specversion": b"1.0",
        "ce_id": b"00000000-0000-0000-0000-000000000001",
        "ce_source": b"/cauce/partner",
        "ce_type": b"cauce.partner.PartnerActivated.v1",
        "ce_time": b"2003-05-04T03:02:01Z",
        "ce_subject": b"partner-00000000-0000-0000-0000-000000000001",
        "ce_partitionkey": b"partner-00000000-0000-0000-0000-000000000001",
        "ce_correlationid": b"00000000-0000-0000-0000-000000000002",
        "ce_causationid": b"00000000-0000-0000-0000-000000000003",
        "ce_actor": b"ana",
        "ce_client": b"erp",
        "ce_onbehalfof": b"ben",
        "ce_sequence": b"0000000002.0000000000000000041",
        "ce_incarnation": b"2",
        "ce_position": b"41",
        "ce_streamversion": b"3",
        "ce_recordedat": b"2026-03-02T09:00:00.123456Z",
        "ce_traceparent": b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "ce_tracestate": b"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
    }


def test_every_attribute_that_is_declared_is_sent_and_looks_as_declared() -> None:
    headers = {name: value.decode() for name, value in headers_of(RAW, source_of("partner"))}
    assert headers.keys() == {"content-type", *(attribute.header for attribute in ENVELOPE)}
    for attribute in ENVELOPE:
        Draft202012Validator(attribute.schema, format_checker=FormatChecker()).validate(headers[attribute.header])
    bare = RAW._replace(causation_id=None, client=None, on_behalf_of=None, traceparent=None, tracestate=None)
    assert headers.keys() - dict(headers_of(bare, source_of("partner"))) == {a.header for a in ENVELOPE if a.optional}


@given(st.lists(st.tuples(st.integers(1, 2**31 - 1), st.integers(1, 2**63 - 1)), min_size=2, max_size=2))
def test_sequences_compare_as_text_as_incarnations_and_positions_do(places: list[tuple[int, int]]) -> None:
    first, second = (sequence(*place) for place in places)
    assert (first < second) == (places[0] < places[1])


def test_a_fact_is_decoded_with_everything_the_log_knows_of_it() -> None:
    fact = RAW.fact(Codec([PartnerActivated]))
    assert fact.event == PartnerActivated(partner_id=ID)
    assert (fact.event_id, fact.stream, fact.version, fact.position, fact.incarnation) == (
        RAW.id, RAW.stream, 3, 41, 2
    )  # fmt: skip
    assert (fact.occurred_at, fact.recorded_at) == (RAW.occurred_at, RAW.recorded_at)
    assert (fact.correlation_id, fact.causation_id, fact.actor) == (UUID(int=2), UUID(int=3), "ana")


OURS = headers_of(RAW, "/cauce/partner")


def changed(name: str, value: bytes) -> Headers:
    return [(n, value if n == name else v) for n, v in OURS]


@pytest.mark.parametrize(
    "missing",
    [name for name, _ in OURS if name not in ("content-type", "ce_specversion", "ce_source", "ce_partitionkey",
                                              "ce_sequence", "ce_causationid", "ce_client", "ce_onbehalfof",
                                              "ce_traceparent", "ce_tracestate")],
)  # fmt: skip
def test_a_record_without_one_of_our_headers_is_not_ours(missing: str) -> None:
    with pytest.raises(KeyError):
        raw_from([(name, value) for name, value in OURS if name != missing], b"{}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_id", b"7"),
        ("ce_id", b"\xff\xfe"),
        ("ce_streamversion", b"three"),
        ("ce_streamversion", str(2**31).encode()),
        ("ce_position", b""),
        ("ce_position", b"-1"),
        ("ce_position", str(2**63).encode()),
        ("ce_incarnation", str(2**31).encode()),
        ("ce_time", b"yesterday"),
        ("ce_time", b"2026-03-02T09:00:00"),
        ("ce_recordedat", b"2026-03-02"),
        ("ce_subject", b"partner\x00"),
        ("ce_type", b"\xc3\x28"),
        ("ce_actor", b"\x00"),
        ("ce_correlationid", b""),
        ("ce_causationid", b"nobody"),
    ],
)
def test_a_record_with_a_header_that_cannot_be_read_or_kept_is_not_ours(name: str, value: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whose message it is does not matter
        raw_from(changed(name, value), b"{}")


def test_a_record_from_before_traces_is_read() -> None:
    older = raw_from([(name, value) for name, value in OURS if "trace" not in name], b"{}")
    assert older == RAW._replace(data=b"{}", traceparent=None, tracestate=None)


TRACE, SPAN = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"


@pytest.mark.parametrize(
    "traceparent",
    [
        b"",
        b"00",
        b"\x00\xff",
        b"00-" + TRACE + b"-" + SPAN,
        b"00-" + TRACE.upper() + b"-" + SPAN + b"-01",
        b"ff-" + TRACE + b"-" + SPAN + b"-01",
        b"00-" + b"0" * 32 + b"-" + SPAN + b"-01",
        b"00-" + TRACE + b"-" + b"0" * 16 + b"-01",
        b"00-" + TRACE + b"-" + SPAN + b"-01-more",
    ],
    ids=range(9),
)
def test_a_trace_that_is_malformed_is_passed_over_and_the_record_is_read(traceparent: bytes) -> None:
    read = raw_from(changed("ce_traceparent", traceparent), RAW.data)
    assert read == RAW._replace(traceparent=None, tracestate=None)


@pytest.mark.parametrize("tracestate", [b"", b"\xc3\x28", b"a=\x00", b"a=" + b"x" * 511], ids=range(4))
def test_of_a_malformed_tracestate_only_that_is_passed_over(tracestate: bytes) -> None:
    read = raw_from(changed("ce_tracestate", tracestate), RAW.data)
    assert read == RAW._replace(tracestate=None)


def test_a_record_without_a_value_is_not_ours() -> None:
    with pytest.raises(ValueError, match="without a value"):
        raw_from(OURS, None)


def test_what_is_not_ours_gets_a_stream_and_an_id_of_its_own_always_the_same() -> None:
    at = RAW.recorded_at
    one = unreadable("partner.events", 2, 17, at, b"\x00junk")
    assert one == unreadable("partner.events", 2, 17, at, b"\x00junk")
    assert (one.type, one.data, one.position, one.recorded_at) == (UNREADABLE, b"\x00junk", 17, at)
    others = [unreadable("partner.events", 2, 18, at, b""), unreadable("partner.events", 1, 17, at, b"")]
    assert len({one.id, *(other.id for other in others)}) == 3
    assert len({one.stream, *(other.stream for other in others)}) == 3
