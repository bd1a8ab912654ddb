"""Who has a pod that waits, as far as no cluster is needed: pods that are refused, put off, or of another choice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from jhkube.ahead import keeper as module
from jhkube.ahead.keeper import AheadView, Keeper
from jhkube.ahead.manifest import AHEAD_LABEL, WAITING
from jhkube.ahead.pods import NotTaken

LONG = 240.0


class Making:
    """The making of pods, which never ends, or is refused with a sentence; says of which choices it has begun."""

    def __init__(self, keeper: Keeper, sentence: str = "") -> None:
        self.keeper, self.sentence = keeper, sentence
        self.begun: list[Any] = []
        self.changed = asyncio.Event()

    def begin(self, size: str, *, limit: int = 3, person: str = "ada") -> None:
        options: Mapping[str, Any] = {"size": size}

        async def make() -> Any:
            self.begun.append(size)
            self.changed.set()
            if self.sentence:
                raise NotTaken("Refused", "400", self.sentence)
            await asyncio.Event().wait()

        async def is_wanted() -> bool:
            return True

        self.keeper.begin(person, "", options, limit=limit, make=make, reflector=lambda: None, is_wanted=is_wanted)

    async def until(self, *sizes: str) -> None:
        async with asyncio.timeout(LONG):
            while self.begun != list(sizes):
                self.changed.clear()
                await self.changed.wait()

    async def view(self, state: str) -> AheadView:
        async with asyncio.timeout(LONG):
            while (view := self.keeper.view("ada", "", {})).state != state:
                await asyncio.sleep(0)
        return view


@pytest.fixture
def keeper() -> Keeper:
    return Keeper(logging.getLogger("test"))


async def test_what_a_start_would_be_refused_for_is_said_until_something_else_is_chosen(keeper):
    making = Making(keeper, "You have no room for another server.")
    assert keeper.view("ada", "", {}) == AheadView("none")
    making.begin("small")
    assert await making.view("failed") == AheadView("failed", "You have no room for another server.")
    assert keeper.view("ada", "other", {}) == keeper.view("bob", "", {}) == AheadView("none")
    making.begin("medium")
    assert keeper.view("ada", "", {}) == AheadView("waiting")
    keeper.drop("ada", "Logout")
    assert keeper.view("ada", "", {}) == AheadView("none")


async def test_a_hub_removes_what_an_earlier_process_of_its_own_left_and_nothing_of_another_hub(keeper, monkeypatch):
    def waiting(hub: str, uid: str) -> dict[str, Any]:
        annotations = {"jhkube/hub": hub} if hub else {}
        return {"metadata": {"uid": uid, "labels": {AHEAD_LABEL: WAITING}, "annotations": annotations}}

    pods = {"labs/jupyter-a-ada--1": waiting("a", "1"), "labs/jupyter-b-ada--2": waiting("b", "2")}
    pods["labs/jupyter-ada--3"] = waiting("", "3")
    removed: list[str] = []
    monkeypatch.setattr(module, "remove_in_background", lambda api, key, uid, log: removed.append(uid))
    for hub in ("a", "b", ""):
        keeper.sweep(None, SimpleNamespace(pods=pods), hub)
    assert removed == ["1", "2", "3"]


async def test_of_choices_in_quick_succession_the_first_and_the_last_are_made(keeper, monkeypatch):
    monkeypatch.setattr(module, "_BETWEEN_PODS", 1.5)
    making = Making(keeper)
    making.begin("a")
    await making.until("a")
    for size in "bcd":
        making.begin(size)
        await asyncio.sleep(0)
    await making.until("a", "d")
    # The same choice again is under way already.
    making.begin("d")
    await asyncio.sleep(0)
    assert making.begun == ["a", "d"]
    keeper.drop("ada", "Logout")


@pytest.mark.parametrize(("server", "options"), [("", {"size": "large"}), ("other", {"size": "small"})])
async def test_a_start_of_another_choice_does_not_wait_for_the_pod_that_is_under_way(
    keeper, monkeypatch, server, options
):
    monkeypatch.setattr(module, "_MAKING_PATIENCE", 1e6)
    making = Making(keeper)
    making.begin("small")
    await making.until("small")
    async with asyncio.timeout(LONG):
        assert await keeper.taken("ada", server, options) is None
    assert keeper.view("ada", "", {}) == AheadView("none")


async def test_without_the_permission_to_take_pods_none_are_made(keeper, caplog):
    making = Making(keeper)
    keeper.note_forbidden()
    making.begin("small")
    assert keeper.view("ada", "", {}) == AheadView("none")
    assert "may not patch pods" in caplog.text


async def test_a_person_too_many_has_no_pod_and_the_others_keep_theirs(keeper):
    making = Making(keeper)
    making.begin("small", limit=1)
    making.begin("small", limit=1, person="bob")
    await making.until("small")
    assert keeper.view("bob", "", {}) == AheadView("none")
    keeper.drop("ada", "Logout")


async def test_an_error_says_nothing_about_who_may_start_what_waits(keeper, caplog):
    async def away() -> bool:
        raise RuntimeError("the database is away")

    assert await keeper._is_wanted(SimpleNamespace(place="labs/jupyter-ada--1"), away)
    assert "labs/jupyter-ada--1" in caplog.text
