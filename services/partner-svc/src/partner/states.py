"""How partners are shown on partner.state."""

from __future__ import annotations

from uuid import UUID

from engine import PublicState
from events.states import OutletNow, PartnerState

from partner.domain.partner import Partner, partners


def show_partner(id: UUID, partner: Partner) -> PartnerState | None:
    registration, outlet = partner.registration, partner.outlet
    if registration is None or outlet is None:
        return None
    return PartnerState(
        partner_id=id,
        application_id=registration.application_id,
        legal_name=registration.legal_name,
        kind=registration.kind,
        area=registration.area,
        status=partner.status.value,
        suspended_because=tuple(cause.reason for cause in partner.causes.values()),
        outlets=(
            OutletNow(outlet_id=outlet.outlet_id, name=outlet.name, area=outlet.area, opened_on=outlet.opened_on),
        ),
        external_refs=partner.data.external_refs,
        tax_ids=partner.data.tax_ids,
        currency=partner.data.currency,
        sole_trader=registration.sole_trader,
    )


STATES = [PublicState(partners, PartnerState, show_partner)]
