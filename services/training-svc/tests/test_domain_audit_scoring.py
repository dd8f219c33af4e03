"""The arithmetic of an audit: what it comes to, and what holds whatever the answers are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from engine import Rejected
from events.training import SectionScore
from hypothesis import assume
from hypothesis import given as for_all
from hypothesis import strategies as st
from training.domain.audit_scoring import CENT, Scored, score
from training.domain.template_content import Content, Item, Section


def item(code: str, weight: str = "1", *, critical: bool = False) -> Item:
    return Item(code, code, Decimal(weight), critical, 7 if critical else None, "manager")


def content(*sections: Section, pass_mark: str = "80", cap: str | None = None) -> Content:
    limit = None if cap is None else Decimal(cap)
    return Content("Food safety", sections, Decimal(pass_mark), limit, None, "year", "UTC")


HYGIENE = Section("hygiene", "Hygiene", (item("cold", "3", critical=True), item("floors")))
BRAND = Section("brand", "Brand", (item("signs", "2"),))
TEMPLATE = content(HYGIENE, BRAND)


def rated(**ratings: int | None) -> dict[str, Decimal | None]:
    return {code: None if rating is None else Decimal(rating) for code, rating in ratings.items()}


def scores(scored: Scored) -> dict[str, Decimal | None]:
    return {each.section: each.score for each in scored.sections}


def test_items_count_by_their_weight_in_their_section_and_in_the_whole() -> None:
    scored = score(TEMPLATE, rated(cold=100, floors=50, signs=25))
    assert scores(scored) == {"hygiene": Decimal("87.50"), "brand": Decimal("25.00")}
    assert (scored.total, scored.passed, scored.critical_missed) == (Decimal("66.67"), False, ())  # 400 of 600


def test_what_did_not_apply_counts_neither_for_nor_against() -> None:
    scored = score(TEMPLATE, rated(cold=100, floors=None, signs=None))
    assert (scored.total, scored.passed) == (Decimal("100.00"), True)
    assert scored.sections == (
        SectionScore(section="hygiene", score=Decimal("100.00")),
        SectionScore(section="brand", score=None),
    )


def test_a_missed_critical_item_fails_the_audit_whatever_the_total_is() -> None:
    scored = score(content(HYGIENE, BRAND, pass_mark="0"), rated(cold=99, floors=100, signs=100))
    assert (scored.total, scored.passed, scored.critical_missed) == (Decimal("99.50"), False, ("cold",))


def test_a_cap_holds_the_total_down_where_a_critical_item_was_missed_and_only_there() -> None:
    capped = content(HYGIENE, BRAND, cap="60")
    assert score(capped, rated(cold=0, floors=100, signs=100)).total == Decimal("50.00")
    assert score(capped, rated(cold=90, floors=100, signs=100)).total == Decimal(60)
    assert score(capped, rated(cold=100, floors=100, signs=100)).total == Decimal("100.00")
    assert score(capped, rated(cold=90, floors=100, signs=100)).sections[0].score == Decimal("92.50")


def test_a_critical_item_that_did_not_apply_was_not_missed() -> None:
    scored = score(TEMPLATE, rated(cold=None, floors=80, signs=80))
    assert (scored.total, scored.passed, scored.critical_missed) == (Decimal("80.00"), True, ())


def test_the_pass_mark_is_passed_by_the_total_as_it_is_shown() -> None:
    thirds = content(Section("all", "All", (item("a"), item("b"), item("c"))), pass_mark="66.67")
    assert score(thirds, rated(a=100, b=100, c=0)).passed
    assert not score(replace(thirds, pass_mark=Decimal("66.68")), rated(a=100, b=100, c=0)).passed


@pytest.mark.parametrize(
    ("ratings", "missing", "unknown"),
    [
        (rated(cold=100, floors=100), ["signs"], []),
        (rated(cold=100, floors=100, signs=1, walls=1), [], ["walls"]),
        (rated(), ["cold", "floors", "signs"], []),
    ],
    ids=["one short", "one too many", "none"],
)
def test_there_is_one_answer_for_each_item_and_none_beside(
    ratings: Mapping[str, Decimal | None], missing: list[str], unknown: list[str]
) -> None:
    with pytest.raises(Rejected) as refused:
        score(TEMPLATE, ratings)
    assert refused.value == Rejected("training.answers_do_not_fit_template", missing=missing, unknown=unknown)


def test_an_audit_where_nothing_applied_is_none() -> None:
    with pytest.raises(Rejected, match="nothing_applied"):
        score(TEMPLATE, rated(cold=None, floors=None, signs=None))


# -- whatever the template and the answers are

WEIGHTS = st.decimals("0.0001", "1000", places=4)
RATINGS = st.none() | st.decimals(0, 100, places=2) | st.sampled_from([Decimal(0), Decimal(100)])


@st.composite
def audits(draw: st.DrawFn) -> tuple[Content, dict[str, Decimal | None]]:
    """A template of up to four sections, with or without a cap, and an answer to each of its items."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    sections, ratings = [], {}
    for s, size in enumerate(sizes):
        items = tuple(item(f"i{s}-{n}", str(draw(WEIGHTS)), critical=draw(st.booleans())) for n in range(size))
        sections.append(Section(f"s{s}", "A section", items))
        ratings |= {each.code: draw(RATINGS) for each in items}
    cap = draw(st.none() | st.decimals(0, 100, places=2).map(str))
    made = content(*sections, pass_mark=str(draw(st.decimals(0, 100, places=2))), cap=cap)
    assume(any(rating is not None for rating in ratings.values()))
    return made, ratings


