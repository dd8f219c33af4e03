"""Spans of what the engine does, and the trace context (W3C Trace Context) that commands and facts carry as text.

This is opentelemetry-api alone. Whether spans are made and where they go is for the process to say, by a provider of an
SDK. Without one there are none, and the context that came in is carried on as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from types import TracebackType
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from engine.facts import Context, Fact

Attributes: TypeAlias = Mapping[str, str | int]
Named: TypeAlias = tuple[str | None, str | None]
"""traceparent and tracestate."""

LINKS = 128
"""Of one span; SDKs keep no more, unless they are told to."""

_W3C = TraceContextTextMapPropagator()
_NO_SDK = (trace.ProxyTracerProvider, trace.NoOpTracerProvider)


class Traced(Protocol):
    """A fact, a stored event, the context of a command."""

    @property
    def traceparent(self) -> str | None: ...
    @property
    def tracestate(self) -> str | None: ...


class Correlated(Traced, Protocol):
    @property
    def correlation_id(self) -> UUID: ...


_at_work: ContextVar[Context | None] = ContextVar("at_work", default=None)


# -- between text and OpenTelemetry


def extracted(traceparent: Sequence[str], tracestate: Sequence[str] = ()) -> otel.Context | None:
    """What headers of these values name; None where that is nothing, or is malformed. Of a malformed tracestate only
    that is passed over."""
    if len(traceparent) != 1:
        return None
    found = _W3C.extract({"traceparent": traceparent, "tracestate": tracestate}, otel.Context())
    return found if trace.get_current_span(found).get_span_context().is_valid else None


def current() -> Named:
    """The span that is being worked in, of this process or of the caller."""
    return _named(trace.get_current_span().get_span_context())


def ids() -> dict[str, str]:
    """How a line of the log names the trace and the span that are being worked in; {} without."""
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return {}
    return {"trace_id": trace.format_trace_id(span.trace_id), "span_id": trace.format_span_id(span.span_id)}


def about(each: Correlated) -> dict[str, str]:
    """How a line of the log names what a fact or a command is part of."""
    named = {"correlation_id": str(each.correlation_id)}
    if each.traceparent is not None:
        named |= {"trace_id": each.traceparent[3:35], "span_id": each.traceparent[36:52]}
    return named


def here() -> dict[str, str]:
    """The same of what a policy or a timer is at; {} outside of them."""
    at_work = _at_work.get()
    return {} if at_work is None else about(at_work)


@contextmanager
def working_on() -> Iterator[None]:
    """For one transaction: what it is at is told by `Spans`, and forgotten at its end."""
    token = _at_work.set(None)
    try:
        yield
    finally:
        _at_work.reset(token)


def _named(span: SpanContext) -> Named:
    if not span.is_valid:
        return None, None
    trace_id, span_id = trace.format_trace_id(span.trace_id), trace.format_span_id(span.span_id)
    return f"00-{trace_id}-{span_id}-{span.trace_flags:02x}", span.trace_state.to_header() or None


def _of(traced: Traced) -> otel.Context:
    """Empty where it carries nothing: a span in it begins a trace."""
    carrier = {"traceparent": traced.traceparent or "", "tracestate": traced.tracestate or ""}
    return _W3C.extract(carrier, otel.Context())


def _at(context: Context) -> Context:
    _at_work.set(context)
    return context


def _within(context: Context, span: Span) -> Context:
    traceparent, tracestate = _named(span.get_span_context())
    return replace(context, traceparent=traceparent, tracestate=tracestate)


# -- spans


def _tracer() -> Tracer | None:
    """None without an SDK."""
    provider = trace.get_tracer_provider()
    return None if isinstance(provider, _NO_SDK) else _tracer_of(provider)


@lru_cache(maxsize=1)
def _tracer_of(provider: trace.TracerProvider) -> Tracer:
    return provider.get_tracer("cauce.engine")


@contextmanager
def handling(what: str, context: Context, count: int = 1) -> Iterator[Context]:
    """A span for commands that are decided and appended together; gives the context that their events are to carry."""
    tracer = _tracer()
    if tracer is None:
        yield context
        return
    # What is being worked in is the better parent where it is the same: it is known to be of this process.
    here = context.traceparent is None or context.traceparent == current()[0]
    attributes: Attributes = {"cauce.correlation_id": str(context.correlation_id), "cauce.commands": count}
    parent = None if here else _of(context)
    with _working_in(tracer.start_span(f"handle {what}", parent, attributes=attributes)) as span:
        yield _within(context, span)


class Spans:
    """Of one transaction that reacts to facts or fires a timer: they end with it, and fail with it."""

    def __init__(self, subscription: str, *, own: bool) -> None:
        """`own`: what it hears comes from the service's own log, and no broker has a part in it."""
        self._subscription = subscription
        self._own = own
        self._tracer = _tracer()
        self._open: list[Span] = []

    def reacting(self, fact: Fact[Any], context: Context) -> Context:
        """A span for the reaction to a fact, in the fact's trace; returns the context of what it leads to."""
        if self._tracer is None:
            return _at(context)
        attributes = {
            "cloudevents.event_id": str(fact.event_id),
            "cloudevents.event_type": fact.event.event_type,
            "cloudevents.event_subject": fact.stream,
        }
        return self._begin(self._tracer, "process", context, attributes)

    def firing(self, key: str, context: Context) -> Context:
        """The same for a timer, in the trace of what set it."""
        if self._tracer is None:
            return _at(context)
        return self._begin(self._tracer, "fire", context, {"cauce.timer": key})

    def projecting(self, facts: Sequence[Fact[Any]]) -> None:
        """One span for all of them: it is linked to theirs, as views are made of many at once."""
        if self._tracer is not None:
            count = {"messaging.batch.message_count": len(facts)}
            self._start(self._tracer, "process", otel.Context(), count, links_to(facts))

    def _begin(self, tracer: Tracer, verb: str, context: Context, attributes: Attributes) -> Context:
        known = {"cauce.correlation_id": str(context.correlation_id)}
        return _at(_within(context, self._start(tracer, verb, _of(context), {**attributes, **known})))

    def _start(
        self, tracer: Tracer, verb: str, parent: otel.Context, attributes: Attributes, links: Sequence[Link] = ()
    ) -> Span:
        kind = SpanKind.INTERNAL
        said: dict[str, str | int] = {"cauce.subscription": self._subscription}
        if verb == "process" and not self._own:
            kind = SpanKind.CONSUMER
            said |= {
                "messaging.system": "kafka",
                "messaging.operation.type": "process",
                "messaging.operation.name": "process",
                "messaging.destination.subscription.name": self._subscription,
            }
        span = tracer.start_span(f"{verb} {self._subscription}", parent, kind, {**said, **attributes}, links)
        self._open.append(span)
        return span

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        spans, self._open = self._open, []
        for span in spans:
            if error is not None:
                _failed(span, error if span is spans[-1] else None)
            span.end()


