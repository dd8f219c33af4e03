"""What there is when all is loaded: counted from the topics, and three partners worth a look."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from sample.dates import year_closed
from sample.joining import Row, together
from sample.services import TOKEN_FILE, Service
from sample.story import Story
from sample.topics import distinct_events

WHERE = {
    "partners": ("partner", "PartnerRegistered"),
    "kpi_reports": ("performance", "KPIReported"),
    "evaluations": ("performance", "PartnerEvaluated"),
    "flags": ("risk", "RiskFlagged"),
    "suspensions": ("partner", "PartnerSuspended"),
    "reinstatements": ("partner", "PartnerReinstated"),
}
"""Which event a figure counts, and on whose topic."""


@dataclass(frozen=True)
class Summary:
    """`events`: distinct events by topic."""

    partners: int
    kpi_reports: int
    evaluations: int
    flags: int
    suspensions: int
    reinstatements: int
    events: dict[str, int]
    elapsed_seconds: float

    def write(self) -> Path:
        """Beside the token: `.run/summary.json`."""
        path = Path(os.environ.get("CAUCE_TOKEN_FILE", TOKEN_FILE)).with_name("summary.json")
        path.write_bytes(orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        return path


async def counted(services: Mapping[str, Service], elapsed: float) -> Summary:
    topics = await distinct_events(services)
    figures = {what: topics[f"{service}.events"].get(event, 0) for what, (service, event) in WHERE.items()}
    events = {topic: sum(kinds.values()) for topic, kinds in topics.items()}
    return Summary(**figures, events=events, elapsed_seconds=round(elapsed, 1))


async def tell(summary: Summary, services: Mapping[str, Service], story: Story) -> None:
    story.heading("What there is now")
    for what in WHERE:
        story.say(f"  {what.replace('_', ' '):<20}{getattr(summary, what):>8,}")
    for topic, number in summary.events.items():
        story.say(f"  {topic:<20}{number:>8,} events")
    story.say(f"  {'elapsed':<20}{summary.elapsed_seconds:>8.0f} s")
    story.heading("Three partners worth a look")
    for sentence, url in await worth_a_look(services):
        story.say(f"  {sentence}")
        story.why(url)


async def worth_a_look(services: Mapping[str, Service]) -> list[tuple[str, str]]:
    """Sentences with the URL that shows why."""
    partner, risk = services["partner"], services["risk"]
    partners, applications, restrictions = await together(
        [partner.items("/partners"), partner.items("/applications"), risk.items("/restrictions")]
    )
    names = {row["partner_id"]: row["legal_name"] for row in partners}
    found = [*_most_suspended(restrictions, names, risk), *_suspended_longest(restrictions, names, partner)]
    held = [row for row in applications if row["looks_like"] is not None]
    for row in sorted(held, key=lambda row: str(row["legal_name"]))[-1:]:
        what = f"{row['legal_name']} was taken for {row['looks_like_name']}, and registered by a person's decision."
        found.append((what, f"{partner.url}/applications/{row['application_id']}"))
    return found


def _most_suspended(restrictions: Sequence[Row], names: Mapping[str, str], risk: Service) -> Iterator[tuple[str, str]]:
    times = Counter(row["partner_id"] for row in restrictions)
    for id in sorted(times, key=lambda each: (-times[each], names[each]))[:1]:
        often = {1: "once", 2: "twice"}.get(times[id], f"{times[id]} times")
        yield f"{names[id]} was suspended {often}.", f"{risk.url}/risk-profiles/{id}/why"


def _suspended_longest(
    restrictions: Sequence[Row], names: Mapping[str, str], partner: Service
) -> Iterator[tuple[str, str]]:
    holding = [row for row in restrictions if row["status"] == "active"]
    for row in sorted(holding, key=lambda row: (row["imposed_at"], names[row["partner_id"]]))[:1]:
        what = f"{names[row['partner_id']]} has been suspended since the closing of {year_closed(row['imposed_at'])}."
        yield what, f"{partner.url}/partners/{row['partner_id']}"
