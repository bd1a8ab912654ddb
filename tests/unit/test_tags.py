"""What `parse_tag` makes of tags, valid and hostile: a table."""

from __future__ import annotations

import dataclasses
import datetime
import pickle

import pytest

from jhkube.images.image_tag import TagKind
from jhkube.images.tags import parse_tag

HEX40 = "0123456789abcdef0123456789abcdef01234567"

ALIASES = {
    "recommended": "Recommended",
    "latest": "Latest",
    "stable": "Stable",
    "latest_weekly": "Latest weekly",
    "latest_daily": "Latest daily",
    "latest_release": "Latest release",
    "latest_candidate": "Latest candidate",
    "latest_experimental": "Latest experimental",
    "main": "Main",
    "master": "Master",
    "dev": "Dev",
    "edge": "Edge",
    "lts": "Lts",
    "nightly": "Nightly",
    "latest-amd64": "Latest · amd64",
    "latest_arm64": "Latest · arm64",
    "x86_64-latest": "Latest · amd64",
    "aarch64-latest": "Latest · arm64",
    "recommended_c0045.003": "Recommended · cycle 0045.003",
    "recommended_c0045": "Recommended · cycle 0045",
    "recommended_c0045.003-arm64": "Recommended · cycle 0045.003 · arm64",
}

RELEASES = {
    "r27_0_1": "Release 27.0.1",
    "R27_0_1": "Release 27.0.1",
    "r17_0": "Release 17.0",
    "r9_2": "Release 9.2",
    "r170": "Release 17.0",
    "r170_20180101": "Release 17.0 · 20180101",
    "r27_0_1_c0045.003": "Release 27.0.1 · cycle 0045.003",
    "r27_0_1_rsp19": "Release 27.0.1 · RSP build 19",
    "r27_0_1_c0045.003_rsp19": "Release 27.0.1 · cycle 0045.003 · RSP build 19",
    "r27_0_1_rsp19_c0045.003": "Release 27.0.1 · cycle 0045.003 · RSP build 19",
    "r27_0_1_rsp19_c0045.003_20260513-arm64": ("Release 27.0.1 · cycle 0045.003 · RSP build 19 · 20260513 · arm64"),
    "r27_0_1-amd64": "Release 27.0.1 · amd64",
    "r27_0_1_amd64": "Release 27.0.1 · amd64",
    "r27_0_20210513": "Release 27.0 · 20210513",
    "r27_0_1_c0045.003x": "Release 27.0.1 · c0045.003x",
    "r27_0_1_rspx": "Release 27.0.1 · rspx",
    "v1.2.3": "Release 1.2.3",
    "V1.2.3": "Release 1.2.3",
    "1.2.3": "Release 1.2.3",
    "1.2": "Release 1.2",
    "0.0.0": "Release 0.0.0",
    "v2": "Release 2",
    "24.04.1.2": "Release 24.04.1.2",
    "1.2.3_build.5": "Release 1.2.3 · build.5",
    "1.2.3_amd64": "Release 1.2.3 · amd64",
    "1.2.3-arm64": "Release 1.2.3 · arm64",
    "1.2.3-alpine": "Release 1.2.3 · alpine",
    "3.12-slim": "Release 3.12 · slim",
    "1.2.3-20261120": "Release 1.2.3 · 20261120",
    "1.2.3.post1": "Release 1.2.3 · post1",
    "1.2.3-r4": "Release 1.2.3 · r4",
    "2026.11": "Release 2026.11 (November 2026)",
    "2026-11": "Release 2026.11 (November 2026)",
    "v2026.11": "Release 2026.11 (November 2026)",
    "2026.11-slim": "Release 2026.11 (November 2026) · slim",
    "2026.13": "Release 2026.13",
    "2026.00": "Release 2026.00",
    "2026.1": "Release 2026.1",
    "2026.11.3": "Release 2026.11.3",
    "v2026.11.20": "Release 2026.11.20",
    "2026.02.30": "Release 2026.02.30",
    "notebook-7.2.1": "Notebook 7.2.1",
    "lab-4.4": "JupyterLab 4.4",
    "hub-5.2.1": "JupyterHub 5.2.1",
    "python-3.12": "Python 3.12",
    "x86_64-python-3.12": "Python 3.12 · amd64",
    "aarch64-ubuntu-24.04": "Ubuntu 24.04 · arm64",
    "hadoop-3": "Hadoop 3",
    "cuda-12": "CUDA 12",
    "java-21": "Java 21",
    "julia-1": "Julia 1",
    "pytorch-2": "PyTorch 2",
    "r-4": "R 4",
    "scala-3": "Scala 3",
    "spark-4": "Spark 4",
    "tensorflow-2": "TensorFlow 2",
    "r-4.4.1": "R 4.4.1",
    "cuda12-python-3.12": "cuda12 Python 3.12",
    "mylab-2.1": "mylab 2.1",
}

