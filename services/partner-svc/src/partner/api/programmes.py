"""Routes: programmes with their tiers, and partners in them."""

from __future__ import annotations

from datetime import UTC, date
from uuid import UUID

from engine import Command, Rows, Unknown
from fastapi import APIRouter
from service import (
    At,
    Clock,
    Collection,
    Drafts,
    Handle,
    HandlePut,
    HandleSeen,
    Read,
    Receipt,
    history_of,
    list_of,
    own,
    scope,
)

from partner.api.shown_programmes import (
    MembershipRow,
    MembershipView,
    NextTier,
    PlacedOtherwise,
    ProgrammePreview,
    ProgrammeView,
    programme_view,
)
from partner.api.versioned import MOST_SHOWN, shown_differences
from partner.domain.membership import DecideTier, JoinProgramme, LeaveProgramme, membership_of
from partner.domain.partner import partners
from partner.domain.programme import (
    DraftProgramme,
    ProgrammeContent,
    ProgrammeTerms,
    programme_id,
    programmes,
)
from partner.domain.tier import Membership, lacking, next_tier, proposed
from partner.domain.words import Code, Reason
from partner.tier_views import memberships_view, programmes_view

READ, DECIDE = scope("partner:read"), scope("partner:decide")

router = APIRouter(prefix="/programmes", tags=["programmes"])
members = APIRouter(prefix="/memberships", tags=["programmes"])
of_partner = APIRouter(prefix="/partners/{partner_id}/programmes", tags=["programmes"])

PROGRAMMES = Collection(programmes, programmes_view, ProgrammeView, key="code", sorts=("title",), shown=programme_view)
MEMBERSHIPS = Collection(
    partners,
    memberships_view,
    MembershipRow,
    key=("partner_id", "programme"),
    filters=("partner_id", "programme", "tier", "direction"),
    sorts=("changed_at", "proposed_at"),
)
MEMBERS = "select partner_id from memberships where programme = $1 order by partner_id"


class DraftedProgramme(Command):
    content: ProgrammeContent


class Joining(Command):
    reason: Reason


class TierDecision(Command):
    """`to_tier` says which proposal is meant."""

    to_tier: Code
    accept: bool
    reason: Reason


class Leaving(Command):
    reason: Reason


async def terms_of(db: Rows, code: str) -> ProgrammeTerms:
    """The programme's newest version. Raises Unknown."""
    found = await db.fetchval("select terms from programmes where code = $1 and terms is not null", code)
    if found is None:
        raise Unknown("partner.programme_unknown", programme=code)
    return ProgrammeTerms.model_validate_json(found)


# -- programmes


@router.put("/{code}/draft", dependencies=[DECIDE])
async def draft_programme(code: Code, body: DraftedProgramme, handle: HandlePut) -> Receipt:
    """What the next version is to be; nobody is placed by it yet."""
    command = DraftProgramme(code=code, content=body.content, occurred_at=body.occurred_at)
    return await handle(programmes, programme_id(code), command)


@router.get("/{code}/draft/preview", dependencies=[READ])
async def preview_programme(code: Code, db: Read, clock: Clock) -> ProgrammePreview:
    """Which partners the draft would propose for another tier than the version that holds. Nobody's tier changes by a
    publication: the next evaluation proposes what follows."""
    state = (await db.state(programmes, programme_id(code), programme=code)).state
    drafted, today = state.drafted(), clock.astimezone(UTC).date()
    otherwise, rows = [], await db.fetch(MEMBERS, code)
    for row in rows:
        membership = (await db.load(partners, row["partner_id"])).state.memberships[code]
        now, then = [placed(terms, membership, today) for terms in (state.terms or drafted, drafted)]
        if now != then:
            otherwise.append(
                PlacedOtherwise(
                    partner_id=row["partner_id"], tier=membership.tier, proposed_tier=now, proposed_tier_then=then
                )
            )
    return ProgrammePreview(
        code=code,
        version=drafted.version,
        differences=shown_differences(state.terms, state.draft or drafted),
        members=len(rows),
        placed_otherwise=len(otherwise),
        partners=otherwise[:MOST_SHOWN],
    )


