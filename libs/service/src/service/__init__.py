"""The FastAPI kit: what a service's routes and its `app.py` are written with."""

from engine import Receipt

from service.access import Principal, scope
from service.app import create_app
from service.drafts import Drafts
from service.handling import By, Handle, HandleMany, HandlePut, HandleSeen, InRoles, NewId, Theirs
from service.imports import Import, import_routes
from service.jobs import Job, JobStatus, Running, begin, job_routes
from service.limits import body_limit
from service.moments import NOW, At, Moment
from service.paging import Collection, Filter, Listing, Page, listing, page
from service.partners import own
from service.problems import Invalid, Problem, ProblemError
from service.reading import Clock, Happening, Read, history_of, list_of
from service.routing import UnsafeRoute
from service.sealing import Seal
from service.settings import InvalidSettings, Settings

__all__ = [
    "NOW",
    "At",
    "By",
    "Clock",
    "Collection",
    "Drafts",
    "Filter",
    "Handle",
    "HandleMany",
    "HandlePut",
    "HandleSeen",
    "Happening",
    "Import",
    "InRoles",
    "Invalid",
    "InvalidSettings",
    "Job",
    "JobStatus",
    "Listing",
    "Moment",
    "NewId",
    "Page",
    "Principal",
    "Problem",
    "ProblemError",
    "Read",
    "Receipt",
    "Running",
    "Seal",
    "Settings",
    "Theirs",
    "UnsafeRoute",
    "begin",
    "body_limit",
    "create_app",
    "history_of",
    "import_routes",
    "job_routes",
    "list_of",
    "listing",
    "own",
    "page",
    "scope",
]
