from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from engine import Rejected, Unknown
from engine.drafts import DiscardDraft, Publish
from engine.testing import scenario
from events.partner import PartnerRegistered, PartnerSuspended, PartnerTierChanged, SuspensionCause
from hypothesis import given
from hypothesis import strategies as st
from partner.domain.launch import ContractSigned
from partner.domain.membership import (
    ConsiderEvaluation,
    DecideTier,
    EvaluationConsidered,
    JoinProgramme,
    LeaveProgramme,
    ProgrammeJoined,
    ProgrammeLeft,
    TierChangeProposed,
    TierChangeRefused,
    TierProposalOvertaken,
)
from partner.domain.partner import partners
from partner.domain.programme import (
    DraftProgramme,
    ProgrammeContent,
    ProgrammeDraftDiscarded,
    ProgrammeDrafted,
    ProgrammePublished,
    ProgrammeTerms,
    programmes,
)
from partner.domain.registration import Registration, outlet_id
from partner.domain.tier import Evaluated, Lacking, Membership, considered, lacking, next_tier, proposed

NOW = datetime(2006, 2, 1, 12, tzinfo=UTC)
JOINED = date(2000, 3, 15)
SAID: dict[str, Any] = {
    "title": "Stars",
    "kinds": ["franchisee"],
    "period": "year",
    "tiers": [
        {"code": "member", "title": "Member"},
        {"code": "silver", "title": "Silver", "criteria": [{"at_least": 80}]},
        {
            "code": "gold",
            "title": "Gold",
            "criteria": [{"at_least": 90}, {"at_least": 85, "metric": "hygiene"}],
            "periods": 2,
            "months": 12,
            "benefits": [{"code": "leads", "text": "Leads come first."}],
        },
    ],
    "grace_periods": 2,
}


def content(**changes: Any) -> ProgrammeContent:
    return ProgrammeContent.model_validate({**SAID, **changes})


def terms(version: int = 1, **changes: Any) -> ProgrammeTerms:
    return ProgrammeTerms(code="stars", version=version, **dict(content(**changes)))


def evaluated(year: int, total: int, hygiene: int | None = None) -> Evaluated:
    scores = {} if hygiene is None else {"hygiene": Decimal(hygiene)}
    return Evaluated(str(year), Decimal(total), scores, UUID(int=year))


def member(tier: str, *evaluations: Evaluated) -> Membership:
    return Membership(tier, JOINED, evaluations)


TODAY = NOW.date()


# -- what is missing, and what is proposed


def test_what_is_missing_for_a_tier_is_told_criterion_by_criterion() -> None:
    gold = terms().tiers[2]
    assert lacking(gold, [evaluated(2005, 95)], 7) == (
        Lacking("months", Decimal(12), Decimal(7)),
        Lacking("evaluations", Decimal(2), Decimal(1)),
        Lacking("score", Decimal(85), None, "hygiene", "2005"),
    )
    assert lacking(gold, [evaluated(2004, 90, 85), evaluated(2005, 89, 84)], 12) == (
        Lacking("score", Decimal(90), Decimal(89), None, "2005"),
        Lacking("score", Decimal(85), Decimal(84), "hygiene", "2005"),
    )
    assert lacking(gold, [evaluated(2003, 1, 1), evaluated(2004, 90, 85), evaluated(2005, 90, 85)], 12) == ()
    assert lacking(terms().tiers[0], [], 0) == ()


def test_the_next_tier_is_the_one_above_and_the_highest_has_none() -> None:
    above = [next_tier(terms(), tier) for tier in ("member", "silver", "gold", "abolished")]
    assert [each and each.code for each in above] == ["silver", "gold", None, "silver"]


@pytest.mark.parametrize(
    ("tier", "evaluations", "to"),
    [
        ("member", [evaluated(2005, 79)], None),
        ("member", [evaluated(2005, 80)], "silver"),
        ("member", [evaluated(2004, 95, 90), evaluated(2005, 95, 90)], "gold"),
        ("silver", [evaluated(2005, 70)], None),
        ("silver", [evaluated(2004, 79), evaluated(2005, 70)], "member"),
        ("gold", [evaluated(2004, 95, 80), evaluated(2005, 85, 90)], "silver"),
        ("gold", [evaluated(2004, 95, 90), evaluated(2005, 85, 90)], None),
        ("gold", [evaluated(2004, 10), evaluated(2005, 10)], "member"),
        ("gold", [], None),
    ],
    ids=["short", "up", "two up", "grace", "down", "one down", "one bad year", "two down", "nothing known"],
)
def test_what_is_proposed_follows_from_the_last_evaluations(
    tier: str, evaluations: list[Evaluated], to: str | None
) -> None:
    found = proposed(terms(), member(tier, *evaluations), TODAY)
    assert (found and found.to_tier) == to
    if found is not None:
        order = [each.code for each in terms().tiers]
        assert (found.direction == "promotion") == (order.index(found.to_tier) > order.index(tier))
        assert set(found.evidence) <= {each.evaluation_id for each in evaluations}