def placed(terms: ProgrammeTerms, membership: Membership, today: date) -> str:
    """Where the partner would be if what is proposed were accepted."""
    wanted = proposed(terms, membership, today)
    return terms.tiers[terms.place(membership.tier)].code if wanted is None else wanted.to_tier


drafts = Drafts(router, programmes, programme_id, {"code": Code}, DECIDE)
drafts.publication(
    "publish_programme",
    "Evaluations that come from now on are judged by the draft. If-Match names the version that was looked at.",
)
drafts.discarding("discard_programme")

router.add_api_route("", list_of(PROGRAMMES), methods=["GET"], dependencies=[READ])


@router.get("/{code}", dependencies=[READ])
async def read_programme(code: Code, db: Read, at: At) -> ProgrammeView:
    """The programme in its newest version, and the draft of the next if there is one."""
    return await db.one(PROGRAMMES, at, of=programme_id(code), code=code)


router.add_api_route(
    "/{code}/history", history_of(programmes, "code", programme_id), methods=["GET"], dependencies=[READ]
)


# -- partners in them


members.add_api_route(
    "",
    list_of(MEMBERSHIPS, "Who is in which tier of which programme, and what is proposed: `?direction=promotion`."),
    methods=["GET"],
    dependencies=[READ, own(query="partner_id")],
)


@of_partner.put("/{code}", dependencies=[DECIDE])
async def join_programme(partner_id: UUID, code: Code, body: Joining, db: Read, handle: Handle) -> Receipt:
    """The partner is in the programme from now on, in its lowest tier."""
    command = JoinProgramme(terms=await terms_of(db, code), reason=body.reason, occurred_at=body.occurred_at)
    return await handle(partners, partner_id, command)


@of_partner.get("/{code}", dependencies=[READ, own("partner_id", reads=["programmes"])])
async def read_membership(partner_id: UUID, code: Code, db: Read) -> MembershipView:
    """The partner's tier with its benefits, the evaluations that count, and what is proposed."""
    state = (await db.state(partners, partner_id, partner_id=partner_id)).state
    membership, terms = membership_of(state, code), await terms_of(db, code)
    tier = terms.tiers[terms.place(membership.tier)]
    return MembershipView(
        partner_id=partner_id,
        programme=code,
        tier=membership.tier,
        title=tier.title,
        joined_on=membership.joined_on,
        benefits=list(tier.benefits),
        evaluations=list(membership.evaluations),
        proposal=membership.proposal,
    )


@of_partner.get("/{code}/next-tier", dependencies=[READ, own("partner_id", reads=["programmes"])])
async def read_next_tier(partner_id: UUID, code: Code, db: Read, clock: Clock) -> NextTier:
    """What the partner is missing for the next tier, by the programme's newest version."""
    state = (await db.state(partners, partner_id, partner_id=partner_id)).state
    membership, terms = membership_of(state, code), await terms_of(db, code)
    tier = next_tier(terms, membership.tier)
    months = membership.months(clock.astimezone(UTC).date())
    return NextTier(
        partner_id=partner_id,
        programme=code,
        programme_version=terms.version,
        tier=membership.tier,
        next_tier=None if tier is None else tier.code,
        benefits=[] if tier is None else list(tier.benefits),
        missing=[] if tier is None else list(lacking(tier, membership.evaluations, months)),
    )


@of_partner.post("/{code}/tier-decision", status_code=201, dependencies=[DECIDE])
async def decide_tier(partner_id: UUID, code: Code, body: TierDecision, handle: HandleSeen) -> Receipt:
    """For or against what is proposed. If-Match names the version of the partner that was looked at: other evaluations
    may have come since."""
    return await handle(partners, partner_id, DecideTier(programme=code, **dict(body)))


@of_partner.post("/{code}/leaving", status_code=201, dependencies=[DECIDE])
async def leave_programme(partner_id: UUID, code: Code, body: Leaving, handle: Handle) -> Receipt:
    """The partner is not in the programme any more."""
    return await handle(partners, partner_id, LeaveProgramme(programme=code, **dict(body)))
