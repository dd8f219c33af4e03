"""Every route of every service, asked by everybody who may not: from the services' own lists of routes, so that a new
route is tested by being there. What is expected is what docs/access.md says."""

from __future__ import annotations

import importlib
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import httpx
import pytest
from contract.domain.breach import NoticeBreach
from contract.domain.contract import DraftContract, contracts
from contract.domain.jurisdiction import DraftRules, jurisdiction_id, jurisdictions
from contract.domain.negotiation import OpenNegotiation, negotiation_id, negotiations
from contract.domain.royalty import StateRoyalty, royalty_statements
from contract.domain.royalty_figures import Basis
from contract.domain.royalty_schedule import RoyaltySchedule
from contract.domain.royalty_statement import statement_id
from contract.domain.royalty_tax import SetTaxes, TaxRate, royalty_taxes, taxes_id
from contract.domain.royalty_terms import AgreeRoyaltyTerms, royalty_terms
from contract.domain.rules import RulesContent
from contract.domain.shipped import SHIPPED
from contract.domain.signature import SignContract
from contract.domain.standing import Party
from contract.domain.term import BringIntoForce
from devstack.forgeries import forged, misissued
from devstack.issuer import Issuer
from devstack.services import SERVICES
from devstack.serving import Serve
from engine import Command, Context, Decider, Send
from engine.drafts import Publish
from engine.runtime import Engine
from events.contract import ContractTerms
from events.performance import MetricScore
from fastapi import FastAPI
from joserfc.jwk import KeySet
from partner.domain.application import Apply, applications
from partner.domain.launch import TakeOnContract
from partner.domain.membership import JoinProgramme
from partner.domain.partner import RegisterPartner, partners
from partner.domain.programme import (
    DraftProgramme,
    ProgrammeContent,
    ProgrammeTerms,
    Tier,
    programme_id,
    programmes,
)
from partner.domain.registration import Registration
from performance.api.operational import NOUNS
from performance.domain.card import Line
from performance.domain.improvement_plan import OpenPlan, improvement_plans, plan_id
from performance.domain.kpi_report import RecordReport, ReportKPI, kpi_reports
from performance.domain.metric import DefineMetric, MetricTerms, metric_id, metrics
from performance.domain.plan_action import ActionAsked
from performance.domain.shortfall import Judged
from risk.domain.accounts import Figures, ReportAccounts, accounts_id, reported_accounts
from risk.domain.assessment import AssessEvaluation
from risk.domain.evaluation import Evaluation
from risk.domain.proposal import ProposeAdjustment
from risk.domain.risk_profile import risk_profiles
from risk.domain.rule import RuleContent, RuleTerms
from service import ops
from service.matrix import matrix
from service.partners import Own
from service.roles import VERBS, standard
from service.routing import KitRoute
from training.domain.acknowledgement import AskAcknowledgement, acknowledgement_id, acknowledgements
from training.domain.action_events import OpenCorrectiveAction, action_id
from training.domain.audit_answers import Answer
from training.domain.audit_events import AuditContent, PublishAudit, RecordAudit, audit_id
from training.domain.coaching_events import AgreedAction, Guidance, HoldCoaching, PlanCoaching
from training.domain.coaching_visit import coaching_visits
from training.domain.conduct_breach import conduct_breaches
from training.domain.conduct_code import (
    CodeTerms,
    ConductContent,
    ConductRule,
    DraftConductCode,
    code_id,
    conduct_codes,
)
from training.domain.conduct_events import BreachContent, ReportBreach
from training.domain.corrective_action import corrective_actions
from training.domain.course import CourseTerms, DefineCourse, course_id, courses
from training.domain.enrolment import enrolments
from training.domain.enrolment_events import assignment, enrolment_id
from training.domain.field_audit import field_audits
from training.domain.manual import DraftManual, ManualContent, manual_id, manuals
from training.domain.support_plan import OpenSupportPlan, support_plans
from training.domain.template_content import Content, Item, Section, TemplateTerms

ROOT = Path(__file__).parents[1]
NAMES = [service.name for service in SERVICES]
MINE, OTHER = UUID("11111111-1111-4111-8111-111111111111"), UUID("22222222-2222-4222-8222-222222222222")


