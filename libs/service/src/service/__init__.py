"""The FastAPI kit: what a service's routes and its `app.py` are written with."""

from engine import Receipt

from service.access import Principal, scope
from service.app import create_app
from service.handling import Handle, HandleMany, Happening, NewId, Read, history_of
from service.limits import body_limit
from service.paging import Listing, Page, listing, page
from service.partners import own
from service.problems import Invalid, Problem, ProblemError
from service.routing import UnsafeRoute
from service.settings import InvalidSettings, Settings

__all__ = [
    "Handle",
    "HandleMany",
    "Happening",
    "Invalid",
    "InvalidSettings",
    "Listing",
    "NewId",
    "Page",
    "Principal",
    "Problem",
    "ProblemError",
    "Read",
    "Receipt",
    "Settings",
    "UnsafeRoute",
    "body_limit",
    "create_app",
    "history_of",
    "listing",
    "own",
    "page",
    "scope",
]
