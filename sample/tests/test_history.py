from collections import Counter
from pathlib import Path

import pytest

from sample.history import HEADER, Report, establishments, only, read, years


def write(path: Path, *lines: str) -> Path:
    file = path / "inspections.csv"
    file.write_text("\r\n".join([",".join(HEADER), *lines]) + "\r\n", encoding="ascii", newline="")
    return file


def test_a_report_is_known_by_its_line_in_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "MCGINLEYS PUB,94,2017,9,FALSE", '"VAULT, THE",88,2016,1,TRUE')
    assert read(file) == [Report(2, "MCGINLEYS PUB", 2017, 94), Report(3, "VAULT, THE", 2016, 88)]
    assert [report.source_ref for report in read(file)] == ["2", "3"]


def test_equal_rows_are_separate_observations(tmp_path: Path) -> None:
    file = write(tmp_path, *["TWIN DRAGON,90,2018,127,FALSE"] * 3)
    (year,) = years(read(file))
    assert [(report.source_ref, report.score) for report in year.reports] == [("2", 90), ("3", 90), ("4", 90)]
    assert year.newcomers == ("TWIN DRAGON",)


def test_an_establishment_is_a_newcomer_only_in_the_first_year_it_is_seen() -> None:
    reports = [Report(2, "B", 2003, 90), Report(3, "A", 2001, 90), Report(4, "A", 2003, 80), Report(5, "C", 2001, 99)]
    first, second = years(reports)
    assert (first.year, first.newcomers) == (2001, ("A", "C"))
    assert (second.year, second.newcomers, len(second.reports)) == (2003, ("B",), 2)


def test_nearly_equal_names_are_different_establishments() -> None:
    reports = [Report(2, "TESORO - SEWARD HWY", 2000, 90), Report(3, "TESORO -SEWARD HWY", 2000, 91)]
    assert years(reports)[0].newcomers == ("TESORO - SEWARD HWY", "TESORO -SEWARD HWY")


def test_a_part_of_the_history_keeps_the_lines_of_the_whole() -> None:
    reports = [Report(2, "A", 2000, 90), Report(3, "B", 2000, 80), Report(4, "A", 2001, 70)]
    assert only(reports, {"A"}) == [reports[0], reports[2]]
    assert establishments(reports) == ["A", "B"]


@pytest.mark.parametrize("line", ["PUB,94,2017,9", "PUB,good,2017,9,FALSE", "PUB,101,2017,9,FALSE", ",94,2017,9,FALSE"])
def test_a_line_that_is_no_inspection_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(ValueError, match="line 3"):
        read(write(tmp_path, "PUB,94,2017,9,FALSE", line))


def test_another_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_text("name,score\nPUB,94\n")
    with pytest.raises(ValueError, match="the first line is not"):
        read(file)


def test_the_real_file_has_the_years_the_establishments_and_the_repetitions_that_its_readme_tells() -> None:
    reports = read()
    assert len(reports) == 27_178
    assert len(establishments(reports)) == 1_618
    history = years(reports)
    assert [year.year for year in history] == [*range(2000, 2010), *range(2015, 2020)]
    assert sum(len(year.newcomers) for year in history) == 1_618
    assert sum(len(year.reports) for year in history) == 27_178
    partner_years = Counter((report.name, report.year) for report in reports)
    assert len(partner_years) == 10_709
    assert sum(n - 1 for n in partner_years.values()) == 16_469


def test_the_real_file_has_seven_pairs_of_names_that_differ_only_in_spaces_and_punctuation() -> None:
    spellings = Counter("".join(filter(str.isalnum, name)) for name in establishments(read()))
    assert sorted(n for n in spellings.values() if n > 1) == [2] * 7
