"""What was released stays: pins, golden records and the ledger, and what the gate says when somebody touches them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from events import Event
from events.__main__ import main
from events.base import Upcast
from events.catalogue import language
from events.document import schema_of
from events.releases import LEDGER, forgotten, newest, pin, pins, problems, release
from events.states import State
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import create_model

FOLDER = Path(__file__).parents[1]
PINS = pins(FOLDER)
NAME = "cauce.partner.PartnerWaved.v1"


def waved(
    named: str = NAME,
    upcasts: dict[str, Upcast] | None = None,
    downcast: tuple[str, Upcast] | None = None,
    **fields: Any,
) -> type[Event]:
    """An event under way from version to version: with `hand`, and these."""
    made: type[Event] = create_model(
        "PartnerWaved",
        __base__=Event,
        __cls_kwargs__={
            "type": named,
            "key": "partner-{partner_id}",
            "upcasts": upcasts,
            "downcast": downcast,
        },
        **{"hand": (str, ...)} | fields,
    )
    return made


SECOND_MAJOR = "cauce.partner.PartnerWaved.v2"
LOWERED: tuple[str, Upcast] = (NAME, lambda new: {"hand": new["hand"]})
FIRST = waved()
SECOND = waved(times=(int, 1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """In which the first revision was released."""
    for name in ("schemas", "golden"):
        (tmp_path / name).mkdir()
    pin(tmp_path, [FIRST])
    record(tmp_path, f"{NAME}.1", hand="left")
    release(tmp_path)
    return tmp_path


@pytest.fixture
def repository(folder: Path) -> Path:
    """The same, with a history."""
    if shutil.which("git") is None:
        pytest.skip("there is no git")
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True, env=os.environ | {"GIT_CONFIG_GLOBAL": os.devnull})


def commit(folder: Path) -> None:
    git(folder, "add", ".")
    git(folder, "-c", "user.name=ana", "-c", "user.email=ana@example.org", "commit", "--quiet", "--message", "a step")


def record(folder: Path, name: str, **value: Any) -> None:
    text = json.dumps({"key": "partner-1", "headers": {"ce_type": name.rpartition(".")[0]}, "value": value})
    (folder / "golden" / f"{name}.json").write_text(text)


# -- this repository


def test_today_keeps_to_everything_that_was_released() -> None:
    assert problems(FOLDER, language()) == []


def test_every_revision_was_released_with_its_golden_record() -> None:
    entered = {line.partition("  ")[2] for line in (FOLDER / LEDGER).read_text().splitlines()}
    assert entered == {f"{path.parent.name}/{path.name}" for each in PINS for path in each.files}
    assert entered >= {f"golden/{path.name}" for path in (FOLDER / "golden").glob("*.json")}


def test_nothing_that_was_released_was_ever_rewritten() -> None:
    try:
        lost = forgotten(FOLDER)
    except (OSError, subprocess.CalledProcessError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"there is no git history to ask: {error}")
    assert lost == []


def covers(read: Any, said: Any) -> bool:
    """Whether all that was said was read; what has been added since, at any depth, is there beside it."""
    if isinstance(read, dict) and isinstance(said, dict):
        return said.keys() <= read.keys() and all(covers(read[name], value) for name, value in said.items())
    if isinstance(read, list) and isinstance(said, list):
        return len(read) == len(said) and all(covers(*pair) for pair in zip(read, said, strict=True))
    return bool(read == said)


@pytest.mark.parametrize("each", PINS, ids=lambda each: each.name)
def test_a_golden_record_is_what_its_schema_says_and_is_read_whole(each: Any) -> None:
    golden = each.golden()
    Draft202012Validator(each.schema(), format_checker=FormatChecker()).validate(golden.value)
    [reader] = [word for word in language() if each.type in (word.event_type, *word.upcasts)]
    if reader.event_type == each.type:
        read = reader.model_validate_json(json.dumps(golden.value))
        assert covers(json.loads(read.data()), dict(golden.value))


def test_a_golden_record_that_is_not_read_whole_is_found() -> None:
    assert covers({"a": [{"b": 1, "c": 2}], "d": 3}, {"a": [{"b": 1}]})
    for lost in ({"a": [{}]}, {"a": []}, {"a": [{"b": 2}]}, {}):
        assert not covers(lost, {"a": [{"b": 1}]})


# -- the way of a change


def test_a_new_event_is_pinned_and_wants_a_golden_record(folder: Path) -> None:
    other = create_model("PartnerLeft", __base__=Event, __cls_kwargs__={"type": "cauce.partner.PartnerLeft.v1"})
    events = [FIRST, other]
    assert problems(folder, events) == ["cauce.partner.PartnerLeft.v1 is new: pin it with `python -m events pin`"]
    assert [path.name for path in pin(folder, events)] == ["cauce.partner.PartnerLeft.v1.1.json"]
    [sentence] = problems(folder, events)
    assert "write golden/cauce.partner.PartnerLeft.v1.1.json" in sentence
    record(folder, "cauce.partner.PartnerLeft.v1.1")
    assert problems(folder, events) == []


def test_an_optional_field_is_another_revision_beside_the_released_one(folder: Path) -> None:
    before = (folder / "schemas" / f"{NAME}.1.json").read_bytes()
    assert problems(folder, [SECOND]) == [f"{NAME} is another than {NAME}.1.json: pin it with `python -m events pin`"]
    assert [path.name for path in pin(folder, [SECOND])] == [f"{NAME}.2.json"]
    assert (folder / "schemas" / f"{NAME}.1.json").read_bytes() == before
    record(folder, f"{NAME}.2", hand="left")
    assert problems(folder, [SECOND]) == [f"{NAME}.2: its golden record does not show times"]
    record(folder, f"{NAME}.2", hand="left", times=3)
    assert problems(folder, [SECOND]) == []
    assert [path.name for path in release(folder)] == [f"{NAME}.2.json", f"{NAME}.2.json"]
    assert newest(folder, SECOND) == pins(folder)[1]
    assert pin(folder, [SECOND]) == []


def test_a_draft_may_be_changed_until_it_is_released(folder: Path) -> None:
    pin(folder, [SECOND])
    third = waved(times=(int, 1), smiling=(bool, False))
    assert [path.name for path in pin(folder, [third])] == [f"{NAME}.2.json"]
    last = newest(folder, third)
    assert last is not None
    assert last.schema()["properties"].keys() == {"hand", "times", "smiling"}


def test_other_words_and_marks_are_no_other_revision(folder: Path) -> None:
    FIRST.__doc__ = "It waved."
    assert schema_of(FIRST)["description"] == "It waved."
    assert pin(folder, [FIRST]) == []
    assert problems(folder, [FIRST]) == []


# -- what the gate catches


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"hand": (int, ...)}, f"{NAME}.1: hand of the event: was string and is integer"),
        ({"times": (int, ...)}, f"{NAME}.1: times of the event: is new and required"),
        ({"hand": (str, "left")}, f"{NAME}.1: hand of the event: is optional now"),
    ],
)
def test_a_breaking_change_is_caught_although_it_was_pinned(folder: Path, fields: dict[str, Any], said: str) -> None:
    broken = waved(**fields)
    pin(folder, [broken])
    assert any(sentence.startswith(said) for sentence in problems(folder, [broken]))


def test_who_changes_the_event_and_its_pin_together_is_caught_by_the_ledger(folder: Path) -> None:
    broken = waved(hand=(int, ...))
    (folder / "schemas" / f"{NAME}.1.json").write_text(json.dumps(schema_of(broken)))
    record(folder, f"{NAME}.1", hand=1)
    assert problems(folder, [broken]) == [
        f"{part}/{NAME}.1.json is released and was changed: take it back, and pin another revision"
        for part in ("golden", "schemas")
    ]


def test_who_changes_the_ledger_too_is_caught_by_the_history(repository: Path) -> None:
    assert forgotten(repository) == []
    broken = waved(hand=(int, ...))
    (repository / "schemas" / f"{NAME}.1.json").write_text(json.dumps(schema_of(broken)))
    record(repository, f"{NAME}.1", hand=1)
    (repository / LEDGER).unlink()
    release(repository)
    assert problems(repository, [broken]) == []
    assert len(forgotten(repository)) == 2
    commit(repository)
    assert len(forgotten(repository)) == 2


def test_a_ledger_that_grows_or_is_sorted_otherwise_lost_nothing(repository: Path) -> None:
    pin(repository, [SECOND])
    record(repository, f"{NAME}.2", hand="left", times=3)
    release(repository)
    lines = (repository / LEDGER).read_text().splitlines(keepends=True)
    (repository / LEDGER).write_text("".join(reversed(lines)))
    commit(repository)
    assert forgotten(repository) == []


def test_what_is_released_and_gone_is_missed(folder: Path) -> None:
    for path in pins(folder)[0].files:
        path.unlink()
    found = problems(folder, [SECOND])
    assert f"schemas/{NAME}.1.json is released and gone: take it back from the history" in found
    assert f"golden/{NAME}.1.json is released and gone: take it back from the history" in found


def test_the_ledger_is_what_sha256sum_reads(folder: Path) -> None:
    if shutil.which("sha256sum") is None:
        pytest.skip("there is no sha256sum")
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", LEDGER], cwd=folder, check=True)


# -- states


def test_a_state_is_promised_as_an_event_is(tmp_path: Path) -> None:
    def waving(**fields: Any) -> type[State]:
        made: type[State] = create_model(
            "WavingState",
            __base__=State,
            __cls_kwargs__={"type": "cauce.partner.WavingState.v1", "key": "partner-{partner_id}"},
            **{"hand": (str, ...)} | fields,
        )
        return made

    for name in ("schemas", "golden"):
        (tmp_path / name).mkdir()
    pin(tmp_path, [waving()])
    record(tmp_path, "cauce.partner.WavingState.v1.1", hand="left")
    release(tmp_path)
    assert problems(tmp_path, [waving()]) == []
    [sentence] = problems(tmp_path, [waving(times=(int, 1))])
    assert sentence.endswith("pin it with `python -m events pin`")
    narrower = waving(hand=(int, ...))
    pin(tmp_path, [narrower])
    said = "cauce.partner.WavingState.v1.1: hand of the event: was string and is integer"
    assert any(sentence.startswith(said) for sentence in problems(tmp_path, [narrower]))


# -- a new major


def test_an_event_that_is_gone_is_still_stored(folder: Path) -> None:
    [sentence] = problems(folder, [])
    assert sentence == f"{NAME}.1: nothing reads it any more: keep it, or give its successor an upcast"


def test_a_new_major_reads_the_golden_record_of_the_old_one_through_its_upcast(folder: Path) -> None:
    good = waved(SECOND_MAJOR, {NAME: lambda old: {"hand": old["hand"], "times": 1}}, LOWERED, times=(int, ...))
    pin(folder, [good])
    record(folder, f"{SECOND_MAJOR}.1", hand="left", times=3)
    assert problems(folder, [good]) == []
    bad = waved(SECOND_MAJOR, {NAME: lambda old: {"hand": old["hand"]}}, LOWERED, times=(int, ...))
    [sentence] = problems(folder, [bad])
    assert sentence.startswith(f"{NAME}.1: today's PartnerWaved cannot read its golden record")


def test_a_new_major_says_how_it_is_written_until_all_can_read_it_and_a_released_one_need_not_any_more(
    folder: Path,
) -> None:
    """Or its commands could not be done while the release rolls out."""
    hasty = waved(SECOND_MAJOR, {NAME: lambda old: {"hand": old["hand"], "times": 1}}, times=(int, ...))
    pin(folder, [hasty])
    record(folder, f"{SECOND_MAJOR}.1", hand="left", times=3)
    [sentence] = problems(folder, [hasty])
    assert sentence.startswith(f"{SECOND_MAJOR} follows {NAME}, and commands that lead to it could not be done")
    release(folder)
    assert problems(folder, [hasty]) == []


# -- the command


def test_the_command_finds_nothing_to_say_of_this_repository(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(FOLDER, tmp_path / "events", ignore=shutil.ignore_patterns("__pycache__"))
    for command in ("check", "pin", "release"):
        assert main([command, "--folder", str(tmp_path / "events")]) == 0
    assert capsys.readouterr().out == ""


def test_the_command_refuses_a_folder_without_schemas(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["check", "--folder", str(tmp_path)])
    assert "start this in the repository, or say --folder" in capsys.readouterr().err


def test_the_command_does_not_release_what_breaks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / LEDGER).read_text()
    assert main(["release", "--folder", str(folder)]) == 1
    assert "is new: pin it" in capsys.readouterr().err
    assert (folder / LEDGER).read_text() == before
