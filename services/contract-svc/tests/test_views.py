from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from contract.domain.breach import CureReported, WaiverProposed
from contract.domain.disclosure import RulesApplied, SigningWindowOpened
from contract.domain.jurisdiction import DraftDiscarded, RulesDrafted, RulesPublished
from contract.domain.negotiation import TermsOffered
from contract.domain.rules import RulesContent
from contract.domain.shipped import SHIPPED
from contract.domain.signature import ContractExecuted, ContractWithdrawn, PartySigned
from contract.domain.standing import Party
from contract.domain.succession import SuccessionCalledOff, SuccessorSought
from contract.domain.term import RenewalOpened, RenewalSigned
from contract.views import (
    BREACHES,
    CONTRACTS,
    JURISDICTIONS,
    NEGOTIATIONS,
    VIEWS,
    project_breaches,
    project_contracts,
    project_jurisdictions,
    project_negotiations,
)
from engine import Statement, as_json
from engine.testing import fact_of
from events import Event
from events.contract import (
    BreachCured,
    BreachNoticed,
    ContractDrafted,
    ContractExpired,
    ContractInForce,
    ContractRenewed,
    ContractTerminated,
    ContractTransferred,
    CureLapsed,
    DisclosureDelivered,
    NegotiationAccepted,
    NegotiationLapsed,
    NegotiationOpened,
    PartnerSigned,
)

Terms = Callable[..., dict[str, Any]]
NOW = datetime(2000, 1, 12, 21, tzinfo=UTC)


def of_negotiation(event: Event, id: UUID) -> list[Statement]:
    return list(project_negotiations(fact_of(event, stream=f"negotiation-{id}", occurred_at=NOW)))


def of_contract(event: Event, id: UUID) -> list[Statement]:
    return list(project_contracts(fact_of(event, stream=f"contract-{id}", occurred_at=NOW)))


def flat(told: dict[str, Any]) -> dict[str, Any]:
    """The terms as a row has them."""
    return {
        "jurisdiction": "US-AK",
        "areas": ["US-AK-99501"],
        "royalty_percent": Decimal("5.5"),
        "term_ends_on": told["term_ends_on"],
        "terms": as_json(told["terms"]),
    }


def test_an_open_negotiation_shows_with_whom_and_since_when(partner: UUID, negotiation: UUID) -> None:
    opened = NegotiationOpened(negotiation_id=negotiation, partner_id=partner)
    assert of_negotiation(opened, negotiation) == [
        NEGOTIATIONS.upsert(
            "negotiation_id", negotiation_id=negotiation, partner_id=partner, status="open", opened_at=NOW, round=0
        )
    ]


def test_an_accepted_negotiation_shows_the_terms_and_the_contract(
    partner: UUID, negotiation: UUID, contract: UUID, terms: Terms
) -> None:
    accepted = NegotiationAccepted(negotiation_id=negotiation, partner_id=partner, contract_id=contract, **terms())
    assert of_negotiation(accepted, negotiation) == [
        NEGOTIATIONS.update(
            {"negotiation_id": negotiation},
            status="accepted",
            contract_id=contract,
            awaits=None,
            **flat(terms()),
        )
    ]


def test_a_lapsed_negotiation_shows_why(partner: UUID, negotiation: UUID) -> None:
    lapsed = NegotiationLapsed(negotiation_id=negotiation, partner_id=partner, reason="silence")
    assert of_negotiation(lapsed, negotiation) == [
        NEGOTIATIONS.update({"negotiation_id": negotiation}, status="lapsed", lapsed_because="silence", awaits=None)
    ]


def test_a_draft_awaits_the_signature_of_each_party(partner: UUID, contract: UUID, terms: Terms) -> None:
    drafted = ContractDrafted(contract_id=contract, partner_id=partner, **terms(term_ends_on=date(2001, 12, 31)))
    assert of_contract(drafted, contract) == [
        CONTRACTS.upsert(
            "contract_id",
            contract_id=contract,
            partner_id=partner,
            status="drafted",
            awaits=["principal", "partner"],
            rules_version=0,
            renewals=0,
            **flat(terms(term_ends_on=date(2001, 12, 31))),
        )
    ]