@dataclass(frozen=True)
class Asked:
    """A route and one of its methods."""

    route: KitRoute
    method: str

    def __str__(self) -> str:
        return f"{self.method} {self.route.path}"

    def path(self, named: dict[str, str]) -> str:
        """With these values in it; what is not named is an id of nothing."""
        return self.route.path_format.format_map(
            {name: named.get(name, str(uuid4())) for name in self.route.param_convertors}
        )


def asked_of(app: FastAPI) -> list[Asked]:
    found = [
        Asked(route, method)
        for route in app.routes
        if isinstance(route, KitRoute) and route.path not in ops.OPEN
        for method in sorted(route.methods or ())
    ]
    assert len(found) > 20
    return found


def scopes_of(asked: Asked) -> str:
    return " ".join(asked.route.scopes)


@pytest.fixture
def unserved(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], FastAPI]:
    """A service's app whose engine is not started: whoever gets past the door fails by that."""

    def make(name: str) -> FastAPI:
        monkeypatch.setenv("CAUCE_POSTGRES_URL", "postgresql://nobody@127.0.0.1:1/nothing")
        monkeypatch.setenv("CAUCE_KAFKA_BOOTSTRAP", "127.0.0.1:1")
        monkeypatch.setenv("CAUCE_JWKS", str(issuer.jwks))
        monkeypatch.setenv("CAUCE_LOG_LEVEL", "error")
        app: FastAPI = importlib.import_module(f"{name}.app").app()
        return app

    return make


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://service", timeout=60
    )


def bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def bad_tokens(issuer: Issuer) -> Iterator[tuple[str, str]]:
    every = " ".join(f"{name}:{verb}" for name in NAMES for verb in VERBS)
    keys = KeySet.import_key_set(json.loads(issuer.jwks.read_text()))
    yield from forged(issuer.mint("ana", every.split()), keys).items()
    yield from misissued(issuer, every).items()


@pytest.mark.parametrize("name", NAMES)
async def test_no_route_is_open_to_a_caller_without_a_good_token(
    name: str, unserved: Callable[[str], FastAPI], issuer: Issuer
) -> None:
    app = unserved(name)
    tokens = [("no token", None), *bad_tokens(issuer)]
    wrong = []
    async with client_of(app) as client:
        for asked in asked_of(app):
            for kind, token in tokens:
                answer = await client.request(asked.method, asked.path({}), headers=bearer(token))
                code = "token_missing" if token is None else "token_invalid"
                if answer.status_code != 401 or answer.json()["code"] != code:
                    wrong.append((str(asked), kind, answer.status_code))
    assert wrong == []


@pytest.mark.parametrize("name", NAMES)
async def test_every_route_wants_its_own_scope(name: str, unserved: Callable[[str], FastAPI], issuer: Issuer) -> None:
    app = unserved(name)
    every = {f"{service}:{verb}" for service in NAMES for verb in VERBS}
    wrong = []
    async with client_of(app) as client:
        for asked in asked_of(app):
            token = issuer.mint("ana", every - set(asked.route.scopes))
            answer = await client.request(asked.method, asked.path({}), headers=bearer(token))
            if answer.status_code != 403 or answer.json()["scope"] not in asked.route.scopes:
                wrong.append((str(asked), answer.status_code))
            if not all(scope.startswith(f"{name}:") for scope in asked.route.scopes):
                wrong.append((str(asked), 200))
    assert wrong == []


@pytest.mark.parametrize("name", NAMES)
async def test_a_partners_people_with_every_scope_there_is_come_to_no_route_that_is_not_opened_to_them(
    name: str, unserved: Callable[[str], FastAPI], issuer: Issuer
) -> None:
    app = unserved(name)
    every = [f"{service}:{verb}" for service in NAMES for verb in VERBS]
    token = issuer.mint("ben", every, partner_id=MINE)
    closed = [asked for asked in asked_of(app) if asked.route.own is None]
    wrong = []
    async with client_of(app) as client:
        for asked in closed:
            answer = await client.request(asked.method, asked.path({}), headers=bearer(token))
            if (answer.status_code, answer.json()["code"]) != (403, "partner_closed"):
                wrong.append((str(asked), answer.status_code))
    assert wrong == []
    assert {"/log", "/streams/{category}/{id}", "/parked-streams", "/backfill"} <= {
        asked.route.path for asked in closed
    }


# -- with another partner's things really there


