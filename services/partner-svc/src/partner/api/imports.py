"""Uploads of applications as jobs."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid5

from engine import Send
from service import Import, import_routes, scope
from service.imports import Upload
from service.intake import Good

from partner.api.applications import applying
from partner.domain.application import ApplicationContent, applications


async def sends(upload: Upload, lines: Sequence[Good[ApplicationContent]]) -> list[Send]:
    """A line is an application of its own: its id follows from the upload and the line's number."""
    made = []
    for line in lines:
        content = line.content
        if content.occurred_at is None:
            content = content.model_copy(update={"occurred_at": upload.occurred_at})
        id = uuid5(upload.job, str(line.line))
        made.append(Send(applications, id, await applying(id, content, upload.seal)))
    return made


APPLICATIONS = Import("application", ApplicationContent, sends)

router = import_routes(APPLICATIONS, "/applications/imports", read=scope("partner:read"), write=scope("partner:write"))
