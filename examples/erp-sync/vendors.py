"""What the ERP keeps of each partner, and what an event does to it. Pure SQL on SQLite; nothing here knows Kafka.

No order is promised between topics: an event of contract-svc may come before the partner it speaks of. So each table
is written by the events of one service only, and the view `payable` puts them together.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

Data = dict[str, Any]
Handler = Callable[[sqlite3.Connection, Data], None]

SCHEMA = """
create table if not exists vendor (
    partner_id text primary key,
    vendor_no text,            -- how this ERP calls it
    legal_name text,           -- null where it is the name of a person: that is sealed, see the README
    kind text not null,
    currency text,             -- ISO 4217
    status text not null,      -- prospective, active, lapsed, terminated
    blocked_because text       -- null: not suspended
);
create table if not exists vendor_tax_id (
    partner_id text not null, country text not null, scheme text not null, value text,
    primary key (partner_id, country, scheme)
);
create table if not exists vendor_site (
    outlet_id text primary key, partner_id text not null, name text not null, area text not null, opened_on text
);
create table if not exists vendor_contract (
    contract_id text primary key, partner_id text not null, status text not null,
    royalty_percent text, areas text, effective_from text, ends_on text
);
create view if not exists payable as
    select v.*, c.contract_id, c.royalty_percent from vendor v join vendor_contract c using (partner_id)
    where v.status = 'active' and v.blocked_because is null and c.status = 'in_force';
"""

SYSTEM = "erp"
"""Under this name Cauce keeps our vendor numbers, among its external references."""

SEALED = "sealed."


def open_text(text: str) -> str | None:
    """None for what is sealed: it names a person, and only the service that owns it may say it."""
    return None if text.startswith(SEALED) else text


# -- partner-svc


def partner_registered(db: sqlite3.Connection, data: Data) -> None:
    numbers = [ref["key"] for ref in data.get("external_refs", []) if ref["system"] == SYSTEM]
    db.execute(
        "insert into vendor (partner_id, vendor_no, legal_name, kind, status) values (?, ?, ?, ?, 'prospective')",
        (data["partner_id"], next(iter(numbers), None), open_text(data["legal_name"]), data["kind"]),
    )
    db.execute(
        "insert into vendor_site (outlet_id, partner_id, name, area) values (?, ?, ?, ?)",
        (data["outlet_id"], data["partner_id"], data["outlet_name"], data["area"]),
    )


def partner_details_changed(db: sqlite3.Connection, data: Data) -> None:
    db.execute("update vendor set currency = ? where partner_id = ?", (data["currency"], data["partner_id"]))
    db.execute("delete from vendor_tax_id where partner_id = ?", (data["partner_id"],))
    db.executemany(
        "insert into vendor_tax_id (partner_id, country, scheme, value) values (?, ?, ?, ?)",
        [(data["partner_id"], tax["country"], tax["scheme"], open_text(tax["value"])) for tax in data["tax_ids"]],
    )


def external_reference_linked(db: sqlite3.Connection, data: Data) -> None:
    if data["system"] == SYSTEM:
        db.execute("update vendor set vendor_no = ? where partner_id = ?", (data["key"], data["partner_id"]))


def outlet_opened(db: sqlite3.Connection, data: Data) -> None:
    db.execute(
        "insert into vendor_site (outlet_id, partner_id, name, area, opened_on) values (?, ?, ?, ?, ?)"
        " on conflict do update set name = excluded.name, area = excluded.area, opened_on = excluded.opened_on",
        (data["outlet_id"], data["partner_id"], data["name"], data["area"], data["opened_on"]),
    )


def outlet_changed(db: sqlite3.Connection, data: Data) -> None:
    db.execute(
        "update vendor_site set name = ?, area = ? where outlet_id = ?",
        (data["name"], data["area"], data["outlet_id"]),
    )


def partner_suspended(db: sqlite3.Connection, data: Data) -> None:
    block(db, data, data["cause"]["reason"])


def partner_reinstated(db: sqlite3.Connection, data: Data) -> None:
    block(db, data, None)


def block(db: sqlite3.Connection, data: Data, reason: str | None) -> None:
    db.execute("update vendor set blocked_because = ? where partner_id = ?", (reason, data["partner_id"]))


def status_becomes(status: str) -> Handler:
    def handle(db: sqlite3.Connection, data: Data) -> None:
        db.execute("update vendor set status = ? where partner_id = ?", (status, data["partner_id"]))

    return handle


def person_erased(db: sqlite3.Connection, data: Data) -> None:
    """The person asked to be forgotten. Where the partner itself is the person, so are its name and tax ids."""
    if data["person_id"] == data["partner_id"]:
        db.execute("update vendor set legal_name = null where partner_id = ?", (data["partner_id"],))
        db.execute("update vendor_tax_id set value = null where partner_id = ?", (data["partner_id"],))


# -- contract-svc


def contract_drafted(db: sqlite3.Connection, data: Data) -> None:
    db.execute(
        "insert into vendor_contract (contract_id, partner_id, status, royalty_percent, areas, ends_on)"
        " values (?, ?, 'draft', ?, ?, ?)",
        (
            data["contract_id"],
            data["partner_id"],
            data["royalty_percent"],  # a decimal as text: keep it so, a float is no money
            json.dumps(data["areas"]),
            data.get("term_ends_on"),
        ),
    )


def partner_signed(db: sqlite3.Connection, data: Data) -> None:
    db.execute(
        "update vendor_contract set status = 'signed', effective_from = ? where contract_id = ?",
        (data["effective_from"], data["contract_id"]),
    )


def contract_becomes(status: str) -> Handler:
    def handle(db: sqlite3.Connection, data: Data) -> None:
        db.execute("update vendor_contract set status = ? where contract_id = ?", (status, data["contract_id"]))

    return handle


HANDLERS: dict[str, Handler] = {
    "cauce.partner.PartnerRegistered.v1": partner_registered,
    "cauce.partner.PartnerDetailsChanged.v1": partner_details_changed,
    "cauce.partner.ExternalReferenceLinked.v1": external_reference_linked,
    "cauce.partner.OutletOpened.v1": outlet_opened,
    "cauce.partner.OutletChanged.v1": outlet_changed,
    "cauce.partner.PartnerActivated.v1": status_becomes("active"),
    "cauce.partner.PartnerSuspended.v1": partner_suspended,
    "cauce.partner.PartnerReinstated.v1": partner_reinstated,
    "cauce.partner.PartnerLapsed.v1": status_becomes("lapsed"),
    "cauce.partner.PartnerTerminated.v1": status_becomes("terminated"),
    "cauce.partner.PersonErased.v1": person_erased,
    "cauce.contract.ContractDrafted.v1": contract_drafted,
    "cauce.contract.PartnerSigned.v1": partner_signed,
    "cauce.contract.ContractInForce.v1": contract_becomes("in_force"),
    "cauce.contract.ContractExpired.v1": contract_becomes("expired"),
    "cauce.contract.ContractTerminated.v1": contract_becomes("terminated"),
}
_NAMES = {type.rpartition(".")[0] for type in HANDLERS}


class UnknownMajor(Exception):
    """An event that we rely on comes in a version that we cannot read."""


def handler_of(type: str) -> Handler | None:
    """None for an event that is no concern of ours. Raises UnknownMajor."""
    if type not in HANDLERS and type.rpartition(".")[0] in _NAMES:
        raise UnknownMajor(f"{type}: learn to read it, then start again")
    return HANDLERS.get(type)
