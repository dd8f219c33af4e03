"""Routes: rules, flags, restrictions and partners' risk profiles."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from engine import Unknown
from fastapi import APIRouter
from service import Handle, Listing, Page, Read, Receipt, history_of, listing, own, scope

from risk import shown
from risk.domain.flag import AcknowledgeFlag, Acknowledgement, Dismissal, DismissFlag
from risk.domain.restriction import ImposeRestriction, Lifting, LiftRestriction, RestrictionByHand
from risk.domain.risk_profile import RiskProfile, risk_profiles
from risk.domain.rule import Code, DefineRule, RetireRule, RuleContent, rule_id, rules
from risk.shown import FlagView, ProfileView, RestrictionView, RuleView, Why

READ, DECIDE = scope("risk:read"), scope("risk:decide")

rule_routes = APIRouter(prefix="/rules", tags=["rules"])
list_routes = APIRouter(tags=["flags and restrictions"])
profile_routes = APIRouter(prefix="/risk-profiles", tags=["risk profiles"])


@rule_routes.put("/{code}", dependencies=[DECIDE])
async def define_rule(code: Code, content: RuleContent, handle: Handle) -> Receipt:
    """A new version of the rule, for evaluations to come; the same content again changes nothing."""
    return await handle(rules, rule_id(code), DefineRule(code=code, **content.model_dump()))


@rule_routes.post("/{code}/retirement", status_code=201, dependencies=[DECIDE])
async def retire_rule(code: Code, command: RetireRule, handle: Handle) -> Receipt:
    """The rule raises and imposes nothing more; what it opened is still resolved and lifted by evaluations to come."""
    return await handle(rules, rule_id(code), command)


@rule_routes.get("", dependencies=[READ])
async def list_rules(db: Read, page: Page, status: Literal["active", "retired"] | None = None) -> Listing[RuleView]:
    rows = await db.fetch(
        "select * from rules where ($1::text is null or status = $1) and ($2::text is null or code > $2)"
        " order by code limit $3",
        status,
        page.after,
        page.limit + 1,
    )
    return listing(rows, page, key=lambda row: row["code"], item=RuleView)


@rule_routes.get("/{code}", dependencies=[READ])
async def read_rule(code: Code, db: Read) -> RuleView:
    row = await db.fetchrow("select * from rules where code = $1", code)
    if row is None:
        raise Unknown("risk.rule_unknown", rule=code)
    return RuleView(**row)


@list_routes.get("/flags", dependencies=[READ, own(query="partner_id")])
async def list_flags(
    db: Read,
    page: Page,
    status: Literal["open", "resolved", "dismissed"] | None = None,
    partner_id: UUID | None = None,
) -> Listing[FlagView]:
    rows = await db.fetch(
        "select * from flags where ($1::text is null or status = $1) and ($2::uuid is null or partner_id = $2)"
        " and ($3::uuid is null or flag_id > $3) order by flag_id limit $4",
        status,
        partner_id,
        page.after_id,
        page.limit + 1,
    )
    return listing(rows, page, key=lambda row: str(row["flag_id"]), item=FlagView)


@list_routes.get("/restrictions", dependencies=[READ, own(query="partner_id")])
async def list_restrictions(
    db: Read, page: Page, status: Literal["active", "lifted"] | None = None, partner_id: UUID | None = None
) -> Listing[RestrictionView]:
    rows = await db.fetch(
        "select * from restrictions where ($1::text is null or status = $1) and ($2::uuid is null or partner_id = $2)"
        " and ($3::uuid is null or restriction_id > $3) order by restriction_id limit $4",
        status,
        partner_id,
        page.after_id,
        page.limit + 1,
    )
    return listing(rows, page, key=lambda row: str(row["restriction_id"]), item=RestrictionView)


@profile_routes.get("/{partner_id}", dependencies=[READ, own("partner_id")])
async def read_risk_profile(partner_id: UUID, db: Read) -> ProfileView:
    """What is open and what holds, and every evaluation under each rule with the event that told it."""
    flags = await db.fetch(
        "select * from flags where partner_id = $1 and status = 'open' order by raised_at, flag_id", partner_id
    )
    restrictions = await db.fetch(
        "select * from restrictions where partner_id = $1 and status = 'active' order by imposed_at, restriction_id",
        partner_id,
    )
    profile, version = await known_profile(db, partner_id)
    return ProfileView(
        partner_id=partner_id,
        version=version,
        open_flags=[FlagView(**row) for row in flags],
        restrictions=[RestrictionView(**row) for row in restrictions],
        histories=shown.histories(profile),
    )


@profile_routes.get("/{partner_id}/why", dependencies=[READ, own("partner_id")])
async def explain_risk_profile(partner_id: UUID, db: Read) -> Why:
    """For each restriction and flag, also those that are over: the evaluations behind it and the rule that judged."""
    restrictions = await db.fetch(
        "select * from restrictions where partner_id = $1 order by imposed_at desc, restriction_id", partner_id
    )
    flags = await db.fetch("select * from flags where partner_id = $1 order by raised_at desc, flag_id", partner_id)
    profile, _ = await known_profile(db, partner_id)
    return shown.why(partner_id, profile, restrictions, flags)


profile_routes.add_api_route("/{id}/history", history_of(risk_profiles), methods=["GET"], dependencies=[READ])


@profile_routes.post("/{partner_id}/flags/{flag_id}/acknowledgement", status_code=201, dependencies=[DECIDE])
async def acknowledge_flag(partner_id: UUID, flag_id: UUID, body: Acknowledgement, handle: Handle) -> Receipt:
    return await handle(risk_profiles, partner_id, AcknowledgeFlag(flag_id=flag_id, **body.model_dump()))


@profile_routes.post("/{partner_id}/flags/{flag_id}/dismissal", status_code=201, dependencies=[DECIDE])
async def dismiss_flag(partner_id: UUID, flag_id: UUID, body: Dismissal, handle: Handle) -> Receipt:
    return await handle(risk_profiles, partner_id, DismissFlag(flag_id=flag_id, **body.model_dump()))


@profile_routes.post("/{partner_id}/restrictions", status_code=201, dependencies=[DECIDE])
async def impose_restriction(partner_id: UUID, body: RestrictionByHand, handle: Handle) -> Receipt:
    return await handle(risk_profiles, partner_id, ImposeRestriction(partner_id=partner_id, **body.model_dump()))


@profile_routes.post("/{partner_id}/restrictions/{restriction_id}/lifting", status_code=201, dependencies=[DECIDE])
async def lift_restriction(partner_id: UUID, restriction_id: UUID, body: Lifting, handle: Handle) -> Receipt:
    command = LiftRestriction(restriction_id=restriction_id, **body.model_dump())
    return await handle(risk_profiles, partner_id, command)


async def known_profile(db: Read, partner_id: UUID) -> tuple[RiskProfile, int]:
    """Read after the views, so that it knows the evaluations of every row that they gave. Raises Unknown."""
    loaded = await db.load(risk_profiles, partner_id)
    if loaded.version == 0:
        raise Unknown("risk.risk_profile_unknown", partner_id=partner_id)
    return loaded.state, loaded.version


ROUTES = (rule_routes, list_routes, profile_routes)
