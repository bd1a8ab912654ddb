"""What the lab image reads of its cgroup when a program was ended for its memory; files as Linux writes them."""

import sys
from pathlib import Path

import pytest

from devcluster.images import ROOT

sys.path.insert(0, str(ROOT / "images" / "lab" / "python"))

from lab_cgroup import Memory

GIB = 2**30
NO_LIMIT = 9223372036854771712


def version_2(kills, limit, reached):
    events = f"low 0\nhigh 0\nmax 31\noom {reached}\noom_kill {kills}\noom_group_kill 0\n"
    return {"memory.events": events, "memory.max": f"{limit or 'max'}\n"}


def version_1(kills, limit, reached):
    return {
        "memory/memory.oom_control": f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n",
        "memory/memory.limit_in_bytes": f"{limit or NO_LIMIT}\n",
        "memory/memory.max_usage_in_bytes": f"{(limit or GIB) - 2**20 if reached else GIB}\n",
    }


class Cgroup:
    """A container's cgroup."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, files):
        for name, text in files.items():
            file = self.folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)

    def memory(self):
        return Memory(str(self.folder))


@pytest.mark.parametrize("files", [version_1, version_2])
def test_a_program_that_was_ended_is_told_with_the_limit_that_was_reached(files, tmp_path):
    cgroup = Cgroup(tmp_path)
    cgroup.write(files(2, 4 * GIB, 2))
    memory = cgroup.memory()
    # What was before the server is none of its business.
    assert (memory.told(), memory.sentence(), memory.is_news) == (None, "", False)
    cgroup.write(files(3, 4 * GIB, 3))
    assert memory.told()["limit"] == 4 * GIB
    assert memory.is_news
    assert memory.sentence().startswith("The memory of your server (4 GiB) was full at ")
    # It is said once it has been seen, whenever it is asked for.
    assert memory.told() == memory.told()

    cgroup.write(files(4, 512 * 2**20, 4))
    assert "(512 MiB)" in memory.sentence()


@pytest.mark.parametrize("files", [version_1, version_2])
@pytest.mark.parametrize(("limit", "reached"), [(None, 1), (4 * GIB, 0)])
def test_where_the_node_was_full_no_limit_is_told(files, limit, reached, tmp_path):
    cgroup = Cgroup(tmp_path)
    cgroup.write(files(0, limit, 0))
    memory = cgroup.memory()
    cgroup.write(files(1, limit, reached))
    assert memory.told()["limit"] is None
    assert memory.sentence().startswith("There was no memory left for your server at ")


@pytest.mark.parametrize("files", [version_1, version_2])
def test_a_look_that_failed_is_no_program_that_was_ended(files, tmp_path):
    cgroup = Cgroup(tmp_path)
    cgroup.write(files(2, 4 * GIB, 2))
    memory = cgroup.memory()
    cgroup.write(dict.fromkeys(files(2, 4 * GIB, 2), "odd\n"))
    assert memory.told() is None
    cgroup.write(files(2, 4 * GIB, 2))
    assert memory.told() is None


@pytest.mark.parametrize("files", [{}, {"memory.events": "odd\n"}, {"memory.events": "oom_kill many\n"}])
def test_without_a_count_nothing_is_told(files, tmp_path):
    cgroup = Cgroup(tmp_path)
    cgroup.write(files)
    assert cgroup.memory().told() is None
