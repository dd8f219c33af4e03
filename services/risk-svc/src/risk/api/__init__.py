"""Routes of risk-svc."""

from risk.api import adjustments, concentration, contingencies, finances, flags, profiles, restrictions, rules, why

ROUTES = (
    *rules.ROUTES,
    *flags.ROUTES,
    *restrictions.ROUTES,
    *adjustments.ROUTES,
    *profiles.ROUTES,
    *why.ROUTES,
    *finances.ROUTES,
    *concentration.ROUTES,
    *contingencies.ROUTES,
)
