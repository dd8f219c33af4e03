"""What is shown of outlets, tiers, registers and reported money, as lists of statements."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from engine import Fact, Statement
from engine.testing import fact_of
from events import Event
from events.operational import CostReported, SalesReported
from events.partner import OutletClosed, OutletOpened, PartnerTierChanged
from partner import outlet_views, register_views, reported, tier_views
from partner.domain.checklist import OPENING_CHECKLIST
from partner.domain.membership import ProgrammeJoined, ProgrammeLeft, TierChangeProposed, TierProposalOvertaken
from partner.domain.outlet import OutletPlanned
from partner.domain.readiness import ChecklistDrawnUp, ChecklistItemCompleted, ChecklistItemDated, ChecklistItemWaived
from partner.domain.register import Brand, RegisterEntryKept, RegisterEntryRetired
from partner.outlet_views import CHECKLIST_ITEMS, OUTLETS
from partner.register_views import ENTRIES
from partner.tier_views import MEMBERSHIPS, NOTHING_PROPOSED

NOW = datetime(2005, 6, 1, 12, tzinfo=UTC)
PARTNER, OUTLET, FACT = UUID(int=1), UUID(int=2), UUID(int=3)
HERE: dict[str, Any] = {"partner_id": PARTNER, "outlet_id": OUTLET}
STARS: dict[str, Any] = {"partner_id": PARTNER, "programme": "stars"}


def shown(project: Callable[[Fact[Any]], Iterator[Statement]], event: Event) -> list[Statement]:
    return list(project(fact_of(event, stream=f"partner-{PARTNER}", occurred_at=NOW)))


def test_an_outlet_is_planned_open_and_closed() -> None:
    planned = OutletPlanned(**HERE, name="Uptown", area="ES")
    opened = OutletOpened(**HERE, name="Uptown", area="ES", opened_on=date(2005, 1, 2))
    closed = OutletClosed(**HERE, closed_on=date(2005, 2, 3), reason="Moved.")
    key = {"outlet_id": OUTLET}
    assert [shown(outlet_views.project, event) for event in (planned, opened, closed)] == [
        [OUTLETS.upsert("outlet_id", status="planned", **HERE, name="Uptown", area="ES")],
        [OUTLETS.update(key, status="open", opened_on=date(2005, 1, 2))],
        [OUTLETS.update(key, status="closed", closed_on=date(2005, 2, 3), closed_because="Moved.")],
    ]


def test_each_item_of_a_checklist_is_a_row_that_is_done_due_or_waived() -> None:
    assert len(shown(outlet_views.project, ChecklistDrawnUp(**HERE, items=OPENING_CHECKLIST))) == 3
    item = {"outlet_id": OUTLET, "item": "stock"}
    done, due = ChecklistItemCompleted(**HERE, item="stock"), date(2005, 3, 4)
    dated = ChecklistItemDated(**HERE, item="stock", due_on=due)
    waived = ChecklistItemWaived(**HERE, item="stock", reason="Late.")
    assert [shown(outlet_views.project, event) for event in (done, dated, waived)] == [
        [CHECKLIST_ITEMS.update(item, status="done")],
        [CHECKLIST_ITEMS.update(item, due_on=due)],
        [CHECKLIST_ITEMS.update(item, status="waived", waived_because="Late.")],
    ]


def test_a_membership_shows_its_tier_and_what_is_proposed_until_it_is_decided_or_overtaken() -> None:
    proposed = TierChangeProposed(
        **STARS, programme_version=2, from_tier="member", to_tier="gold", direction="promotion", evidence=(FACT,)
    )
    changed = PartnerTierChanged(**STARS, programme_version=2, tier="gold", previous="member", reason="Good.")
    events = (proposed, TierProposalOvertaken(**STARS), changed, ProgrammeLeft(**STARS, reason="No."))
    assert [shown(tier_views.project_memberships, event) for event in events] == [
        [
            MEMBERSHIPS.update(
                STARS,
                proposed_tier="gold",
                direction="promotion",
                programme_version=2,
                evidence=[FACT],
                proposed_at=NOW,
            )
        ],
        [MEMBERSHIPS.update(STARS, **NOTHING_PROPOSED)],
        [MEMBERSHIPS.update(STARS, tier="gold", programme_version=2, changed_at=NOW, **NOTHING_PROPOSED)],
        [MEMBERSHIPS.delete(**STARS)],
    ]
    joined = ProgrammeJoined(**STARS, programme_version=1, tier="member", joined_on=date(2005, 6, 1))
    (row,) = shown(tier_views.project_memberships, joined)
    assert row.args[:4] == (PARTNER, "stars", "member", date(2005, 6, 1))


def test_an_entry_of_a_register_shows_its_principal_and_that_it_is_retired() -> None:
    brand = Brand(name="Burgers", principal="burgers-sa")
    kept = RegisterEntryKept(code="burgers", content=brand)
    retired = RegisterEntryRetired(code="burgers", register_name="brand", reason="Sold.")
    key = {"register": "brand", "code": "burgers"}
    assert [shown(register_views.project, event) for event in (kept, retired)] == [
        [
            ENTRIES.upsert(
                "register",
                "code",
                **key,
                name="Burgers",
                principal="burgers-sa",
                content=brand.model_dump_json().encode(),
            )
        ],
        [ENTRIES.update(key, status="retired", retired_because="Sold.")],
    ]


def test_sales_and_costs_are_kept_by_what_they_are_and_the_newest_restatement_holds() -> None:
    source = {"source": "till", "source_ref": "1", "currency": "EUR", "amount": Decimal(5), "partner_id": PARTNER}
    day = date(2005, 1, 2)
    sale = SalesReported.model_validate({**source, "sale_id": FACT, "sold_on": day, "restatement": 2})
    goods = CostReported.model_validate({**source, "cost_id": FACT, "kind": "goods", "incurred_on": day})
    rent = CostReported.model_validate({**source, "cost_id": FACT, "kind": "rent", "incurred_on": day})
    rows = [shown(reported.project, event)[0] for event in (sale, goods, rent)]
    assert [row.args[2] for row in rows] == ["sales", "goods", "other"]
    assert rows[0].args == (FACT, PARTNER, "sales", day, Decimal(5), "EUR", 2)
    assert "excluded.restatement > {table}.restatement" in rows[0].template
