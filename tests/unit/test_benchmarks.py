"""The benchmarks' own logic: rows, growth, the table, and a runner that goes on when one of them fails."""

from __future__ import annotations

import importlib
import json
import sys

import pytest

from benchmarks import __main__ as command_line
from benchmarks import report
from benchmarks.growth import exponent, growth
from benchmarks.rows import Row, Target, quantile
from benchmarks.runner import BENCHMARKS, run_one
from benchmarks.scale import results
from benchmarks.scale.filled import renamed

RUN = {
    "date": "2026-11-21",
    "machine": {
        "cores": 2,
        "processor": "A processor",
        "memory_gib": 24,
        "system": "Debian",
        "python": "3.11",
        "load_before": 0.1,
    },
    "versions": {"jupyterhub": "6.1.1"},
    "failed": {},
}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_what_a_benchmark_is_made_of_is_there(name):
    """They are run by hand: what they no longer find would be noticed months later."""
    importlib.import_module(f"benchmarks.{name.partition('-')[0]}")


def row(size: int = 10, jhkube: float = 2.0, other: float | None = 4.0, **more) -> Row:
    values = {"group": "Spawn", "beside": "KubeSpawner", "measure": "time", "of": "at once", "unit": "s", **more}
    return Row(size=size, jhkube=jhkube, other=other, **values)


def run_of(*rows: Row, **more) -> dict:
    return {**RUN, "rows": [each.to_dict() for each in rows], **more}


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ([5, 5.2, 4.9], "constant"),
        ([0, 0, 0], "constant"),
        ([9, 5, 1], "constant"),
        ([1, 3, 9], "below linear"),
        ([1, 10, 100], "linear"),
        ([1, 100, 10_000], "worse"),
        # A fixed cost hides what comes at large sizes.
        ([100, 110, 1000], "linear"),
    ],
)
def test_growth_is_told_from_the_larger_sizes(values, word):
    assert growth([10, 100, 1000], values) == word


def test_the_exponent_of_a_power_is_that_power():
    assert exponent([1, 10, 100], [2, 200, 20_000]) == pytest.approx(2)


def test_a_quantile_lies_between_the_values():
    assert quantile([3.0], 0.95) == 3.0
    assert quantile([float(number) for number in range(101)], 0.95) == pytest.approx(95)


@pytest.mark.parametrize(
    ("target", "is_met"),
    [
        (Target(at_most=2.0), True),
        (Target(at_most=1.9), False),
        (Target(ratio=0.5), True),
        (Target(ratio=0.4), False),
        (Target(at_most=3.0, ratio=0.4), False),
        (Target(more=1.0), True),
        (Target(more=-3.0), False),
        (Target(at_most=0.1, sizes=(20,)), None),
        (None, None),
    ],
)
def test_a_target_is_met_if_all_of_it_is(target, is_met):
    assert row(target=target).is_met is is_met


def test_a_row_survives_json():
    written = row(target=Target(at_most=1.0, sizes=(10, 20)))
    assert Row.from_dict(json.loads(json.dumps(written.to_dict()))) == written


def test_the_table_has_a_line_for_each_measure_with_its_sizes_ratios_growth_and_target():
    target = Target(at_most=0.15, ratio=0.1)
    rows = [row(size, jhkube, 2.0, target=target) for size, jhkube in ((64, 0.2), (1, 0.1), (16, 0.1))]
    table = report.markdown(run_of(*rows, row(1, 2.0, 1.0, measure="requests", unit="", target=Target(more=1.0))))
    assert "| **Spawn**, 1 · 16 · 64 at once; baseline: KubeSpawner |" in table
    assert (
        "| time | 0.100 · 0.100 · 0.200 s | 2 · 2 · 2 s | 0.050 · 0.050 · 0.100 | below linear; baseline: constant "
        "| ≤ 0.15 s, ≤ 0.1 × baseline: **not met at 64** |"
    ) in table
    assert "| requests | 2 | 1 | 2 |  | ≤ 1 more: met |" in table


def test_the_table_says_when_on_what_and_what_failed():
    table = report.markdown(run_of(row(), failed={"menu": "not done after 5 s"}))
    assert table.startswith(
        "Measured 2026-11-21, 2 cores (A processor), 24 GiB, Debian; Python 3.11, jupyterhub 6.1.1."
    )
    assert "**menu failed**: not done after 5 s" in table


def test_a_value_without_an_alternative_has_no_ratio():
    assert "| time | 2 s |  |  |  |  |" in report.markdown(run_of(row(other=None)))


def test_the_summary_has_a_line_for_each_number_that_people_feel():
    felt = report.FELT[0]
    asked = row(felt.size, group=felt.group, measure=felt.measure)
    lines = report.summary(
        run_of(asked, row(felt.size + 1, 9.0, group=felt.group, measure=felt.measure))
    ).splitlines()
    assert lines[0].startswith("Measured 2026-11-21, 2 cores (A processor)")
    assert lines[4:] == [
        f"| {felt.words} | 2 s | 4 s | KubeSpawner |",
        *(f"| {other.words} | not measured |  |  |" for other in report.FELT[1:]),
    ]


