"""Routes: rules, flags, restrictions and partners' risk profiles."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from service import At, Collection, Handle, HandlePut, HandleSeen, Read, Receipt, history_of, list_of, own, scope

from risk import shown
from risk.domain.flag import AcknowledgeFlag, Acknowledgement, Dismissal, DismissFlag
from risk.domain.restriction import ImposeRestriction, Lifting, LiftRestriction, RestrictionByHand
from risk.domain.risk_profile import risk_profiles
from risk.domain.rule import Code, DefineRule, RetireRule, RuleContent, rule_id, rules
from risk.shown import FlagView, ProfileView, RestrictionView, RuleView, Why
from risk.views import flags_view, restrictions_view, rules_view

READ, DECIDE = scope("risk:read"), scope("risk:decide")

rule_routes = APIRouter(prefix="/rules", tags=["rules"])
list_routes = APIRouter(tags=["flags and restrictions"])
profile_routes = APIRouter(prefix="/risk-profiles", tags=["risk profiles"])


RULES = Collection(rules, rules_view, RuleView, key="code", filters=("status", "metric", "severity"), sorts=("metric",))
FLAGS = Collection(
    risk_profiles,
    flags_view,
    FlagView,
    key="flag_id",
    filters=("status", "partner_id", "rule", "severity", "period"),
    sorts=("raised_at", "closed_at"),
)
RESTRICTIONS = Collection(
    risk_profiles,
    restrictions_view,
    RestrictionView,
    key="restriction_id",
    filters=("status", "partner_id", "kind", "rule"),
    sorts=("imposed_at", "lifted_at"),
)


@rule_routes.put("/{code}", dependencies=[DECIDE])
async def define_rule(code: Code, content: RuleContent, handle: HandlePut) -> Receipt:
    """A new version of the rule, for evaluations to come; the same content again changes nothing."""
    return await handle(rules, rule_id(code), DefineRule(code=code, **content.model_dump()))


@rule_routes.post("/{code}/retirement", status_code=201, dependencies=[DECIDE])
async def retire_rule(code: Code, command: RetireRule, handle: Handle) -> Receipt:
    """The rule raises and imposes nothing more; what it opened is still resolved and lifted by evaluations to come."""
    return await handle(rules, rule_id(code), command)


rule_routes.add_api_route("", list_of(RULES), methods=["GET"], dependencies=[READ])


@rule_routes.get("/{code}", dependencies=[READ])
async def read_rule(code: Code, db: Read, at: At) -> RuleView:
    """The rule in its newest version."""
    return await db.one(RULES, at, of=rule_id(code), code=code)


rule_routes.add_api_route("/{code}/history", history_of(rules, "code", rule_id), methods=["GET"], dependencies=[READ])
list_routes.add_api_route("/flags", list_of(FLAGS), methods=["GET"], dependencies=[READ, own(query="partner_id")])
list_routes.add_api_route(
    "/restrictions", list_of(RESTRICTIONS), methods=["GET"], dependencies=[READ, own(query="partner_id")]
)


@profile_routes.get("/{partner_id}", dependencies=[READ, own("partner_id")])
async def read_risk_profile(partner_id: UUID, db: Read, at: At) -> ProfileView:
    """What is open and what holds, and every evaluation under each rule with the event that told it."""
    flags = await db.all(FLAGS, at, of=partner_id, sort="raised_at", partner_id=partner_id, status="open")
    held = {"partner_id": partner_id, "status": "active"}
    restrictions = await db.all(RESTRICTIONS, at, of=partner_id, sort="imposed_at", **held)
    # Read after the views, so that it knows the evaluations of every row that they gave.
    profile = await db.state(risk_profiles, partner_id, at, partner_id=partner_id)
    return ProfileView(
        partner_id=partner_id,
        version=profile.version,
        open_flags=flags,
        restrictions=restrictions,
        histories=shown.histories(profile.state),
    )


@profile_routes.get("/{partner_id}/why", dependencies=[READ, own("partner_id")])
async def explain_risk_profile(partner_id: UUID, db: Read, at: At) -> Why:
    """For each restriction and flag, also those that are over: the evaluations behind it and the rule that judged."""
    restrictions = await db.all(RESTRICTIONS, at, of=partner_id, sort="-imposed_at", partner_id=partner_id)
    flags = await db.all(FLAGS, at, of=partner_id, sort="-raised_at", partner_id=partner_id)
    profile = await db.state(risk_profiles, partner_id, at, partner_id=partner_id)
    return shown.why(partner_id, profile.state, restrictions, flags)


profile_routes.add_api_route("/{id}/history", history_of(risk_profiles), methods=["GET"], dependencies=[READ])


@profile_routes.post("/{partner_id}/flags/{flag_id}/acknowledgement", status_code=201, dependencies=[DECIDE])
async def acknowledge_flag(partner_id: UUID, flag_id: UUID, body: Acknowledgement, handle: Handle) -> Receipt:
    """A person has seen the flag; it stays open."""
    return await handle(risk_profiles, partner_id, AcknowledgeFlag(flag_id=flag_id, **body.model_dump()))


@profile_routes.post("/{partner_id}/flags/{flag_id}/dismissal", status_code=201, dependencies=[DECIDE])
async def dismiss_flag(partner_id: UUID, flag_id: UUID, body: Dismissal, handle: HandleSeen) -> Receipt:
    """A person closes the flag, for a reason. If-Match names the version of the profile that was looked at."""
    return await handle(risk_profiles, partner_id, DismissFlag(flag_id=flag_id, **body.model_dump()))


@profile_routes.post("/{partner_id}/restrictions", status_code=201, dependencies=[DECIDE])
async def impose_restriction(partner_id: UUID, body: RestrictionByHand, handle: Handle) -> Receipt:
    """A person imposes a restriction, for a reason; the first makes the profile of a partner who has none."""
    return await handle(risk_profiles, partner_id, ImposeRestriction(partner_id=partner_id, **body.model_dump()))


@profile_routes.post("/{partner_id}/restrictions/{restriction_id}/lifting", status_code=201, dependencies=[DECIDE])
async def lift_restriction(partner_id: UUID, restriction_id: UUID, body: Lifting, handle: HandleSeen) -> Receipt:
    """A person lifts it, for a reason. If-Match names the version of the profile that was looked at."""
    command = LiftRestriction(restriction_id=restriction_id, **body.model_dump())
    return await handle(risk_profiles, partner_id, command)


ROUTES = (rule_routes, list_routes, profile_routes)