CANDIDATES = {
    "r27_0_0_rc1": "Release candidate 27.0.0 rc1",
    "r27_0_0_rc10": "Release candidate 27.0.0 rc10",
    "R27_0_0_RC2": "Release candidate 27.0.0 rc2",
    "r27_0_0-rc1": "Release candidate 27.0.0 rc1",
    "r17_0_rc1": "Release candidate 17.0 rc1",
    "r170_rc2": "Release candidate 17.0 rc2",
    "r27_0_0_rc1_rsp19": "Release candidate 27.0.0 rc1 · RSP build 19",
    "r27_0_0_rc1_c0045.003_rsp19_foo-arm64": (
        "Release candidate 27.0.0 rc1 · cycle 0045.003 · RSP build 19 · foo · arm64"
    ),
    "1.2.3-rc.1": "Release candidate 1.2.3 rc.1",
    "v1.2.3-rc.1": "Release candidate 1.2.3 rc.1",
    "1.2.3-rc1": "Release candidate 1.2.3 rc1",
    "1.2.3rc1": "Release candidate 1.2.3 rc1",
    "1.2.3-beta": "Release candidate 1.2.3 beta",
    "1.2.3-alpha.beta.1": "Release candidate 1.2.3 alpha.beta.1",
    "1.2b3": "Release candidate 1.2 b3",
    "1.2.3.dev4": "Release candidate 1.2.3 dev4",
    "1.2.3-SNAPSHOT": "Release candidate 1.2.3 SNAPSHOT",
    "1.2.3-rc.1_build.5": "Release candidate 1.2.3 rc.1 · build.5",
    "1.2.3-rc.1-slim": "Release candidate 1.2.3 rc.1 · slim",
    "1.2.3-rc.1-arm64": "Release candidate 1.2.3 rc.1 · arm64",
    "4.1.1-0.dev.git.6969.h0e7347e8": "Release candidate 4.1.1 0.dev.git.6969.h0e7347e8",
    "1.0.0-0.3.7": "Release candidate 1.0.0 0.3.7",
    "v1beta1": "Release candidate 1 beta1",
    "python-3.13.0rc1": "Python 3.13.0 rc1",
    "2026.11-rc1": "Release candidate 2026.11 rc1 (November 2026)",
    "2026.11rc1": "Release candidate 2026.11 rc1 (November 2026)",
}

WEEKLIES = {
    "w_2026_46": "Weekly 2026, week 46 (9–15 Nov)",
    "W_2026_46": "Weekly 2026, week 46 (9–15 Nov)",
    "w_2026_1": "Weekly 2026, week 1 (29 Dec 2025 – 4 Jan 2026)",
    "w_2026_05": "Weekly 2026, week 5 (26 Jan – 1 Feb)",
    "w_2026_53": "Weekly 2026, week 53 (28 Dec 2026 – 3 Jan 2027)",
    "w_2026_46_c0045.003": "Weekly 2026, week 46 (9–15 Nov) · cycle 0045.003",
    "w_2026_46_rsp19_nosudo": "Weekly 2026, week 46 (9–15 Nov) · RSP build 19 · nosudo",
    "w_2026_46-arm64": "Weekly 2026, week 46 (9–15 Nov) · arm64",
    "w_2026_46_amd64": "Weekly 2026, week 46 (9–15 Nov) · amd64",
    "w_2026_46_x86_64": "Weekly 2026, week 46 (9–15 Nov) · amd64",
    "w_2026_46-foo": "Weekly 2026, week 46 (9–15 Nov) · foo",
    "w201742": "Weekly 2017, week 42 (16–22 Oct)",
    "w202611": "Weekly 2026, week 11 (9–15 Mar)",
}

