"""Cauce's published language: every event that leaves a service, declared once and read by everyone."""

from events.base import Event, Period, PersonalData
from events.catalogue import CATALOGUE, published_by
from events.topics import INTAKES, TOPICS, Topic, state_topic, topic, topic_of

__all__ = [
    "CATALOGUE",
    "INTAKES",
    "TOPICS",
    "Event",
    "Period",
    "PersonalData",
    "Topic",
    "published_by",
    "state_topic",
    "topic",
    "topic_of",
]
