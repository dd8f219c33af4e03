"""The laws that come with this software, as data: version 0 of each jurisdiction's rules, until somebody publishes
others. They are for a lawyer to check before anybody relies on them."""

from __future__ import annotations

from collections.abc import Mapping

from contract.domain.rules import DisclosureRule, GroundRule, Rules

UNITED_STATES = DisclosureRule(days=14, citation="16 CFR 436.2(a)", exempts_same_terms_renewal=True)
"""A renewal without materially other terms is no sale of a franchise: 16 CFR 436.1(t)."""
SPAIN = DisclosureRule(days=20, citation="Real Decreto 201/2010, art. 3")
MEXICO = DisclosureRule(
    days=30,
    citation="Ley Federal de Protección a la Propiedad Industrial, art. 245",
    counting="business_days",
    country="MX",
)
CHINA = DisclosureRule(
    days=30,
    citation="Measures for the Information Disclosure of Commercial Franchises (2012), art. 4",
    exempts_same_terms_renewal=True,
)

WISCONSIN = (
    GroundRule(ground="noncompliance", notice_days=90, cure_days=60, citation="Wis. Stat. 135.04"),
    GroundRule(ground="non_payment", notice_days=10, cure_days=10, citation="Wis. Stat. 135.04"),
    GroundRule(ground="insolvency", immediate=True, citation="Wis. Stat. 135.04"),
)
CALIFORNIA = (
    GroundRule(
        ground="noncompliance",
        notice_days=60,
        cure_days=60,
        longest_cure_days=75,
        citation="Cal. Bus. & Prof. Code 20020",
    ),
    GroundRule(ground="insolvency", immediate=True, citation="Cal. Bus. & Prof. Code 20021(a)"),
    GroundRule(ground="abandonment", immediate=True, citation="Cal. Bus. & Prof. Code 20021(b)"),
    GroundRule(ground="misrepresentation", immediate=True, citation="Cal. Bus. & Prof. Code 20021(d)"),
    GroundRule(ground="law_violation", notice_days=10, cure_days=10, citation="Cal. Bus. & Prof. Code 20021(e)"),
    GroundRule(ground="same_breach_again", immediate=True, citation="Cal. Bus. & Prof. Code 20021(f)"),
    GroundRule(ground="repeated_noncompliance", immediate=True, citation="Cal. Bus. & Prof. Code 20021(g)"),
    GroundRule(ground="seizure", immediate=True, citation="Cal. Bus. & Prof. Code 20021(h)"),
    GroundRule(ground="felony", immediate=True, citation="Cal. Bus. & Prof. Code 20021(i)"),
    GroundRule(ground="non_payment", notice_days=5, cure_days=5, citation="Cal. Bus. & Prof. Code 20021(j)"),
    GroundRule(ground="danger_to_the_public", immediate=True, citation="Cal. Bus. & Prof. Code 20021(k)"),
)

# Of a state that lies in two zones, the one where most of its people live.
STATES_BY_ZONE = {
    "America/New_York": "CT DC DE FL GA IN KY MA MD ME MI NC NH NJ NY OH PA RI SC VA VT WV",
    "America/Chicago": "AL AR IA IL KS LA MN MO MS ND NE OK SD TN TX WI",
    "America/Denver": "CO ID MT NM UT WY",
    "America/Phoenix": "AZ",
    "America/Los_Angeles": "CA NV OR WA",
    "America/Anchorage": "AK",
    "Pacific/Honolulu": "HI",
    "America/Puerto_Rico": "PR VI",
    "Pacific/Guam": "GU MP",
    "Pacific/Pago_Pago": "AS",
}
RELATIONSHIP_LAWS = {"US-WI": WISCONSIN, "US-CA": CALIFORNIA}


def _rules(
    code: str, time_zone: str, disclosure: DisclosureRule | None = None, grounds: tuple[GroundRule, ...] = ()
) -> Rules:
    return Rules(code=code, version=0, time_zone=time_zone, disclosure=disclosure, grounds=grounds)


SHIPPED: Mapping[str, Rules] = {
    each.code: each
    for each in (
        _rules("US", "America/New_York", UNITED_STATES),
        *(
            _rules(f"US-{state}", zone, UNITED_STATES, RELATIONSHIP_LAWS.get(f"US-{state}", ()))
            for zone, states in STATES_BY_ZONE.items()
            for state in states.split()
        ),
        _rules("ES", "Europe/Madrid", SPAIN),
        _rules("MX", "America/Mexico_City", MEXICO),
        _rules("CN", "Asia/Shanghai", CHINA),
        _rules("NONE", "UTC"),
    )
}