DAILIES = {
    "d_2026_11_20": "Daily Fri 20 Nov 2026",
    "D_2026_11_20": "Daily Fri 20 Nov 2026",
    "d_2026_1_5": "Daily Mon 5 Jan 2026",
    "d_2024_02_29": "Daily Thu 29 Feb 2024",
    "d_2026_11_20_c0045.003": "Daily Fri 20 Nov 2026 · cycle 0045.003",
    "d_2026_11_20-amd64": "Daily Fri 20 Nov 2026 · amd64",
    "d20171113": "Daily Mon 13 Nov 2017",
    "2026-11-20": "Daily Fri 20 Nov 2026",
    "2026.11.20": "Daily Fri 20 Nov 2026",
    "2026_11_20": "Daily Fri 20 Nov 2026",
    "20261120": "Daily Fri 20 Nov 2026",
    "v20261120": "Daily Fri 20 Nov 2026",
    "v20261120-abc1234": "Daily Fri 20 Nov 2026 · abc1234",
    "2026-11-20-abc1234": "Daily Fri 20 Nov 2026 · abc1234",
    "2026.11.20.1": "Daily Fri 20 Nov 2026 · 1",
    "aarch64-2026-11-20": "Daily Fri 20 Nov 2026 · arm64",
}

EXPERIMENTALS = {
    "exp_w_2026_46_nosudo": "Experimental Weekly 2026, week 46 (9–15 Nov) · nosudo",
    "EXP_W_2026_46": "Experimental Weekly 2026, week 46 (9–15 Nov)",
    "exp_d_2026_11_20-amd64": "Experimental Daily Fri 20 Nov 2026 · amd64",
    "exp_r27_0_0_rc1_foo": "Experimental Release candidate 27.0.0 rc1 · foo",
    "exp_w_2026_46_c0045.003_rsp19_foo": (
        "Experimental Weekly 2026, week 46 (9–15 Nov) · cycle 0045.003 · RSP build 19 · foo"
    ),
    "exp_w_2026_54": "Experimental w_2026_54",
    "exp_2026-11-20_x": "Experimental Daily Fri 20 Nov 2026 · x",
    "exp_ajt_test": "Experimental ajt_test",
    "exp-ajt-test": "Experimental ajt-test",
    "exp_exp_x": "Experimental exp_x",
    "exp_python-3.12": "Experimental python-3.12",
    "exp_random-arm64": "Experimental random · arm64",
    "e20171113": "Experimental Daily Mon 13 Nov 2017",
    "e201742_foo": "Experimental Weekly 2017, week 42 (16–22 Oct) · foo",
    "e_foo": "Experimental foo",
}

BUILDS = {
    "sha-abc1234": "Build abc1234",
    "sha-abc1234-arm64": "Build abc1234 · arm64",
    "git-abc1234": "Build abc1234",
    f"sha-{HEX40}": "Build 0123456789ab…",
    HEX40: "Build 0123456789ab…",
    "666416b385e8": "Build 666416b385e8",
    "x86_64-666416b385e8": "Build 666416b385e8 · amd64",
    "deadbeef": "Build deadbeef",
    "ABC1234": "Build ABC1234",
    "2026112": "Build 2026112",
    "20261340": "Build 20261340",
    "20260230": "Build 20260230",
    "00000000": "Build 00000000",
    "d20171399": "Build d20171399",
    "e1f2a3b": "Build e1f2a3b",
    "1e5f2a3": "Build 1e5f2a3",
    "202611201530": "Build 202611201530",
}

OTHERS = {
    "w_2025_53": "w_2025_53",
    "w_2026_54": "w_2026_54",
    "w_2026_00": "w_2026_00",
    "w_0000_01": "w_0000_01",
    "w_3026_46": "w_3026_46",
    "w_2026_046": "w_2026_046",
    "w_2026": "w_2026",
    "w201799": "w201799",
    "w": "w",
    "d_2026_02_30": "d_2026_02_30",
    "d_2026_13_01": "d_2026_13_01",
    "d_2025_02_29": "d_2025_02_29",
    "d_0000_01_01": "d_0000_01_01",
    "d_2026_11": "d_2026_11",
    "r": "r",
    "r27": "r27",
    "r27_0_0_rc1foo": "r27_0_0_rc1foo",
    "r27_0_0_rc": "r27_0_0_rc",
    "r1700": "r1700",
    "exp": "exp",
    "exp_": "exp_",
    "e": "e",
    "edgecase": "edgecase",
    "42": "42",
    "abc123": "abc123",
    HEX40 + "0": HEX40 + "0",
    "1.2.3foo": "1.2.3foo",
    "1.2.3.4.5.6": "1.2.3.4.5.6",
    "1.2.": "1.2.",
    "1..2": "1..2",
    "v1." + "9" * 60: "v1." + "9" * 60,
    "sha256-" + "ab" * 32 + ".sig": "sha256-" + "ab" * 32 + ".sig",
    "pr-123": "pr-123",
    "feature_x-arm64": "feature_x · arm64",
    "Latest": "Latest",
    "latestx": "latestx",
    "amd64": "amd64",
    "_amd64": "_amd64",
    "_": "_",
    "1." + "9" * 60: "1." + "9" * 60,
    "9" * 128: "9" * 128,
    "a" * 128: "a" * 128,
}

