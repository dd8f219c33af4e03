"""The route of roll-ups: a period's evaluations by channel or by territory."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from service import Listing, Page, Read, listing, scope
from service.paging import Window

from performance.domain.period import Period, begins, ends
from performance.domain.roll_up import UNASSIGNED, MetricRollUp, RollUp, mean

READ = scope("performance:read")

router = APIRouter(prefix="/periods/{period}/roll-ups", tags=["evaluations"])

By = Literal["channel", "territory"]
DEEPEST = 6

# A channel is one of those that the partner's contracts in force in the period were granted for.
MEMBERS: dict[By, str] = {
    "channel": """
select distinct partner_id, channel as member from partner_channels
where in_force_from < $3 and (ended_at is null or ended_at > $4)
""",
    "territory": """
select partner_id, array_to_string((string_to_array(area, '-'))[:$3::int], '-') as member from known_partners
where area is not null
""",
}
GROUPED = f"""
with member as ({{members}}), judged as (
    select e.partner_id, e.total, e.band, coalesce(e.trend, 'first') as trend, e.scores,
           coalesce(m.member, '{UNASSIGNED}') as member
    from evaluations e left join member m on m.partner_id = e.partner_id where e.period = $1
), missed as (
    select coalesce(m.member, '{UNASSIGNED}') as member
    from missed_reports r left join member m on m.partner_id = r.partner_id where r.period = $1
)"""
TOTALS = """
select member, count(*) as partners, sum(total) as total, min(total) as lowest, max(total) as highest
from judged where member > $2 group by member order by member limit {limit}
"""
COUNTED = """
select member, 'bands' as what, band as name, count(*) as count from judged where member = any ($2)
group by member, band
union all
select member, 'trends', trend, count(*) from judged where member = any ($2) group by member, trend
union all
select member, 'missed', '', count(*) from missed where member = any ($2) group by member
order by 1, 2, 3
"""
SCORED = """
select j.member, s.value ->> 'metric' as metric, count(*) as partners, sum((s.value ->> 'score')::numeric) as score
from judged j, json_array_elements(j.scores) s where j.member = any ($2) group by 1, 2 order by 1, 2
"""


@router.get("", dependencies=[READ])
async def list_roll_ups(
    period: Period,
    db: Read,
    page: Page,
    by: Annotated[By, Query(description="What partners are grouped by.")] = "territory",
    depth: Annotated[
        int, Query(ge=1, le=DEEPEST, description="Parts of an area that make a territory: 1 `US`, 2 `US-AK`.")
    ] = 2,
) -> Listing[RollUp]:
    """The period's evaluations by channel or by territory, in the order of their names: how many partners, the mean of
    their totals, each counting once, how many are in each band, and the mean score of each metric. A partner is in the
    channels that its contracts in force in the period are granted for, and in the area that it was registered with;
    without either it is `unassigned`."""
    of = (depth,) if by == "territory" else (ends(period), begins(period))
    return await grouped(db, page, period, GROUPED.format(members=MEMBERS[by]), of)


async def grouped(db: Read, page: Window, period: str, judged: str, of: tuple[Any, ...]) -> Listing[RollUp]:
    limit = TOTALS.format(limit=page.limit + 1)
    rows = await db.fetch(judged + limit, period, page.after or "", *of)
    members = [row["member"] for row in rows]
    counts: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for row in await db.fetch(judged + COUNTED, period, members, *of):
        counts[row["member"], row["what"]][row["name"]] = row["count"]
    scores: defaultdict[str, list[MetricRollUp]] = defaultdict(list)
    for row in await db.fetch(judged + SCORED, period, members, *of):
        mean_score = mean(row["score"], row["partners"])
        scores[row["member"]].append(
            MetricRollUp(metric=row["metric"], partners=row["partners"], mean_score=mean_score)
        )
    made = [
        {
            "member": row["member"],
            "partners": row["partners"],
            "mean": mean(row["total"], row["partners"]),
            "lowest": row["lowest"],
            "highest": row["highest"],
            "bands": counts[row["member"], "bands"],
            "trends": counts[row["member"], "trends"],
            "metrics": tuple(scores[row["member"]]),
            "missed_reports": sum(counts[row["member"], "missed"].values()),
        }
        for row in rows
    ]
    return listing(made, page, key=lambda row: str(row["member"]), item=RollUp)
