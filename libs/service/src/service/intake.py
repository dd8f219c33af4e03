"""Reads an upload of many commands as it comes in: bytes in, and for each line a command or what is wrong with it.

Nothing here reads or writes anything else, and memory stays small whatever the upload is: a piece at a time is
decompressed, and a line that is too long is passed over without being kept.
"""

from __future__ import annotations

import codecs
import csv
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

T = TypeVar("T", bound=BaseModel)

LONGEST_LINE = 16_384
"""Bytes, without the line's end."""
PIECE = 65_536
"""Bytes that are decompressed at once."""

Format = Literal["ndjson", "csv"]


@dataclass(frozen=True, slots=True)
class LineError:
    """`line` counts from 1, a CSV's header included; `field` is `line` where no single field is to blame."""

    line: int
    field: str
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Good(Generic[T]):
    line: int
    content: T


@dataclass(frozen=True, slots=True)
class Bad:
    """A line that is no content, or, at the end, what is wrong with the upload as a whole."""

    line: int
    errors: tuple[LineError, ...]


Read = Good[T] | Bad


class HeaderWrong(ValueError):
    """The CSV's first line does not name the columns that a line has, so no line can be understood."""

    def __init__(self, missing: Sequence[str], unknown: Sequence[str], twice: Sequence[str]) -> None:
        told = {"missing": missing, "unknown": unknown, "twice": twice}
        super().__init__("; ".join(f"{what}: {', '.join(names)}" for what, names in told.items() if names))
        self.missing, self.unknown, self.twice = missing, unknown, twice


class Corrupt(ValueError):
    """The compressed upload cannot be read further."""


# -- bytes to bytes


class Gunzip:
    """Decompresses gzip, one member after another, in pieces of bounded size."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Raises Corrupt."""
        while data:
            if self._member.eof:
                if not data.strip(b"\0"):
                    return  # padding after the last member
                self._member = zlib.decompressobj(wbits=31)
            try:
                piece = self._member.decompress(data, PIECE)
            except zlib.error as error:
                raise Corrupt(str(error)) from None
            if piece:
                yield piece
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def finish(self) -> None:
        """Raises Corrupt for an upload that ends inside a member."""
        if not self._member.eof:
            raise Corrupt("it ends before its end")


class Plain:
    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> None:
        return


class Decoder(Protocol):
    def feed(self, data: bytes) -> Iterator[bytes]: ...
    def finish(self) -> None: ...


# -- bytes to lines


@dataclass(frozen=True, slots=True)
class RawLine:
    """`data` is None for a line that is too long; `ended` is False for a last line that has no line end."""

    number: int
    data: bytes | None
    ended: bool = True