def test_the_readme_has_the_summary_alone_and_every_row_of_it_was_measured():
    text, run = (command_line.ROOT / "README.md").read_text(), json.loads(command_line.LATEST.read_text())
    assert report.summary(run) in text
    assert "not measured" not in text
    assert report.markdown(run) not in text
    assert len(report.FELT) == 6


DOCUMENT = "before\n<!-- benchmarks: table -->\nold\n<!-- benchmarks: end of table -->\nafter\n"


def test_a_block_replaces_what_is_between_its_markers():
    assert report.with_block(DOCUMENT, "table", "new") == DOCUMENT.replace("old", "new")


@pytest.mark.parametrize("document", ["no markers", "<!-- benchmarks: table --> alone", DOCUMENT * 2])
def test_a_document_without_its_markers_is_not_touched(document):
    with pytest.raises(ValueError, match="there should be one"):
        report.with_block(document, "table", "new")


def test_a_document_without_any_marker_is_a_mistake():
    with pytest.raises(ValueError, match="should be a marker"):
        command_line.published("no markers", run_of(row()))


@pytest.mark.parametrize("document", command_line.DOCUMENTS, ids=lambda document: document.name)
def test_documents_show_the_last_whole_run(document):
    text, run = document.read_text(), command_line.kept(command_line.DOCUMENTS[document])
    assert command_line.published(text, run) == text, "run `python -m benchmarks readme`"


def test_what_was_measured_at_three_sizes_is_plotted():
    run = run_of(*(row(size) for size in (1, 16, 64)), *(row(size, group="Two") for size in (1, 2)))
    assert [(name, len(series)) for name, series in command_line.plotted(run).items()] == [("Spawn", 1)]


def test_a_benchmark_that_fails_keeps_the_rows_that_it_printed():
    program = f"print({json.dumps(row().to_dict())!r}, flush=True); print('a word'); raise SystemExit(3)"
    outcome = run_one("some", [sys.executable, "-c", program], 240)
    assert outcome.rows == [row()]
    assert "status 3" in outcome.failure


def test_a_benchmark_that_prints_nothing_has_failed():
    assert run_one("some", [sys.executable, "-c", "pass"], 240).failure == "printed no row"


def test_a_benchmark_whose_time_is_over_is_interrupted_and_may_clean_up(tmp_path):
    program = (
        "import pathlib, signal, time\n"
        # What runs in the background of a script ignores it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "try:\n    time.sleep(600)\n"
        f"except KeyboardInterrupt:\n    pathlib.Path({str(tmp_path / 'cleaned')!r}).touch()"
    )
    outcome = run_one("some", [sys.executable, "-c", program], 6)
    assert outcome.failure == "not done after 6 s"
    assert (tmp_path / "cleaned").exists()


def test_a_part_that_is_run_again_takes_the_place_of_its_rows():
    def run(**rows):
        made = [{"group": group, "measure": measure} for group, measure in rows.items()]
        return {"date": "", "machine": "one", "seconds": {}, "failed": {}, "rows": made}

    whole = run(tags="old", fast="old", hub="old") | {"failed": {"spawn-fast": "late", "gone": "late", "menu": "no"}}
    part = run(fast="new", lab="new") | {"date": "today", "seconds": {"spawn-fast": 7}}
    result = command_line.with_part(whole, part)
    assert [tuple(row.values()) for row in result["rows"]] == [
        ("tags", "old"),
        ("fast", "new"),
        ("lab", "new"),
        ("hub", "old"),
    ]
    assert (result["failed"], result["machine"], result["date"]) == ({"menu": "no"}, "one", "today")


def test_a_morning_has_rows_once_both_sides_are_measured():
    def found(value):
        return {key: value for key, *_ in (*results.MORNING, *results.NINE)}

    kept = {
        "morning/sqlite/jhkube/100": found(2.0),
        "morning/sqlite/KubeSpawner/100": found(4.0),
        "morning/sqlite/jhkube/5000": found(2.0),
        "nine/postgresql/jhkube/1000": found(1.0),
        "nine/postgresql/KubeSpawner/1000": found(1.0),
        # Other settings are no part of the table.
        "nine/postgresql/KubeSpawner/1000/Authenticator.auth_refresh_age=3600": found(9.0),
    }
    made = list(results.rows(kept))
    assert {(row.group, row.size) for row in made} == {("One hub, SQLite", 100), ("Nine o'clock, PostgreSQL", 1000)}
    rate, busy = (next(row for row in made if row.measure == name) for name in ("logins a second", "the hub"))
    assert (rate.jhkube, rate.other, rate.unit) == (2.0, 4.0, "")
    assert (busy.jhkube, busy.unit) == (100.0, "% of a core")


def test_a_copy_of_the_first_person_has_its_own_name_and_number():
    first = '{"name": "person00000", "uid": 41000000, "path": "/user/person00000/"}'
    assert renamed(first, 37) == '{"name": "person00037", "uid": 41000037, "path": "/user/person00037/"}'
