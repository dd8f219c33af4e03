"""Cauce's published language: every event that leaves a service, declared once and read by everyone."""

from events.base import Event, Period
from events.catalogue import CATALOGUE, published_by, topic_of

__all__ = ["CATALOGUE", "Event", "Period", "published_by", "topic_of"]
