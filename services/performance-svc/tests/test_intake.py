import csv
import gzip
import io
import json
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from performance.domain.kpi_report import ReportKPI
from service.intake import LONGEST_LINE, PIECE, Bad, Format, Good, Gunzip, HeaderWrong, Intake, Lines, RawLine

PARTNER = UUID("11111111-1111-4111-8111-111111111111")
HEADER = "partner_id,metric,period,value,source,source_ref"


def fields(ref: str = "1", **changes: Any) -> dict[str, Any]:
    content = {"partner_id": str(PARTNER), "metric": "score", "period": "2019", "value": 84.5, "source": "erp"}
    return {**content, "source_ref": ref, **changes}


def report(ref: str = "1", **changes: Any) -> ReportKPI:
    return ReportKPI(**fields(ref, **changes))


def row(ref: str = "1", value: str = "84.5") -> str:
    return f"{PARTNER},score,2019,{value},erp,{ref}"


def ndjson(*lines: Any) -> bytes:
    return b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)


def read(format: Format, data: bytes, *, gzip: bool = False, cuts: list[int] | None = None) -> list[Any]:
    intake = Intake(ReportKPI, format, gzip=gzip)
    found: list[Any] = []
    ends = sorted({0, len(data), *(cut for cut in cuts or [] if cut < len(data))})
    for start, end in pairwise(ends):
        found += intake.feed(data[start:end])
    return found + list(intake.finish())


def told(found: list[Any]) -> list[tuple[Any, ...]]:
    """(line, "ok") of good lines; (line, field, rule) of bad ones."""
    shown: list[tuple[Any, ...]] = []
    for each in found:
        if isinstance(each, Good):
            shown.append((each.line, "ok"))
        else:
            shown += [(error.line, error.field, error.rule) for error in each.errors]
    return shown


# -- whole uploads


def test_ndjson_is_read_a_report_a_line() -> None:
    data = ndjson(fields("1"), fields("2", value="12.25", unit="points"))
    assert read("ndjson", data) == [Good(1, report("1")), Good(2, report("2", value=Decimal("12.25"), unit="points"))]


def test_csv_is_read_by_its_header_in_any_order_with_empty_cells_absent() -> None:
    text = f'value,unit,source_ref,source,period,metric,partner_id\r\n84.5,,"a ""b"", c",erp,2019,score,{PARTNER}\r\n'
    assert read("csv", text.encode()) == [Good(2, report('a "b", c'))]


def test_an_upload_of_nothing_has_nothing() -> None:
    assert read("ndjson", b"") == read("csv", b"") == read("csv", f"{HEADER}\n".encode()) == []


def test_empty_lines_are_passed_over_and_lines_still_counted() -> None:
    assert told(read("ndjson", b"\n\r\n" + ndjson(fields()) + b"  \n")) == [(3, "ok")]


def test_a_byte_order_mark_is_not_a_part_of_the_first_line() -> None:
    assert told(read("csv", b"\xef\xbb\xbf" + f"{HEADER}\n{row()}\n".encode())) == [(2, "ok")]
    assert told(read("ndjson", b"\xef\xbb\xbf" + ndjson(fields()))) == [(1, "ok")]


# -- what is wrong is named, and nothing else is lost


def test_malformed_json_is_named_with_its_line() -> None:
    data = ndjson(fields("1"), b'{"source":', fields("3"), b"[1, 2]", b"null")
    assert told(read("ndjson", data)) == [
        (1, "ok"),
        (2, "line", "json_invalid"),
        (3, "ok"),
        (4, "line", "model_type"),
        (5, "line", "model_type"),
    ]


def test_each_field_that_breaks_a_rule_is_named() -> None:
    broken = fields("1", partner_id="nobody", period="2019-13", colour="red")
    del broken["value"]
    assert told(read("ndjson", ndjson(broken))) == [
        (1, "partner_id", "uuid_parsing"),
        (1, "period", "string_pattern_mismatch"),
        (1, "value", "missing"),
        (1, "colour", "extra_forbidden"),
    ]


