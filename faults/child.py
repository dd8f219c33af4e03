"""`python -m faults.child SERVICE`: one replica of a service as it ships, with short times and armed failpoints."""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import replace
from pathlib import Path

from engine.runtime import Engine, Tuning
from fastapi import FastAPI
from service import server

from faults.failpoints import Failpoints

FOLDER = "CAUCE_FAULTS_FAILPOINTS"
SHORT = {
    "lease_seconds": 2.0,
    "session_seconds": 6.0,
    "transaction_seconds": 4.0,
    "relay_window": 200,
    "measure_seconds": 2.0,
}
"""Kafka's broker takes no session below 6 s. With a small window a relay is often in the middle of something. Beside
other work a transaction may take a while, and seven replicas on two processors are beside much of it."""


def tuned(tuning: Tuning) -> Tuning:
    return replace(tuning, **SHORT)  # type: ignore[arg-type]


def main(service: str) -> None:
    app: FastAPI = importlib.import_module(f"{service}.app").app()
    engine: Engine = app.state.engine
    engine.tuning = tuned(engine.tuning)
    engine.failpoint = Failpoints(Path(os.environ[FOLDER]), service)
    sys.exit(0 if server.serve(app) else 3)


if __name__ == "__main__":
    main(sys.argv[1])