@dataclass
class Things:
    """A service with things of a partner: `named` are values for the names in its routes' paths."""

    app: FastAPI
    named: dict[str, str]

    async def do(self, decider: Decider[Any, Any, Any], id: UUID, command: Command, **named: Any) -> None:
        engine: Engine = self.app.state.engine
        await engine.handle(Send(decider, id, command), Context("test"))
        self.named |= {name: str(value) for name, value in named.items()}

    async def insert(self, table: str, **row: Any) -> None:
        engine: Engine = self.app.state.engine
        places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
        async with engine.acquire() as db:
            await db.execute(f"insert into {table} ({', '.join(row)}) values ({places})", *row.values())


async def partner_things(things: Things, whose: UUID) -> None:
    registration = Registration(uuid4(), whose, f"Partner {whose}", "franchisee", "US-AK", "Main Street")
    await things.do(partners, whose, RegisterPartner(registration=registration))
    apply = Apply(
        application_id=registration.application_id,
        legal_name=f"Partner {whose}",
        kind="franchisee",
        area="US-AK",
        outlet_name="Main Street",
    )
    await things.do(applications, apply.application_id, apply, application_id=apply.application_id)
    await tier_things(things, whose)


async def tier_things(things: Things, whose: UUID) -> None:
    """A partner that has signed is in a programme, which is there for both."""
    content = ProgrammeContent(
        title="Stars", kinds=("franchisee",), period="year", tiers=(Tier(code="member", title="Member"),)
    )
    if whose == MINE:
        await things.do(programmes, programme_id("stars"), DraftProgramme(code="stars", content=content))
        await things.do(programmes, programme_id("stars"), Publish())
    await things.do(partners, whose, TakeOnContract(contract_id=uuid4(), effective_from=date(2025, 1, 1)))
    terms = ProgrammeTerms(code="stars", version=1, **dict(content))
    await things.do(partners, whose, JoinProgramme(terms=terms, reason="Signed."), code="stars")


async def contract_things(things: Things, whose: UUID) -> None:
    id = negotiation_id(whose)
    await things.do(negotiations, id, OpenNegotiation(partner_id=whose), negotiation_id=id)
    terms = {"jurisdiction": "NONE", "grants": [{"area": "US-AK-99501"}], "royalties": [{"percent": "5"}]}
    contract = uuid4()
    draft = DraftContract(
        contract_id=contract,
        partner_id=whose,
        terms=ContractTerms.model_validate(terms),
        rules=SHIPPED["NONE"],
    )
    await things.do(contracts, contract, draft, contract_id=contract)
    for party in Party:
        await things.do(contracts, contract, SignContract(party=party))
    await things.do(contracts, contract, BringIntoForce())
    breach = NoticeBreach(breach_id=uuid4(), ground="noncompliance", reasons=("Dirty.",), rules=SHIPPED["NONE"])
    await things.do(contracts, contract, breach, breach_id=breach.breach_id)
    rules = RulesContent(time_zone="Europe/Madrid")
    await things.do(jurisdictions, jurisdiction_id("ES"), DraftRules(code="ES", content=rules), code="ES")
    schedule = RoyaltySchedule(percent=Decimal(5), effective_from=date(2025, 1, 1))
    agreed: dict[str, Any] = {"currency": "USD", "schedules": (schedule,)}
    agree = AgreeRoyaltyTerms(contract_id=contract, partner_id=whose, by_contract=False, **agreed)
    await things.do(royalty_terms, contract, agree)
    rate = TaxRate(name="tax", kind="tax", percent=Decimal(3), law="By law.", effective_from=date(2025, 1, 1))
    await things.do(
        royalty_taxes, taxes_id("US-AK"), SetTaxes(jurisdiction="US-AK", rates=(rate,)), jurisdiction="US-AK"
    )
    basis = Basis(
        contract_id=contract, partner_id=whose, jurisdiction="US-AK", period="2025-01",
        in_force_from=date(2025, 1, 1), in_force_until=None, sole=True, due_days=None, late_interest_percent=None,
        terms_version=1, taxes=(), tax_version=None, rates=(), **agreed,
    )  # fmt: skip
    id = statement_id(contract, "2025-01")
    await things.do(
        royalty_statements, id, StateRoyalty(basis=basis, rules=SHIPPED["US-AK"], sales=()), statement_id=id
    )