def test_an_empty_cell_of_a_field_that_is_needed_is_missing() -> None:
    assert told(read("csv", f"{HEADER}\n{row(value='')}\n".encode())) == [(2, "value", "missing")]


def test_bytes_that_are_not_utf8_are_named_and_the_next_line_is_read() -> None:
    data = ndjson(b'{"source": "\xff"}', fields("2"))
    assert told(read("ndjson", data)) == [(1, "line", "utf8_invalid"), (2, "ok")]
    text = f"{HEADER}\n".encode() + row("\u00e9").encode("latin-1") + b"\n" + row("2").encode() + b"\n"
    assert told(read("csv", text)) == [(2, "line", "utf8_invalid"), (3, "ok")]


def test_a_line_that_is_too_long_is_named_without_being_kept() -> None:
    data = ndjson(fields("1"), fields("2", unit="x" * LONGEST_LINE), fields("3"))
    assert told(read("ndjson", data)) == [(1, "ok"), (2, "line", "line_too_long"), (3, "ok")]
    lines = Lines(longest=10)
    for _ in range(1000):
        assert list(lines.feed(b"x" * 100)) == []
        assert len(lines._rest) <= 11
    assert list(lines.finish()) == [RawLine(1, None, ended=False)]


def test_a_line_may_be_as_long_as_the_longest() -> None:
    assert list(Lines(longest=3).feed(b"abc\nabc\r\nabcd\nabcd\r\n")) == [
        RawLine(1, b"abc"),
        RawLine(2, b"abc"),
        RawLine(3, None),
        RawLine(4, None),
    ]


def test_cells_that_do_not_fit_the_header_and_quotes_that_do_not_close_are_named() -> None:
    text = f'{HEADER}\n{row()},more\na,b\n"{row()}\n{row("5")}\n'
    assert told(read("csv", text.encode())) == [
        (2, "line", "csv_cells"),
        (3, "line", "csv_cells"),
        (4, "line", "csv_malformed"),
        (5, "ok"),
    ]


@pytest.mark.parametrize(
    ("header", "missing", "unknown", "twice"),
    [
        ("partner_id,metric,period,value,source", ["source_ref"], [], []),
        (f"{HEADER},colour,", [], ["colour", ""], []),
        (f"{HEADER},value", [], [], ["value"]),
        (row(), ["source", "source_ref", "partner_id", "metric", "period", "value"], row().split(","), []),
    ],
)
def test_a_wrong_header_is_refused_with_what_is_wrong_with_it(
    header: str, missing: list[str], unknown: list[str], twice: list[str]
) -> None:
    with pytest.raises(HeaderWrong) as error:
        read("csv", f"{header}\n{row()}\n".encode())
    assert (error.value.missing, error.value.unknown, error.value.twice) == (missing, unknown, twice)


def test_a_last_line_of_csv_without_its_end_may_have_been_cut_and_is_not_taken() -> None:
    whole = f"{HEADER}\n{row('1')}\n{row('123')}"
    for cut in (whole, whole[:-1], whole[:-8]):
        assert told(read("csv", cut.encode())) == [(2, "ok"), (3, "line", "line_incomplete")]


def test_a_last_line_of_ndjson_is_whole_when_its_object_is() -> None:
    data = ndjson(fields("1"), fields("2")).removesuffix(b"\n")
    assert told(read("ndjson", data)) == [(1, "ok"), (2, "ok")]
    assert told(read("ndjson", data[:-1])) == [(1, "ok"), (2, "line", "line_incomplete")]
    assert told(read("ndjson", data[:-1] + b"]")) == [(1, "ok"), (2, "line", "line_incomplete")]


# -- compressed


def test_a_compressed_upload_is_read_also_in_several_members_and_with_padding() -> None:
    parts = [gzip.compress(ndjson(fields("1"))), gzip.compress(ndjson(fields("2")))]
    assert told(read("ndjson", b"".join(parts) + b"\0" * 512, gzip=True)) == [(1, "ok"), (2, "ok")]