def test_a_disclosed_contract_shows_from_when_it_may_be_signed_and_by_which_law(partner: UUID, contract: UUID) -> None:
    disclosed = DisclosureDelivered(
        contract_id=contract,
        partner_id=partner,
        delivered_on=date(2000, 1, 13),
        signing_allowed_from=date(2000, 1, 28),
        law="16 CFR 436.2(a)",
    )
    [statement] = of_contract(disclosed, contract)
    assert statement.args == (contract, date(2000, 1, 13), date(2000, 1, 28), "16 CFR 436.2(a)")
    assert "case when status = 'drafted' then 'disclosed'" in statement.template, "not of one that is to be renewed"


def test_a_signature_is_not_awaited_any_more(contract: UUID) -> None:
    signed = PartySigned(
        contract_id=contract, party=Party.PARTNER, signed_on=date(2000, 1, 28), effective_from=date(2000, 2, 1)
    )
    [statement] = of_contract(signed, contract)
    assert statement.args == (contract, "partner", date(2000, 2, 1))
    assert "array_remove(awaits, $2)" in statement.template


def test_a_contract_shows_each_step_from_signed_to_its_end(partner: UUID, contract: UUID) -> None:
    ids = {"contract_id": contract, "partner_id": partner}
    key = {"contract_id": contract}
    day = date(2000, 2, 1)
    assert [
        of_contract(event, contract)
        for event in (
            PartnerSigned(**ids, areas=("US-AK",), effective_from=day),
            ContractExecuted(contract_id=contract, in_force_at=NOW, expires_at=None),
            ContractInForce(**ids),
            ContractExpired(**ids),
            ContractTerminated(**ids, reason="unpaid royalties"),
        )
    ] == [
        [CONTRACTS.update(key, status="signed")],
        [],
        [CONTRACTS.update(key, status="in_force")],
        [CONTRACTS.update(key, status="expired", ended_at=NOW)],
        [CONTRACTS.update(key, status="terminated", ended_at=NOW, terminated_because="unpaid royalties")],
    ]


def test_an_offer_shows_the_terms_and_whose_answer_it_waits_for(negotiation: UUID, terms: Terms) -> None:
    offered = TermsOffered(
        negotiation_id=negotiation,
        round=2,
        party=Party.PARTNER,
        terms=terms()["terms"],
        rules=SHIPPED["US-AK"],
        valid_until=date(2000, 1, 20),
        lapses_at=NOW,
    )
    key = {"negotiation_id": negotiation}
    until = date(2000, 1, 20)
    assert of_negotiation(offered, negotiation) == [
        NEGOTIATIONS.update(key, round=2, awaits="principal", valid_until=until, **flat(terms()))
    ]


