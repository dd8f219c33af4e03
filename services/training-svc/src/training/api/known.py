"""What audits are recorded by, looked up for a whole batch at once and handed to decide as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from engine import Rows

from training.audit_views import CONTENT
from training.domain.template_content import TemplateTerms

IN_USE = """
select code, version, content from audit_templates t join audit_template_versions v using (code, version)
where code = any ($1) and not retired
"""


@dataclass(frozen=True)
class Known:
    db: Rows

    async def in_use(self, codes: Iterable[str]) -> Mapping[str, TemplateTerms]:
        """The versions that hold, by code, of those templates that have one and are not retired."""
        rows = await self.db.fetch(IN_USE, list(set(codes)))
        return {row["code"]: _terms(row) for row in rows}

    async def version(self, code: str, version: int) -> TemplateTerms:
        """A version that was published."""
        query = "select code, version, content from audit_template_versions where code = $1 and version = $2"
        return _terms(await self.db.fetchrow(query, code, version))

    async def partners(self, ids: Iterable[UUID]) -> frozenset[UUID]:
        """Those of them that are registered."""
        query = "select partner_id from known_partners where partner_id = any ($1)"
        return frozenset(row["partner_id"] for row in await self.db.fetch(query, list(set(ids))))


def _terms(row: Mapping[str, Any]) -> TemplateTerms:
    return TemplateTerms(row["code"], row["version"], CONTENT.validate_json(row["content"]))