class Lines:
    """Splits at line feeds; a carriage return before one belongs to the line's end."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._rest = bytearray()
        self._overlong = False
        self.number = 0

    def feed(self, data: bytes) -> Iterator[RawLine]:
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._keep(data[start:end])
            yield self._line(ended=True)
            start = end + 1
        self._keep(data[start:])

    def finish(self) -> Iterator[RawLine]:
        if self._rest or self._overlong:
            yield self._line(ended=False)

    def _keep(self, data: bytes) -> None:
        # One byte more may be the carriage return.
        if self._overlong or len(self._rest) + len(data) > self._longest + 1:
            self._overlong = True
            self._rest.clear()
        else:
            self._rest += data

    def _line(self, *, ended: bool) -> RawLine:
        self.number += 1
        data = bytes(self._rest).removesuffix(b"\r") if ended else bytes(self._rest)
        whole = None if self._overlong or len(data) > self._longest else data
        self._rest.clear()
        self._overlong = False
        return RawLine(self.number, whole, ended)


# -- lines to what they say


class Reader(Protocol[T]):
    def read(self, number: int, text: str, *, ended: bool) -> Read[T] | None: ...


class NdjsonReader(Generic[T]):
    """A JSON object a line. An object is whole when its brace is closed, so the last line needs no end."""

    def __init__(self, model: type[T]) -> None:
        self._model = model

    def read(self, number: int, text: str, *, ended: bool) -> Read[T]:
        try:
            return Good(number, self._model.model_validate_json(text))
        except ValidationError as error:
            if not ended and any(each["type"] == "json_invalid" for each in error.errors(include_url=False)):
                return incomplete(number)
            return invalid(number, error)


class CsvReader(Generic[T]):
    """RFC 4180 with a header that names the columns, in any order; an empty cell is an absent value. No cell has a line
    break in it. A last line without its end may have been cut inside a cell, so it is not taken."""

    def __init__(self, model: type[T]) -> None:
        self._model = model
        self._columns: list[str] | None = None
        properties = model.model_json_schema()["properties"]
        self._structured = {name for name, each in properties.items() if each.get("type") in ("array", "object")}

    def read(self, number: int, text: str, *, ended: bool) -> Read[T] | None:
        """Raises HeaderWrong."""
        if not ended:
            return incomplete(number)
        try:
            cells = next(csv.reader([text], strict=True))
        except (csv.Error, StopIteration) as error:
            return bad(number, "line", "csv_malformed", f"is not CSV: {error}")
        if self._columns is None:
            self._columns = columns(cells, self._model)
            return None
        if len(cells) != len(self._columns):
            message = f"has {len(cells)} cells where the header has {len(self._columns)}"
            return bad(number, "line", "csv_cells", message)
        try:
            named = {
                name: self._value(name, cell) for name, cell in zip(self._columns, cells, strict=True) if cell != ""
            }
            return Good(number, self._model.model_validate(named))
        except ValidationError as error:
            return invalid(number, error)

    def _value(self, name: str, cell: str) -> Any:
        """A list or an object is JSON in its cell; what is no JSON is for the model to refuse."""
        if name not in self._structured:
            return cell
        try:
            return orjson.loads(cell)
        except orjson.JSONDecodeError:
            return cell


def columns(cells: Sequence[str], model: type[BaseModel]) -> list[str]:
    names = [cell.strip() for cell in cells]
    fields = model.model_fields
    missing = [name for name, field in fields.items() if field.is_required() and name not in names]
    unknown = [name for name in names if name not in fields]
    twice = sorted({name for name in names if names.count(name) > 1})
    if missing or unknown or twice:
        raise HeaderWrong(missing, unknown, twice)
    return names


def bad(number: int, field: str, rule: str, message: str) -> Bad:
    return Bad(number, (LineError(number, field, rule, message),))


def incomplete(number: int) -> Bad:
    return bad(number, "line", "line_incomplete", "is the last one and has no end, so it may have been cut")


def invalid(number: int, error: ValidationError) -> Bad:
    return Bad(
        number,
        tuple(
            LineError(number, ".".join(str(part) for part in each["loc"]) or "line", each["type"], each["msg"])
            for each in error.errors(include_url=False, include_input=False, include_context=False)
        ),
    )


# -- the whole


class Intake(Generic[T]):
    """`feed` each chunk as it comes, then `finish`."""

    def __init__(self, model: type[T], format: Format, *, gzip: bool = False) -> None:
        self._decoder: Decoder = Gunzip() if gzip else Plain()
        self._lines = Lines()
        self._reader: Reader[T] = NdjsonReader(model) if format == "ndjson" else CsvReader(model)
        self._corrupt: Corrupt | None = None

    def feed(self, chunk: bytes) -> Iterator[Read[T]]:
        """Raises HeaderWrong. After a corrupt place nothing more is read, and `finish` tells of it."""
        if self._corrupt is not None:
            return
        try:
            for data in self._decoder.feed(chunk):
                yield from self._read(self._lines.feed(data))
        except Corrupt as error:
            self._corrupt = error

    def finish(self) -> Iterator[Read[T]]:
        if self._corrupt is None:
            try:
                self._decoder.finish()
            except Corrupt as error:
                self._corrupt = error
        yield from self._read(self._lines.finish())
        if self._corrupt is not None:
            number = self._lines.number + 1
            yield bad(number, "line", "gzip_corrupt", f"cannot be decompressed, nor what follows: {self._corrupt}")

    def _read(self, lines: Iterator[RawLine]) -> Iterator[Read[T]]:
        for raw in lines:
            read = self._line(raw)
            if read is not None:
                yield read

    def _line(self, raw: RawLine) -> Read[T] | None:
        if raw.data is None:
            return bad(raw.number, "line", "line_too_long", f"has more than {LONGEST_LINE} bytes")
        data = raw.data.removeprefix(codecs.BOM_UTF8) if raw.number == 1 else raw.data
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            return bad(raw.number, "line", "utf8_invalid", f"is not UTF-8 at its byte {error.start + 1}")
        if not text.strip():
            return None
        return self._reader.read(raw.number, text, ended=raw.ended)