def test_a_contract_shows_its_window_its_renewal_its_transfer_and_its_withdrawal(partner: UUID, contract: UUID) -> None:
    ids, key = {"contract_id": contract, "partner_id": partner}, {"contract_id": contract}
    until = date(2005, 12, 31)
    for event, values in (
        (RulesApplied(contract_id=contract, rules=SHIPPED["ES"]), {"rules_version": 0}),
        (SigningWindowOpened(contract_id=contract), {"status": "in_window"}),
        (
            RenewalOpened(contract_id=contract),
            {
                "status": "renewal_eligible",
                "delivered_on": None,
                "signing_allowed_from": None,
                "renewal_awaits": ["principal", "partner"],
            },
        ),
        (
            ContractRenewed(**ids, renewal=1, term_ends_on=until),
            {"status": "in_force", "renewals": 1, "term_ends_on": until, "renewal_awaits": None},
        ),
        (
            ContractTransferred(
                contract_id=contract, partner_id=UUID(int=9), from_partner_id=partner, effective_on=until
            ),
            {
                "partner_id": UUID(int=9),
                "transferred_from": partner,
                "successor_sought_at": None,
                "successor_sought_because": None,
            },
        ),
        (
            SuccessorSought(**ids, adjustment_id=UUID(int=9), reasons=("Retires.",), evidence=()),
            {"successor_sought_at": NOW, "successor_sought_because": ["Retires."]},
        ),
        (
            SuccessionCalledOff(contract_id=contract, reason="Stays on."),
            {"successor_sought_at": None, "successor_sought_because": None},
        ),
        (
            ContractWithdrawn(**ids, reason="no site"),
            {"status": "withdrawn", "ended_at": NOW, "terminated_because": "no site"},
        ),
    ):
        assert of_contract(event, contract) == [CONTRACTS.update(key, **values)]
    signed = RenewalSigned(contract_id=contract, party=Party.PARTNER, signed_on=until, term_ends_on=until)
    [statement] = of_contract(signed, contract)
    assert statement.args == (contract, "partner")


def test_a_breach_shows_its_clocks_and_what_became_of_it(partner: UUID, contract: UUID) -> None:
    breach, ids = UUID(int=77), {"contract_id": contract, "partner_id": partner}
    noticed = BreachNoticed(
        **ids,
        breach_id=breach,
        ground="non_payment",
        reasons=("unpaid",),
        evidence=(),
        noticed_on=date(2000, 6, 1),
        cure_until=date(2000, 6, 11),
        lapses_at=NOW,
        termination_allowed_from=date(2000, 6, 12),
        law="Wis. Stat. 135.04",
    )
    key = {"breach_id": breach}
    told = {**noticed.model_dump(exclude={"lapses_at"}), "reasons": ["unpaid"], "evidence": []}

    def of(event: Event) -> list[Statement]:
        return list(project_breaches(fact_of(event, stream=f"contract-{contract}", occurred_at=NOW)))

    upsert = BREACHES.upsert("breach_id", **told, status="noticed", reported=[])
    [statement] = of(noticed)
    assert sorted(zip(columns(statement), map(str, statement.args), strict=True)) == sorted(
        zip(columns(upsert), map(str, upsert.args), strict=True)
    )
    [reported] = of(CureReported(contract_id=contract, breach_id=breach, account="paid"))
    assert reported.args == (breach, "paid")
    waiver = WaiverProposed(contract_id=contract, breach_id=breach, reason="small", by=("ana",))
    assert of(waiver) == [BREACHES.update(key, waiver_proposed_by=["ana"])]
    cured = BreachCured(**ids, breach_id=breach, resolution="cured", reason="paid")
    assert of(cured) == [BREACHES.update(key, status="cured", resolved_because="paid", resolved_at=NOW)]
    assert of(CureLapsed(**ids, breach_id=breach)) == [BREACHES.update(key, status="lapsed")]


def columns(statement: Statement) -> list[str]:
    return statement.template.partition("(")[2].partition(")")[0].split(", ")


def test_a_jurisdiction_shows_its_draft_until_that_is_the_law_or_discarded() -> None:
    content = RulesContent(time_zone="Europe/Madrid")
    rules = SHIPPED["ES"].model_copy(update={"version": 1})
    for event, then in (
        (RulesDrafted(code="ES", content=content), JURISDICTIONS.upsert("code", code="ES", draft=as_json(content))),
        (
            RulesPublished(code="ES", rules=rules),
            JURISDICTIONS.update({"code": "ES"}, version=1, rules=as_json(rules), draft=None, published_at=NOW),
        ),
        (DraftDiscarded(code="ES"), JURISDICTIONS.update({"code": "ES"}, draft=None)),
    ):
        assert list(project_jurisdictions(fact_of(event, occurred_at=NOW))) == [then]


def test_callers_read_their_own_writes() -> None:
    assert all(view.inline for view in VIEWS)
