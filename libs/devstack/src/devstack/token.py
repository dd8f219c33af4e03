"""An access token of a development issuer: `make token`, and `docker compose run --rm token`."""

import sys
from typing import Annotated
from uuid import UUID

import typer

from devstack import issuer
from devstack.trouble import Trouble


def token(
    role: Annotated[
        str, typer.Option(help=f"Whose: {', '.join(issuer.ROLES)}. What each may do is in docs/access.md.")
    ] = "channel-manager",
    partner: Annotated[UUID | None, typer.Option(help="The partner that they belong to, for the role partner.")] = None,
    subject: Annotated[str, typer.Option(help="Who it is; every event keeps it.")] = "developer",
    hours: Annotated[float, typer.Option(min=0.01, help="How long it is good for.")] = 12.0,
) -> None:
    """Print an access token of the development issuer: this clone's, or that of its containers.

    Use it as `curl -H "Authorization: Bearer $(make -s token)" http://127.0.0.1:8102/partners`; with containers, as
    `curl -H "Authorization: Bearer $(docker compose run --rm token)" http://127.0.0.1:8080/partner/partners`.
    """
    typer.echo(issuer.mint(role, subject, ttl=hours * 3600, partner_id=partner))


if __name__ == "__main__":
    try:
        typer.run(token)
    except Trouble as trouble:
        sys.exit(f"cauce: {trouble}")
