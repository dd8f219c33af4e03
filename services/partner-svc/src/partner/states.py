"""How partners are shown on partner.state."""

from __future__ import annotations

from uuid import UUID

from engine import PublicState
from events.partner import ExternalRef
from events.states import OutletNow, PartnerState, TierNow

from partner.domain.checklist import Outlet
from partner.domain.partner import partners
from partner.domain.standing import Partner


def show_partner(id: UUID, partner: Partner) -> PartnerState | None:
    registration, holder = partner.registration, partner.holder
    if registration is None or holder is None:
        return None
    return PartnerState(
        partner_id=id,
        application_id=registration.application_id,
        legal_name=holder.legal_name,
        kind=registration.kind,
        area=registration.area,
        status=partner.status.value,
        suspended_because=tuple(cause.reason for cause in partner.causes.values()),
        outlets=tuple(show_outlet(outlet) for outlet in partner.outlets.values()),
        external_refs=partner.data.external_refs,
        tax_ids=partner.data.tax_ids,
        currency=partner.data.currency,
        sole_trader=holder.sole_trader,
        tiers=tuple(TierNow(programme=code, tier=each.tier) for code, each in partner.memberships.items()),
    )


def show_outlet(outlet: Outlet) -> OutletNow:
    return OutletNow(
        outlet_id=outlet.outlet_id,
        name=outlet.name,
        area=outlet.area,
        opened_on=outlet.opened_on,
        closed_on=outlet.closed_on,
        external_refs=tuple(ExternalRef(system=system, key=key) for system, key in outlet.references.items()),
    )


STATES = [PublicState(partners, PartnerState, show_partner)]