HOSTILE = {
    "": "(empty)",
    " ": "(empty)",
    "w_2026_46\n": "w_2026_46\\u{a}",
    "\nw_2026_46": "\\u{a}w_2026_46",
    "latest\n": "latest\\u{a}",
    "1.2.3\n": "1.2.3\\u{a}",
    "sha-abc1234\r\n": "sha-abc1234\\u{d}\\u{a}",
    "w_2026_46 ": "w_2026_46 ",
    "w_２０２６_46": "w_２０２６_46",
    "w_٢٠٢٦_٤٦": "w_٢٠٢٦_٤٦",
    "d_2026_11_²0": "d_2026_11_²0",
    "٢٠٢٦-١١-٢٠": "٢٠٢٦-١١-٢٠",
    "1.२.3": "1.२.3",
    "ſha-abc1234": "ſha-abc1234",
    "lateſt": "lateſt",
    "w_2026_46\x00": "w_2026_46\\u{0}",
    "\x1b[31mlatest": "\\u{1b}[31mlatest",
    "\u202egnp.tsetal": "\\u{202e}gnp.tsetal",
    "latest\u200b": "latest\\u{200b}",
    "latest\u2028": "latest\\u{2028}",
    "\ud800": "\\u{d800}",
    "<script>alert(1)</script>": "<script>alert(1)</script>",
    "1.2.3+build": "1.2.3+build",
    "-rf": "-rf",
    ".hidden": ".hidden",
    "repo/latest": "repo/latest",
    "repo@sha256:abc": "repo@sha256:abc",
    "a" * 129: "a" * 128 + "…",
    "é" * 128: "é" * 128,
    "9" * 5000: "9" * 128 + "…",
    "1." + "9" * 100_000: ("1." + "9" * 126) + "…",
    "w_2026_46_" + "x" * 5000: ("w_2026_46_" + "x" * 118) + "…",
    "\x00" * 5000: "\\u{0}" * 128 + "…",
    "Ⅷ": "Ⅷ",
    "日本": "日本",
}

TABLE = {
    TagKind.ALIAS: ALIASES,
    TagKind.RELEASE: RELEASES,
    TagKind.CANDIDATE: CANDIDATES,
    TagKind.WEEKLY: WEEKLIES,
    TagKind.DAILY: DAILIES,
    TagKind.EXPERIMENTAL: EXPERIMENTALS,
    TagKind.BUILD: BUILDS,
    TagKind.OTHER: OTHERS | HOSTILE,
}
CASES = [(text, kind, name) for kind, cases in TABLE.items() for text, name in cases.items()]


@pytest.mark.parametrize(("text", "kind", "name"), CASES, ids=[ascii(text)[:50] for text, *_ in CASES])
def test_a_tag_is_of_its_kind_and_reads_well(text: str, kind: TagKind, name: str) -> None:
    tag = parse_tag(text)
    assert (tag.tag, tag.kind, tag.display_name) == (text, kind, name)


def test_the_table_holds_what_was_promised() -> None:
    assert len(CASES) == len({text for text, *_ in CASES}) >= 150


NUMBERS: list[tuple[str, tuple[int, ...], str]] = [
    ("r27_0_1", (27, 0, 1), ""),
    ("r170", (17, 0), ""),
    ("r27_0_0_RC10", (27, 0, 0), "rc10"),
    ("exp_r27_0_0_rc1_foo", (27, 0, 0), "rc1"),
    ("w_2026_46", (2026, 46), ""),
    ("d20171113", (2017, 11, 13), ""),
    ("2026-11-20", (2026, 11, 20), ""),
    ("2026.11-rc1", (2026, 11), "rc1"),
    ("v1.2.3-rc.1-slim", (1, 2, 3), "rc.1"),
    ("24.04", (24, 4), ""),
    ("lab-4.4", (4, 4), ""),
    ("1.999999999999999999", (1, 999999999999999999), ""),
    ("sha-abc1234", (), ""),
    ("latest", (), ""),
    ("anything", (), ""),
]


