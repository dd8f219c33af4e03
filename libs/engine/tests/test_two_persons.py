from uuid import UUID

import pytest
from engine import Proposal, Rejected, seconds

ONE, OTHER = UUID(int=1), UUID(int=2)
ANAS = Proposal("too small", ("ana",))
CODE = "shop.second_person_needed"


def test_what_one_person_wants_is_done_when_another_wants_the_same() -> None:
    assert not seconds(ANAS, None, CODE)
    assert seconds(Proposal("too small", ("ben",)), ANAS, CODE)


@pytest.mark.parametrize("by", [("ana",), ("ben", "ana")], ids=["herself", "in-her-name"])
def test_the_same_person_again_is_refused_also_in_anothers_name(by: tuple[str, ...]) -> None:
    with pytest.raises(Rejected) as refusal:
        seconds(Proposal("too small", by), ANAS, CODE)
    assert refusal.value == Rejected(CODE, proposed_by=["ana"])


def test_for_another_reason_or_about_another_thing_it_is_a_proposal_of_its_own() -> None:
    assert not seconds(Proposal("too late", ("ana",)), ANAS, CODE)
    about = Proposal("too small", ("ana",), ONE)
    assert not seconds(Proposal("too small", ("ben",), OTHER), about, CODE)
    assert seconds(Proposal("too small", ("ben",), ONE), about, CODE)
