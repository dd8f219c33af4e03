"""partner-svc, wired in sight: `uvicorn --factory partner.app:app`."""

from __future__ import annotations

from fastapi import FastAPI
from service import Settings, create_app

from partner import api, outlet_views, policies, register_views, reported, tier_views, views
from partner.api.imports import APPLICATIONS
from partner.domain.application import applications
from partner.domain.checklist import opening_checklists
from partner.domain.investment import investment_standards
from partner.domain.partner import partners
from partner.domain.programme import programmes
from partner.domain.recruitment import recruitment_plans
from partner.domain.register import register_entries
from partner.domain.registration import registered_names
from partner.domain.standard import standards
from partner.domain.tax_id import tax_ids
from partner.states import STATES


def app() -> FastAPI:
    return create_app(
        "partner",
        Settings(),
        routes=api.ROUTES,
        deciders=[
            register_entries,
            standards,
            investment_standards,
            recruitment_plans,
            applications,
            registered_names,
            tax_ids,
            opening_checklists,
            programmes,
            partners,
        ],
        views=(
            *views.VIEWS,
            outlet_views.view,
            tier_views.programmes_view,
            tier_views.memberships_view,
            register_views.view,
            reported.view,
        ),
        policies=policies.POLICIES,
        states=STATES,
        sealing=True,
        imports=[APPLICATIONS],
        description="Recruiting by plans, standards and applications; and the registry of partners from prospective to "
        "terminated, with their outlets and tiers, of principals, brands and channels.",
    )
