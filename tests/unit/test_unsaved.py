"""What a server says of unsaved work, read as the answer of a stranger."""

import pytest

from jhkube.watch.unsaved import MOST_REPOSITORIES, Answered, MemoryEnd, Unsaved, unsaved_sentence

ASKED = "2026-11-30T04:10:00Z"


def repository(path="work", changed=0, unpushed=0):
    return {"path": path, "changed": changed, "unpushed": unpushed}


def answer(*repositories, complete=True, **more):
    return Unsaved.from_answer({"repositories": list(repositories), "complete": complete, **more}, ASKED)


@pytest.mark.parametrize(
    ("unsaved", "state", "said"),
    [
        (answer(), "none", "All work in your git repositories is committed and pushed."),
        (answer(repository(changed=1)), "some", "Work in work (1 changed file) is only on your disk."),
        (answer(repository(unpushed=2)), "some", "Work in work (2 commits not pushed) is only on your disk."),
        (answer(repository(changed=2, unpushed=None)), "some", "work (2 changed files, not everything is known)"),
        (answer(repository(changed=None, unpushed=None)), "unknown", "git could not look at all"),
        (answer(complete=False), "unknown", "git could not look at all"),
        (answer(repository(changed=1), complete=False), "some", "Work in work (1 changed file)"),
        (Unsaved(ASKED, Answered.SILENT), "unknown", "because this image does not tell"),
        (Unsaved(ASKED), "unknown", "because your server did not answer"),
    ],
)
def test_what_is_unsaved_is_said_in_a_sentence(unsaved, state, said):
    assert unsaved.state == state
    assert said in unsaved_sentence(unsaved, at_stop=False)
    assert said in unsaved_sentence(unsaved, at_stop=True)
    assert Unsaved.from_json(unsaved.to_json()) == unsaved


def test_free_space_is_kept_where_a_server_tells_it():
    assert (answer().free, answer(free=5 * 2**30).free) == (None, 5 * 2**30)
    assert Unsaved.from_json(answer(free=7).to_json()).free == 7


@pytest.mark.parametrize(
    ("told", "end", "said"),
    [
        (None, None, None),
        (
            {"ended": "2026-11-30T14:32:07.5+00:00", "limit": 4 * 2**30},
            MemoryEnd("2026-11-30T14:32:07+00:00", 4 * 2**30),
            "The memory of your server (4 GiB) was full at 2026-11-30 14:32 UTC. A program was ended to free memory",
        ),
        (
            {"ended": "2026-11-30T14:32:07Z", "limit": None},
            MemoryEnd("2026-11-30T14:32:07+00:00"),
            "The node of your server had no memory left at 2026-11-30 14:32 UTC. A program was ended to free memory",
        ),
    ],
)
def test_a_program_that_was_ended_for_its_memory_is_told(told, end, said):
    found = answer(memory=told)
    assert found.memory == end
    assert said is None or str(found.memory).startswith(said)
    assert Unsaved.from_json(found.to_json()) == found


def test_a_sentence_names_three_repositories_and_counts_the_rest():
    many = answer(*(repository(f"r{number}", 1) for number in range(MOST_REPOSITORIES + 5)), more=5)
    assert len(many.repositories) == MOST_REPOSITORIES
    said = unsaved_sentence(many, at_stop=False)
    assert "r2 (1 changed file) and 57 more is only" in said
    assert "r3" not in said


def test_a_path_has_no_characters_that_hide_others():
    (found,) = answer(repository("a\n\u202e\x00b" + "x" * 1000, 1)).repositories
    assert found.path.startswith("a���bxxx")
    assert len(found.path) == 200


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        {},
        {"repositories": {}},
        {"repositories": [None]},
        {"repositories": [{"changed": 1, "unpushed": 0}]},
        {"repositories": [repository(7)]},
        {"repositories": [repository(changed=-1)]},
        {"repositories": [repository(changed=True)]},
        {"repositories": [repository(changed="9")]},
        {"repositories": [repository(unpushed=10**30)]},
        {"repositories": [], "more": "many"},
        {"repositories": [], "free": -1},
        {"repositories": [], "free": 2**70},
        {"repositories": [], "free": "much"},
        {"repositories": [], "memory": "full"},
        {"repositories": [], "memory": {}},
        {"repositories": [], "memory": {"ended": "yesterday"}},
        {"repositories": [], "memory": {"ended": "2026-11-30T14:32:07"}},
        {"repositories": [], "memory": {"ended": "2026-11-30T14:32:07Z", "limit": -1}},
        {"repositories": [], "memory": {"ended": "2026-11-30T15:32:07+01:00"}},
    ],
)
def test_an_answer_of_another_form_is_refused(said):
    with pytest.raises(ValueError):
        Unsaved.from_answer(said, ASKED)


@pytest.mark.parametrize("asked", [None, 7, "yesterday", "2026-11-30T04:10:00"])
def test_what_was_kept_is_checked_too(asked):
    with pytest.raises(ValueError):
        Unsaved.from_json({**answer().to_json(), "asked": asked})