@pytest.mark.parametrize(("text", "version", "prerelease"), NUMBERS)
def test_a_tag_has_the_numbers_of_its_version(text: str, version: tuple[int, ...], prerelease: str) -> None:
    tag = parse_tag(text)
    assert (tag.version, tag.prerelease) == (version, prerelease)


DATES: list[tuple[str, tuple[int, int, int] | None]] = [
    ("d_2026_11_20", (2026, 11, 20)),
    ("2026.11.20", (2026, 11, 20)),
    ("20261120", (2026, 11, 20)),
    ("w_2026_46", (2026, 11, 9)),
    ("w_2026_01", (2025, 12, 29)),
    ("w_2020_53", (2020, 12, 28)),
    ("2026.11", (2026, 11, 1)),
    ("exp_w_2026_46_nosudo", (2026, 11, 9)),
    ("exp_2026-11-20_x", (2026, 11, 20)),
    ("e20171113", (2017, 11, 13)),
    ("exp_w_2025_53", None),
    ("exp_nosudo", None),
    ("d_2026_02_30", None),
    ("w_2025_53", None),
    ("v2026.11.20", None),
    ("r27_0_1", None),
]


@pytest.mark.parametrize(("text", "date"), DATES)
def test_a_tag_has_the_first_day_of_what_it_names(text: str, date: tuple[int, int, int] | None) -> None:
    assert parse_tag(text).date == (datetime.date(*date) if date else None)


def test_days_and_months_are_called_by_their_names() -> None:
    dailies = [parse_tag(f"d_2026_{month:02}_01").display_name for month in range(1, 13)]
    months = [parse_tag(f"2026.{month:02}").display_name for month in range(1, 13)]
    assert [name.split()[3] for name in dailies] == [name.partition("(")[2][:3] for name in months]
    assert [name.partition("(")[2] for name in months] == [
        *("January 2026)", "February 2026)", "March 2026)", "April 2026)", "May 2026)", "June 2026)"),
        *("July 2026)", "August 2026)", "September 2026)", "October 2026)", "November 2026)", "December 2026)"),
    ]
    week = [parse_tag(f"d_2026_11_{day:02}").display_name.split()[1] for day in range(9, 16)]
    assert week == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


def test_the_optional_parts_are_kept_apart() -> None:
    tag = parse_tag("r27_0_0_rc1_c0045.003_rsp19_foo_bar-arm64")
    assert (tag.cycle, tag.rsp_build, tag.extra, tag.architecture) == ((45, 3), 19, "foo_bar", "arm64")


def test_architectures_have_the_names_of_image_indexes() -> None:
    tags = ("1.2-x86_64", "1.2-amd64", "1.2-aarch64", "1.2_arm64", "x86_64-1.2", "1.2-ppc64le", "1.2")
    assert [parse_tag(tag).architecture for tag in tags] == [
        *("amd64", "amd64", "arm64", "arm64", "amd64", "ppc64le", "")
    ]
    more = ("1.2-riscv64", "1.2-s390x", "1.2-i386", "1.2-armv7", "armhf-1.2", "latest")
    assert [parse_tag(tag).architecture for tag in more] == ["riscv64", "s390x", "386", "arm/v7", "arm/v7", ""]


def test_kinds_are_texts() -> None:
    assert parse_tag("w_2026_46").kind == "weekly"
    assert [str(kind) for kind in TagKind] == [
        *("alias", "release", "candidate", "weekly", "daily", "experimental", "build", "other")
    ]


def test_a_tag_is_frozen_and_can_be_replaced_in_part() -> None:
    tag = parse_tag("w_2026_46_c0045.003_rsp19_foo-arm64")
    with pytest.raises(dataclasses.FrozenInstanceError):
        tag.display_name = "Mine"  # type: ignore[misc]
    named = dataclasses.replace(tag, display_name="Mine")
    same = {field.name: getattr(tag, field.name) for field in dataclasses.fields(tag)} | {"display_name": "Mine"}
    assert {field.name: getattr(named, field.name) for field in dataclasses.fields(named)} == same
    assert pickle.loads(pickle.dumps(tag)) == tag
