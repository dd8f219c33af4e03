"""Event sourcing on Postgres and Kafka. Domain code imports its words from here."""

from engine.decider import Command, Decider, Rejected, Unknown
from engine.differences import Difference, differences
from engine.facts import Context, Fact, Receipt
from engine.reactions import Become, CancelTimer, Policy, Process, Reaction, Rows, Send, SetTimer, Step
from engine.two_persons import Proposal, refuse_same_person, seconds
from engine.views import PublicState, Statement, Table, View, as_json

__all__ = [
    "Become",
    "CancelTimer",
    "Command",
    "Context",
    "Decider",
    "Difference",
    "Fact",
    "Policy",
    "Process",
    "Proposal",
    "PublicState",
    "Reaction",
    "Receipt",
    "Rejected",
    "Rows",
    "Send",
    "SetTimer",
    "Statement",
    "Step",
    "Table",
    "Unknown",
    "View",
    "as_json",
    "differences",
    "refuse_same_person",
    "seconds",
]