def test_what_was_read_before_a_corrupt_place_is_kept_and_the_place_named() -> None:
    lines = ndjson(*(fields(str(n)) for n in range(1000)))
    data = gzip.compress(lines, mtime=0)
    found = told(read("ndjson", data[: len(data) // 2], gzip=True))
    assert found[-1][1:] == ("line", "gzip_corrupt")
    assert len(found) > 100
    assert all(each[1] == "ok" for each in found[:-2])

    assert told(read("ndjson", gzip.compress(ndjson(fields())) + b"rubbish", gzip=True)) == [
        (1, "ok"),
        (2, "line", "gzip_corrupt"),
    ]
    assert told(read("ndjson", ndjson(fields()), gzip=True)) == [(1, "line", "gzip_corrupt")]
    assert told(read("ndjson", b"", gzip=True)) == [(1, "line", "gzip_corrupt")]


def test_a_wrong_checksum_is_corrupt_wherever_the_upload_is_cut() -> None:
    data = bytearray(gzip.compress(ndjson(fields())))
    data[-5] ^= 1
    assert told(read("ndjson", bytes(data), gzip=True)) == [(1, "line", "gzip_corrupt")]
    assert told(read("ndjson", bytes(data), gzip=True, cuts=[len(data) - 8])) == [
        (1, "ok"),
        (2, "line", "gzip_corrupt"),
    ]


def test_a_small_upload_that_is_large_when_decompressed_comes_in_small_pieces() -> None:
    bomb = gzip.compress(b"\0" * (8 * 2**20))
    sizes = [len(piece) for piece in Gunzip().feed(bomb)]
    assert max(sizes) <= PIECE
    assert sum(sizes) == 8 * 2**20


# -- wherever the upload is cut into chunks

LINES = st.lists(
    st.one_of(
        st.integers(0, 99).map(lambda n: json.dumps(fields(str(n))).encode()),
        st.integers(0, 99).map(lambda n: json.dumps(fields(str(n), unit="\u00fc\u4e2d"), ensure_ascii=False).encode()),
        st.sampled_from([b"", b"{", b"\xff\xfe", b"null", b"x" * (LONGEST_LINE + 1), b" " * LONGEST_LINE, b"\r"]),
    ),
    max_size=8,
)
CUTS = st.lists(st.integers(0, 60_000), max_size=12)


@given(LINES, st.sampled_from([b"\n", b"\r\n"]), st.booleans(), CUTS, st.booleans())
def test_ndjson_is_read_alike_wherever_it_is_cut(
    lines: list[bytes], end: bytes, ended: bool, cuts: list[int], zipped: bool
) -> None:
    data = end.join(lines) + (end if ended else b"")
    whole = read("ndjson", data)
    sent = gzip.compress(data) if zipped else data
    assert read("ndjson", sent, gzip=zipped, cuts=cuts) == whole
    assert read("ndjson", sent, gzip=zipped, cuts=list(range(min(len(sent), 300)))) == whole


TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)


@given(st.lists(st.tuples(TEXT, st.decimals(-(10**6), 10**6, places=3)), max_size=8), CUTS, st.booleans())
def test_what_a_csv_writer_writes_is_read_as_it_was_wherever_it_is_cut(
    rows: list[tuple[str, Decimal]], cuts: list[int], zipped: bool
) -> None:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(HEADER.split(","))
    for ref, value in rows:
        writer.writerow([PARTNER, "score", "2019", value, "erp", ref])
    data = file.getvalue().encode()
    found = read("csv", gzip.compress(data) if zipped else data, gzip=zipped, cuts=cuts)
    assert found == [Good(n, report(ref, value=value)) for n, (ref, value) in enumerate(rows, 2)]


@given(st.binary(max_size=400), st.sampled_from(["ndjson", "csv"]), st.booleans())
def test_whatever_is_sent_is_answered_with_what_is_wrong_and_nothing_else_is_raised(
    data: bytes, format: Format, zipped: bool
) -> None:
    try:
        found = read(format, data, gzip=zipped)
    except HeaderWrong:
        return
    assert all(isinstance(each, Bad) for each in found)