async def training_things(things: Things, whose: UUID) -> None:
    content = {"title": "Hygiene", "pass_mark": Decimal(70), "required_for_launch": True, "max_attempts": 3}
    await things.do(courses, course_id("hygiene"), DefineCourse(code="hygiene", **content), code="hygiene")
    terms = CourseTerms("hygiene", 1, Decimal(70), True, None, 3, "UTC")
    id = enrolment_id(whose, "hygiene")
    await things.do(enrolments, id, assignment(whose, terms), enrolment_id=id)
    await audit_things(things, whose)
    await support_things(things, whose)
    await conduct_things(things, whose)


async def support_things(things: Things, whose: UUID) -> None:
    manual = ManualContent(title="Operations", document="dam://operations", summary="First.")
    await things.do(manuals, manual_id("operations"), DraftManual(code="operations", content=manual))
    ask = AskAcknowledgement(
        partner_id=whose, manual="operations", version=1, title="Operations", document="dam://operations",
        within_days=14, time_zone="UTC",
    )  # fmt: skip
    id = acknowledgement_id(whose, "operations")
    await things.do(acknowledgements, id, ask, acknowledgement_id=id)
    plan_id, visit_id = uuid5(whose, "plan"), uuid5(whose, "visit")
    plan = OpenSupportPlan(
        plan_id=plan_id, partner_id=whose, title="Cold chain", needs=("Temperatures",), starts_on=date(2025, 1, 1),
        ends_on=date(2025, 6, 30), partner_known=True,
    )  # fmt: skip
    await things.do(support_plans, plan_id, plan, plan_id=plan_id)
    visit = PlanCoaching(
        visit_id=visit_id, partner_id=whose, purpose="Cold chain", planned_on=date(2025, 1, 2), partner_known=True
    )
    await things.do(coaching_visits, visit_id, visit, visit_id=visit_id)
    agreed = AgreedAction(what="Buy a thermometer", owner="manager", due_on=date(2025, 2, 1))
    guidance = (Guidance(topic="cold", note="Measure."),)
    hold = HoldCoaching(held_on=date(2025, 1, 2), guidance=guidance, actions=(agreed,))
    await things.do(coaching_visits, visit_id, hold, number=1)


async def conduct_things(things: Things, whose: UUID) -> None:
    rule = ConductRule(code="prices", title="Prices", text="As agreed.", severity="minor", ladder=("warning",))
    conduct = ConductContent(title="Conduct", document="dam://conduct", rules=(rule,))
    code = f"hygiene-{whose.hex[:4]}"  # a code of conduct is nobody's own
    await things.do(conduct_codes, code_id(code), DraftConductCode(code=code, content=conduct), code=code)
    await things.do(conduct_codes, code_id(code), Publish())
    breach_id = uuid5(whose, "breach")
    said = BreachContent(
        partner_id=whose, conduct_code="general", rule="prices", happened_on=date(2025, 1, 2), account="Too much."
    )
    report = ReportBreach(
        breach_id=breach_id, content=said, terms=CodeTerms("general", 1, conduct), partner_known=True, by=("ana",)
    )
    await things.do(conduct_breaches, breach_id, report, breach_id=breach_id)


async def audit_things(things: Things, whose: UUID) -> None:
    floors = Item("floors", "Floors are clean", Decimal(1), False, 7, "manager")
    content = Content("Safety", (Section("all", "All", (floors,)),), Decimal(80), None, None, "year", "UTC")
    seen = {
        "template": "safety",
        "audited_on": date(2025, 1, 2),
        "answers": (Answer(item="floors", rating=Decimal(0)),),
    }
    id = audit_id("app", str(whose))
    record = RecordAudit(
        audit_id=id,
        content=AuditContent(source="app", source_ref=str(whose), partner_id=whose, **seen),
        terms=TemplateTerms("safety", 1, content),
        partner_known=True,
        by=("ana",),
    )
    await things.do(field_audits, id, record, audit_id=id)
    await things.do(field_audits, id, PublishAudit(by=("eva",)))
    open_action = OpenCorrectiveAction(
        action_id=action_id(id, "floors"),
        audit_id=id,
        partner_id=whose,
        outlet_id=None,
        item="floors",
        title="Floors are clean",
        critical=False,
        owner="manager",
        due_on=date(2025, 2, 1),
        time_zone="UTC",
    )
    await things.do(corrective_actions, open_action.action_id, open_action, action_id=open_action.action_id)


