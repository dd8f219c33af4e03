"""Routes of risk-svc."""

from risk.api import concentration, finances, flags, profiles, restrictions, rules

ROUTES = (
    *rules.ROUTES,
    *flags.ROUTES,
    *restrictions.ROUTES,
    *profiles.ROUTES,
    *finances.ROUTES,
    *concentration.ROUTES,
)
