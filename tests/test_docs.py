"""The pages say what is there."""

import re
from pathlib import Path

import pytest
from events import CATALOGUE

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "sample" / "README.md"]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#([^)\s]+))?\)")
EVENT = re.compile(r"\*\*([A-Z][A-Za-z]+)\*\*")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text()):
        target = (page.parent / path).resolve()
        assert target.exists(), f"{page.name} links to {path}"
        if anchor:
            assert anchor in _anchors(target), f"{page.name} links to #{anchor} of {path}"


def test_every_runbook_entry_that_a_log_line_names_is_there() -> None:
    entries = _anchors(ROOT / "docs" / "operations.md")
    for source in [*ROOT.glob("libs/*/src/**/*.py"), *ROOT.glob("services/*/src/**/*.py")]:
        for anchor in re.findall(r"docs/operations\.md#([a-z-]+)", source.read_text()):
            assert anchor in entries, f"{source.name} names #{anchor}"


def test_the_event_map_names_only_events_that_are_published_by_the_service_it_says() -> None:
    rows = re.findall(r"^\| (.*\*\*.*?) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert rows
    for row in rows:
        service = ""
        for part in row.split(", "):
            service = re.match(r"(\w+): ", part).group(1) if re.match(r"(\w+): ", part) else service  # type: ignore[union-attr]
            for name in EVENT.findall(part):
                assert name in {event.__name__ for event in CATALOGUE[service]}, f"{service} publishes no {name}"


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