async def performance_things(things: Things, whose: UUID) -> None:
    define = DefineMetric(code="sales", unit="EUR", direction="higher", aggregation="sum", due="every_period")
    await things.do(metrics, metric_id("sales"), define, code="sales")
    terms = MetricTerms("sales", 1, "EUR", define.direction, define.aggregation, None, None, define.due)
    report = ReportKPI(
        source="till", source_ref=str(whose), partner_id=whose, metric="sales", period="2025-01", value=Decimal(5)
    )
    record = RecordReport(report_id=report.about(), report=report, terms=terms, partner_known=True)
    await things.do(kpi_reports, report.about(), record, report_id=report.about(), period="2025-01")
    row = {"partner_id": whose, "period": "2025-01", "event_id": uuid4()}
    await things.insert("missed_reports", **row, metric="sales")
    await things.insert(
        "evaluations", **row, scorecard="c", scorecard_version=1, scores=b"[]", total=Decimal(9), band="a",
        cohort_size=2, restatements=0,
    )  # fmt: skip
    await things.insert("known_partners", partner_id=whose)
    score = MetricScore(metric="sales", value=Decimal(5), observations=1, score=Decimal(5), weight=Decimal(100))
    judged = Judged(
        evaluation_id=uuid4(), scorecard="c", scorecard_version=1, scores=(score,), peers=None, cohort_size=2,
        minimum_cohort=1, lines=(Line(metric="sales", weight=Decimal(100), floor=Decimal(0), target=Decimal(100),
                                      aggregation="sum"),),
    )  # fmt: skip
    action = ActionAsked(what="Train.", owner="manager", due_on=date(9000, 1, 1))
    plan = OpenPlan(partner_id=whose, period="2025-01", judged=judged, problems=(), actions=(action,), time_zone="UTC")
    id = plan_id(whose, "2025-01")
    await things.do(improvement_plans, id, plan, plan_id=id)
    said = {
        "source": "till", "source_ref": str(whose), "partner_id": whose, "product": "tea", "quantity": 1, "amount": 1,
        "currency": "EUR", "kind": "goods", "purpose": "goods", "instrument": "complaint", "sold_on": "2025-01-02",
        "counted_on": "2025-01-02", "ordered_on": "2025-01-02", "incurred_on": "2025-01-02", "paid_on": "2025-01-02",
        "given_on": "2025-01-02",
    }  # fmt: skip
    for noun in NOUNS:
        fact = noun.report.model_validate({name: said[name] for name in noun.report.model_fields if name in said})
        record_fact = noun.record(fact_id=fact.about(), report=fact, partner_known=True)
        await things.do(noun.decider, fact.about(), record_fact, **{noun.key: fact.about()})


async def risk_things(things: Things, whose: UUID) -> None:
    content = RuleContent(
        judged_on="evaluations", figure="total", value="total", when="value < 50.0", severity="high", suspend_after=1,
        lifts_when="value > 70.0",
    )  # fmt: skip
    rule = RuleTerms(code="low", version=1, **dict(content))
    evaluation = Evaluation(uuid4(), "2025-01", total=Decimal(5))
    await things.do(risk_profiles, whose, AssessEvaluation(partner_id=whose, rule=rule, evaluation=evaluation))
    propose = ProposeAdjustment(
        adjustment_id=uuid4(),
        partner_id=whose,
        kind="replace",
        reasons=("Low.",),
        evidence=(evaluation.id,),
        by=("eva",),
    )
    await things.do(risk_profiles, whose, propose, adjustment_id=propose.adjustment_id)
    figures = Figures(
        currency="EUR", total_assets=Decimal(9), current_assets=Decimal(4), current_liabilities=Decimal(1),
        total_liabilities=Decimal(5), retained_earnings=Decimal(1), ebit=Decimal(1), sales=Decimal(9), reported_by="me",
    )  # fmt: skip
    accounts = ReportAccounts(partner_id=whose, year=2024, figures=figures)
    await things.do(reported_accounts, accounts_id(whose, 2024), accounts, year=2024)
    engine: Engine = things.app.state.engine
    for table, id in (("flags", "flag_id"), ("restrictions", "restriction_id")):
        async with engine.acquire() as db:
            things.named[id] = str(await db.fetchval(f"select {id} from {table} where partner_id = $1", whose))