def exactly(items: list[Item], ratings: Mapping[str, Decimal | None]) -> Fraction | None:
    counted = [(Fraction(i.weight), Fraction(r)) for i in items if (r := ratings[i.code]) is not None]
    return sum((w * r for w, r in counted), Fraction(0)) / sum(w for w, _ in counted) if counted else None


@for_all(audits())
def test_the_figures_are_the_exact_means_to_half_a_cent(audit: tuple[Content, dict[str, Decimal | None]]) -> None:
    template, ratings = audit
    scored = score(replace(template, critical_cap=None), ratings)
    half = Fraction(CENT) / 2
    whole = exactly([i for _, i in template.items], ratings)
    assert whole is not None
    assert abs(Fraction(scored.total) - whole) <= half
    for section, told in zip(template.sections, scored.sections, strict=True):
        mean = exactly(list(section.items), ratings)
        assert (told.score is None) == (mean is None)
        if mean is not None and told.score is not None:
            assert abs(Fraction(told.score) - mean) <= half
            assert told.score == told.score.quantize(CENT, ROUND_HALF_UP)


@for_all(audits())
def test_the_total_lies_between_the_worst_and_the_best_section(
    audit: tuple[Content, dict[str, Decimal | None]],
) -> None:
    template, ratings = audit
    scored = score(replace(template, critical_cap=None), ratings)
    known = [each for each in scores(scored).values() if each is not None]
    assert min(known) <= scored.total <= max(known)
    assert 0 <= scored.total <= 100


@for_all(audits(), st.data())
def test_a_better_rating_never_makes_an_audit_worse(
    audit: tuple[Content, dict[str, Decimal | None]], data: st.DataObject
) -> None:
    template, ratings = audit
    code = data.draw(st.sampled_from(sorted(c for c, r in ratings.items() if r is not None)))
    rating = ratings[code]
    assert rating is not None
    better = ratings | {code: data.draw(st.decimals(rating, 100, places=2))}
    before, after = score(template, ratings), score(template, better)
    assert after.total >= before.total
    assert after.passed or not before.passed
    assert set(after.critical_missed) <= set(before.critical_missed)


@for_all(audits(), st.decimals("0.1", "10", places=1).filter(lambda by: by > 0))
def test_only_the_weights_against_each_other_count(
    audit: tuple[Content, dict[str, Decimal | None]], by: Decimal
) -> None:
    template, ratings = audit
    sections = tuple(
        replace(s, items=tuple(replace(i, weight=i.weight * by) for i in s.items)) for s in template.sections
    )
    assert score(replace(template, sections=sections), ratings) == score(template, ratings)


@for_all(audits(), st.data())
def test_what_does_not_apply_could_as_well_not_be_asked(
    audit: tuple[Content, dict[str, Decimal | None]], data: st.DataObject
) -> None:
    template, ratings = audit
    left = {code: rating for code, rating in ratings.items() if rating is not None}
    asked = tuple(
        replace(s, items=tuple(i for i in s.items if i.code in left))
        for s in template.sections
        if any(i.code in left for i in s.items)
    )
    shorter, whole = score(replace(template, sections=asked), left), score(template, ratings)
    assert (shorter.total, shorter.passed, shorter.critical_missed) == (
        whole.total, whole.passed, whole.critical_missed
    )  # fmt: skip
    assert [each for each in whole.sections if each.score is not None] == list(shorter.sections)


@for_all(audits())
def test_an_audit_is_passed_just_where_nothing_critical_was_missed_and_the_mark_is_reached(
    audit: tuple[Content, dict[str, Decimal | None]],
) -> None:
    template, ratings = audit
    scored = score(template, ratings)
    missed = [i.code for _, i in template.items if i.critical and ratings[i.code] not in (None, Decimal(100))]
    assert list(scored.critical_missed) == missed
    assert scored.passed == (not missed and scored.total >= template.pass_mark)
    if missed and template.critical_cap is not None:
        assert scored.total <= template.critical_cap