def links_to(all_traced: Iterable[Traced]) -> list[Link]:
    """To the first of their spans, each once; none without an SDK."""
    if _tracer() is None:
        return []
    distinct = {each.traceparent: each for each in all_traced if each.traceparent is not None}
    return [Link(trace.get_current_span(_of(each)).get_span_context()) for each in islice(distinct.values(), LINKS)]


@contextmanager
def sending(topic: str, records: int, links: Sequence[Link]) -> Iterator[None]:
    """A span for a window of records: a trace of its own, linked to those whose events it sends."""
    tracer = _tracer()
    if tracer is None:
        yield
        return
    attributes: Attributes = {
        "messaging.system": "kafka",
        "messaging.operation.type": "send",
        "messaging.operation.name": "send",
        "messaging.destination.name": topic,
        "messaging.batch.message_count": records,
    }
    with _working_in(tracer.start_span(f"send {topic}", otel.Context(), SpanKind.PRODUCER, attributes, links)):
        yield


@contextmanager
def _working_in(span: Span) -> Iterator[Span]:
    with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield span
        except Exception as error:
            _failed(span, error)
            raise


def _failed(span: Span, error: BaseException | None) -> None:
    """The text of an error may tell of what is in events: the log has it. Without one: undone with others."""
    span.set_attribute("error.type", "undone" if error is None else type(error).__name__)
    span.set_status(StatusCode.ERROR)