def test_months_in_a_programme_are_whole_ones() -> None:
    days = (date(2000, 3, 14), date(2000, 4, 14), date(2000, 4, 15), date(2001, 3, 15))
    assert [member("member").months(day) for day in days] == [0, 0, 1, 12]


@given(st.lists(st.tuples(st.integers(2000, 2010), st.integers(0, 100)), max_size=30))
def test_of_each_period_the_last_word_counts_and_periods_are_in_order(said: list[tuple[int, int]]) -> None:
    kept: tuple[Evaluated, ...] = ()
    for year, total in said:
        kept = considered(kept, evaluated(year, total))
    assert [each.period for each in kept] == sorted({str(year) for year, _ in said})
    last = {str(year): Decimal(total) for year, total in said}
    assert {each.period: each.total for each in kept} == last


@given(st.sampled_from(["member", "silver", "gold"]), st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100))))
def test_once_a_proposal_is_accepted_nothing_more_is_proposed_by_the_same_evaluations(
    tier: str, said: list[tuple[int, int]]
) -> None:
    evaluations = [evaluated(2000 + n, total, hygiene) for n, (total, hygiene) in enumerate(said)]
    first = proposed(terms(), member(tier, *evaluations), TODAY)
    if first is not None:
        assert proposed(terms(), member(first.to_tier, *evaluations), TODAY) is None


# -- a partner in a programme


class Story:
    def __init__(self, id: UUID, registration: Registration) -> None:
        self.id = id
        self.of = {"partner_id": id, "programme": "stars"}
        registered = PartnerRegistered(
            partner_id=id,
            application_id=registration.application_id,
            legal_name=registration.legal_name,
            kind=registration.kind,
            area=registration.area,
            outlet_id=outlet_id(id),
            outlet_name=registration.outlet_name,
        )
        signed = ContractSigned(partner_id=id, contract_id=UUID(int=101), effective_from=date(2000, 2, 1))
        self.signed: list[Any] = [registered, signed]
        self.joined: list[Any] = [
            ProgrammeJoined(**self.of, programme_version=1, tier="member", joined_on=TODAY),
            PartnerTierChanged(**self.of, programme_version=1, tier="member", reason="Signed up."),
        ]
        self.member = [*self.signed, *self.joined]
        self.good, self.poor = self.heard(2005, 85), self.heard(2005, 70)
        self.up = TierChangeProposed(
            **self.of,
            programme_version=1,
            from_tier="member",
            to_tier="silver",
            direction="promotion",
            evidence=(UUID(int=2005),),
        )
        self.silver = PartnerTierChanged(
            **self.of,
            programme_version=1,
            tier="silver",
            previous="member",
            direction="promotion",
            reason="Well done.",
            evidence=(UUID(int=2005),),
        )
        self.refused = TierChangeRefused(**self.of, to_tier="silver", reason="Not yet.")
        cause = SuspensionCause(cause_id=UUID(int=9), reason="Unpaid.")
        self.suspended = PartnerSuspended(partner_id=id, cause=cause)

    def heard(self, year: int, total: int, id: int | None = None) -> EvaluationConsidered:
        return EvaluationConsidered(
            **self.of, period=str(year), total=Decimal(total), scores={}, evaluation_id=UUID(int=id or year)
        )


@pytest.fixture
def story(partner: UUID, registration: Callable[..., Registration]) -> Story:
    return Story(partner, registration())


def consider(year: int, total: int, id: int | None = None) -> ConsiderEvaluation:
    return ConsiderEvaluation(
        terms=terms(), period=str(year), total=Decimal(total), scores={}, evaluation_id=UUID(int=id or year)
    )


JOIN = JoinProgramme(terms=terms(), reason="Signed up.")
ACCEPT = DecideTier(programme="stars", to_tier="silver", accept=True, reason="Well done.")
REFUSE = DecideTier(programme="stars", to_tier="silver", accept=False, reason="Not yet.")


def test_a_partner_joins_in_the_lowest_tier_once(story: Story) -> None:
    scenario(partners, given=story.signed, when=JOIN, at=NOW, then=story.joined)
    scenario(partners, given=story.member, when=JOIN, at=NOW, then=[])
    scenario(partners, given=story.signed[:1], when=JOIN, at=NOW, then=Rejected("partner.not_signed"))
    others = JOIN.model_copy(update={"terms": terms(kinds=["agent", "reseller"])})
    refused = Rejected("partner.programme_for_others", programme="stars", kinds=["agent", "reseller"])
    scenario(partners, given=story.signed, when=others, at=NOW, then=refused)


def test_a_good_evaluation_proposes_a_promotion_and_a_person_decides(story: Story) -> None:
    then: list[Any] = [story.good, story.up]
    scenario(partners, given=story.member, when=consider(2005, 85), at=NOW, then=then)
    given = [*story.member, *then]
    scenario(partners, given=given, when=consider(2005, 85), at=NOW, then=[])
    assert partners.fold(given).memberships["stars"].tier == "member", "nothing changes before a person decides"
    scenario(partners, given=given, when=ACCEPT, at=NOW, then=story.silver)
    scenario(partners, given=[*given, story.silver], when=ACCEPT, at=NOW, then=[])
    scenario(partners, given=given, when=REFUSE, at=NOW, then=story.refused)