SEEDS: dict[str, Callable[[Things, UUID], Awaitable[None]]] = {
    "partner": partner_things,
    "contract": contract_things,
    "training": training_things,
    "performance": performance_things,
    "risk": risk_things,
}


async def things_of(app: FastAPI, name: str, whose: UUID) -> dict[str, str]:
    things = Things(app, {"partner_id": str(whose), "id": str(whose)})
    await SEEDS[name](things, whose)
    return things.named


def own_of(asked: Asked) -> Own:
    assert asked.route.own is not None
    return asked.route.own


@pytest.mark.parametrize("name", NAMES)
async def test_the_wrong_partner_meets_nothing_of_anothers_and_the_right_one_meets_its_own(
    name: str, serve: Serve, issuer: Issuer
) -> None:
    app = await serve(importlib.import_module(f"{name}.app").app)
    mine, others = await things_of(app, name, MINE), await things_of(app, name, OTHER)
    shared = set(mine.values()) & set(others.values())
    secrets = (set(others.values()) | {str(OTHER)}) - shared
    wrong: list[Any] = []
    seen = 0
    async with client_of(app) as client:

        async def ask(asked: Asked, by: UUID | None, path: str, **more: Any) -> httpx.Response:
            token = issuer.mint("ben", asked.route.scopes, partner_id=by)
            return await client.request(asked.method, path, headers=bearer(token), **more)

        def want(asked: Asked, why: str, answer: httpx.Response, *statuses: int) -> None:
            told = answer.status_code < 400 and any(secret in answer.text for secret in secrets)
            if answer.status_code not in statuses or told:
                wrong.append((str(asked), why, answer.status_code, answer.text[:200]))

        for asked in asked_of(app):
            if asked.route.own is None:
                continue
            own, theirs, ours = own_of(asked), asked.path(others), asked.path(mine)
            if own.path is not None:
                want(asked, "another's", await ask(asked, MINE, theirs), 404)
                want(asked, "nobody's", await ask(asked, MINE, asked.path({})), 404)
            if own.query is not None:
                want(asked, "all", await ask(asked, MINE, ours), 200)
                want(asked, "another's", await ask(asked, MINE, ours, params={own.query: str(OTHER)}), 403)
            if own.body is not None:
                want(asked, "another's", await ask(asked, MINE, ours, json={own.body: str(OTHER)}), 403)
            for field in own.only:
                want(asked, "not theirs to say", await ask(asked, MINE, ours, json={field: "principal"}), 403)
            if asked.method == "GET":
                # The refusals above would prove nothing of things that are not there.
                answer = await ask(asked, MINE, ours)
                want(asked, "their own", answer, 200, *([404] if not own.path and not own.query else []))
                if own.path or own.query:
                    seen += 1
                    answer = await ask(asked, None, theirs)
                    if answer.status_code != 200 or not any(secret in answer.text for secret in secrets):
                        wrong.append((str(asked), "our own people do not see the other's either"))
    assert wrong == []
    assert seen >= 1


@pytest.mark.parametrize("name", NAMES)
def test_routes_come_to_the_store_only_by_what_the_kit_gives_them(name: str) -> None:
    """Read and Handle look at whose things are; what else would lead to the store is not used by routes."""
    package = ROOT / "services" / f"{name}-svc" / "src" / name
    for source in [*package.glob("api*.py"), *package.glob("api/*.py")]:
        text = source.read_text()
        for way in ("state.engine", ".acquire(", "asyncpg", "engine.runtime", "._engine"):
            assert way not in text, f"{source.relative_to(ROOT)} goes by {way}"


# -- the table


def test_the_table_of_routes_and_roles_is_up_to_date(unserved: Callable[[str], FastAPI]) -> None:
    made = matrix([unserved(name) for name in NAMES])
    assert (ROOT / "docs" / "routes.md").read_text() == made, "docs/routes.md is stale: make docs"


def test_every_role_and_route_is_in_the_table(unserved: Callable[[str], FastAPI]) -> None:
    apps = [unserved(name) for name in NAMES]
    made = matrix(apps)
    for app in apps:
        for asked in asked_of(app):
            assert f"| `{asked}` |" in made
    for role in standard():
        assert role in made
