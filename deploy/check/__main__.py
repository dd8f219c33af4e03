"""`make verify-deploy`: every part of the check that can be run here, and a word on each that cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console

from deploy.check import cluster, compose, observability, production, static, tools
from deploy.check.report import Failed, Report

PARTS: dict[str, Callable[[Report], None]] = {
    "static": static.run,
    "observability": observability.run,
    "compose": compose.run,
    "production": production.run,
    "cluster": cluster.run,
}
SAYS = {
    "static": "files, rendered, against schemas, rules and linters; needs no engine and no cluster",
    "observability": "rules and dashboards by Prometheus' tools, and an alert that fires and ends",
    "compose": "docker-compose.yml from nothing, the sample through it, every container killed, and on with the sample",
    "production": "overlays/production at a real API server with the operators' definitions, and drains of nodes",
    "cluster": "overlays/local from nothing in a cluster, the sample through it, every deployment restarted under load",
}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console()


@app.callback(invoke_without_command=True)
def check(
    context: typer.Context,
    only: Annotated[list[str] | None, typer.Option(help=f"Only this part; again for more. {', '.join(PARTS)}.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Put what was shown into deploy/RESULTS.md.")] = False,
) -> None:
    """Check what lies in deploy/: manifests, rules and the Dockerfile against schemas and linters, and, where there is
    an engine or a cluster, live. Exits with 1 where something does not hold; what could not be run is said at the end.

    The engine is the one that docker speaks to. CAUCE_PYTHON_IMAGE, CAUCE_POSTGRES_IMAGE, CAUCE_KAFKA_IMAGE and
    CAUCE_PROXY_IMAGE name other images than the official ones; what cannot be pulled, but for Python, is stood in for.

    A cluster is touched only if you name it: CAUCE_VERIFY_CLUSTER is a kubectl context, and CAUCE_VERIFY_LOAD a command
    that takes images into its nodes, as `docker save` writes them (absent: they are there). All that is made lies in a
    namespace of its own, which is deleted at the end. CAUCE_VERIFY_SCRATCH is one that may be changed: definitions are
    installed in it, and its nodes are drained.

    Examples: [b]make verify-deploy[/b], [b]make verify-deploy ARGS="--only static"[/b],
    [b]CAUCE_VERIFY_CLUSTER=here CAUCE_VERIFY_LOAD="ctr -n k8s.io images import -" make verify-deploy[/b]
    """
    if context.invoked_subcommand is not None:
        return
    if strange := set(only or ()) - PARTS.keys():
        raise typer.BadParameter(f"there is no part {', '.join(sorted(strange))}; there are: {', '.join(PARTS)}")
    report = Report(console)
    for name, run in PARTS.items():
        if not only or name in only:
            with report.part(f"{name}: {SAYS[name]}"):
                run(report)
    report.conclude()
    if write:
        report.write()
    if not report.passed:
        raise typer.Exit(1)


@app.command("tools")
def build() -> None:
    """Build the programs and schemas that the check lacks into .devstack/tools. It takes Go and a few minutes, once."""
    report = Report(console)
    with report.part("tools"):
        tools.build(report)
    if not report.passed:
        raise typer.Exit(1)


if __name__ == "__main__":
    try:
        app()
    except Failed as failed:
        console.print(str(failed), style="red", markup=False)
        raise SystemExit(1) from None