def test_what_a_person_refused_is_not_proposed_again_by_the_same_evaluations(story: Story) -> None:
    given = [*story.member, story.good, story.up, story.refused]
    restated = story.heard(2005, 86)
    scenario(partners, given=given, when=consider(2005, 86), at=NOW, then=restated)
    next_year = story.heard(2006, 90)
    again = story.up.model_copy(update={"evidence": (UUID(int=2006),)})
    scenario(partners, given=given, when=consider(2006, 90), at=NOW, then=[next_year, again])


def test_a_restated_evaluation_overtakes_what_was_proposed(story: Story) -> None:
    given = [*story.member, story.good, story.up]
    overtaken = TierProposalOvertaken(**story.of)
    worse = story.heard(2005, 70, 7)
    scenario(partners, given=given, when=consider(2005, 70, 7), at=NOW, then=[worse, overtaken])
    refused = Rejected("partner.tier_not_proposed", tier="member", proposed=None)
    scenario(partners, given=[*given, worse, overtaken], when=ACCEPT, at=NOW, then=refused)


def test_a_demotion_waits_for_its_grace_and_for_a_person(story: Story) -> None:
    given = [*story.member, story.good, story.up, story.silver]
    scenario(partners, given=given, when=consider(2006, 70), at=NOW, then=story.heard(2006, 70))
    then = [
        story.heard(2007, 71),
        TierChangeProposed(
            **story.of,
            programme_version=1,
            from_tier="silver",
            to_tier="member",
            direction="demotion",
            evidence=(UUID(int=2006), UUID(int=2007)),
        ),
    ]
    given = [*given, story.heard(2006, 70)]
    scenario(partners, given=given, when=consider(2007, 71), at=NOW, then=then)
    down = DecideTier(programme="stars", to_tier="member", accept=True, reason="Two weak years.")
    changed = PartnerTierChanged(
        **story.of,
        programme_version=1,
        tier="member",
        previous="silver",
        direction="demotion",
        reason="Two weak years.",
        evidence=(UUID(int=2006), UUID(int=2007)),
    )
    # A suspension does not keep anybody in a tier.
    scenario(partners, given=[*given, *then, story.suspended], when=down, at=NOW, then=changed)


def test_time_under_suspension_does_not_count_and_nobody_rises_in_it(story: Story) -> None:
    scenario(partners, given=[*story.member, story.suspended], when=consider(2005, 85), at=NOW, then=[])
    given = [*story.member, story.good, story.up, story.suspended]
    scenario(partners, given=given, when=ACCEPT, at=NOW, then=Rejected("partner.suspended", reasons=["Unpaid."]))


def test_who_is_in_no_programme_is_not_placed(story: Story) -> None:
    scenario(partners, given=story.signed, when=consider(2005, 85), at=NOW, then=[])
    unknown = Unknown("partner.not_in_programme", programme="stars")
    for command in (ACCEPT, LeaveProgramme(programme="stars", reason="No.")):
        scenario(partners, given=story.signed, when=command, at=NOW, then=unknown)
    left = ProgrammeLeft(**story.of, reason="No.")
    leave = LeaveProgramme(programme="stars", reason="No.")
    scenario(partners, given=story.member, when=leave, at=NOW, then=left)
    assert partners.fold([*story.member, left]).memberships == {}


# -- the programme in versions


def test_a_programme_is_drafted_published_and_revised() -> None:
    drafted = ProgrammeDrafted(code="stars", content=content())
    draft = DraftProgramme(code="stars", content=content())
    scenario(programmes, when=draft, at=NOW, then=drafted)
    scenario(programmes, given=[drafted], when=draft, at=NOW, then=[])
    first = ProgrammePublished(code="stars", terms=terms())
    scenario(programmes, given=[drafted], when=Publish(), at=NOW, then=first)
    kinder = ProgrammeDrafted(code="stars", content=content(grace_periods=3))
    second = ProgrammePublished(code="stars", terms=terms(2, grace_periods=3))
    scenario(programmes, given=[drafted, first, kinder], when=Publish(), at=NOW, then=second)
    discarded = ProgrammeDraftDiscarded(code="stars")
    scenario(programmes, given=[drafted, first, kinder], when=DiscardDraft(), at=NOW, then=discarded)
    scenario(programmes, when=Publish(), at=NOW, then=Unknown("partner.programme_unknown"))


def test_tiers_that_make_no_sense_are_refused() -> None:
    twice = DraftProgramme(code="stars", content=content(tiers=[SAID["tiers"][0]] * 2))
    scenario(programmes, when=twice, at=NOW, then=Rejected("partner.tier_twice", tiers=["member"]))
    asking = DraftProgramme(code="stars", content=content(tiers=SAID["tiers"][1:]))
    scenario(programmes, when=asking, at=NOW, then=Rejected("partner.first_tier_asks", tier="silver"))
