"""A class of 200 people that logs in at once."""

from __future__ import annotations

import asyncio

import pytest

pytestmark = pytest.mark.hub_versions

PEOPLE = 200


async def test_200_logins_at_once_complete_and_the_hub_answers_its_api_meanwhile(hub, github, add_person, browse):
    browsers = [browse(hub, add_person("lab:imaging")) for _ in range(PEOPLE)]
    loop = asyncio.get_running_loop()
    answers = []

    async def ask():
        while True:
            began = loop.time()
            status, _ = await hub.api("GET", "/users/nobody-of-this-name")
            answers.append((status, loop.time() - began))
            await asyncio.sleep(0.2)

    asking = asyncio.create_task(ask())
    began = loop.time()
    pages = await asyncio.gather(*(browser.log_in() for browser in browsers))
    seconds = loop.time() - began
    asking.cancel()
    assert [page.status for page in pages] == [200] * PEOPLE
    assert {status for status, _ in answers} == {404}
    # Never silent for longer than a fifth of the whole: the logins do not go one before the other. Once, the machine
    # itself may have stood still.
    *_, longer, longest = sorted(wait for _, wait in answers)
    assert longer < max(seconds / 5, 1.0)
    assert longest < max(seconds / 2, 1.0)
