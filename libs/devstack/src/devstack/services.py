"""What runs, and where: the only table of services and ports."""

from dataclasses import dataclass

POSTGRES_PORT = 55432
KAFKA_PORT = 59092
KAFKA_CONTROLLER_PORT = 59093


@dataclass(frozen=True)
class Service:
    """A service's name is its package's, its database's and its role's."""

    name: str
    port: int
    keeps: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


# Held for the others: insight 8100, strategy 8101, marketing 8106, engagement 8107, innovation 8109.
SERVICES = (
    Service("partner", 8102, "applications, scoring, the registry of partners"),
    Service("contract", 8103, "negotiation, disclosure, signatures"),
    Service("training", 8104, "courses, assignments, completions"),
    Service("performance", 8105, "KPI reports, periods, evaluations"),
    Service("risk", 8108, "rules, flags, restrictions"),
)
