"""How risk profiles are shown on risk.state."""

from __future__ import annotations

from uuid import UUID

from engine import PublicState
from events.states import FlagNow, RestrictionNow, RiskProfileState

from risk.domain.profile import RiskProfile
from risk.domain.risk_profile import risk_profiles


def show_risk_profile(id: UUID, profile: RiskProfile) -> RiskProfileState | None:
    if profile.partner_id is None:
        return None
    return RiskProfileState(
        partner_id=id,
        flags=tuple(
            FlagNow(flag_id=flag.id, rule=flag.rule, acknowledged=flag.acknowledged)
            for flag in profile.flags.values()
            if flag.status == "open"
        ),
        restrictions=tuple(
            RestrictionNow(restriction_id=each.id, kind=each.kind, rule=each.rule, reason=each.reason)
            for each in profile.restrictions.values()
            if each.lifted_by is None
        ),
    )


STATES = [PublicState(risk_profiles, RiskProfileState, show_risk_profile)]
