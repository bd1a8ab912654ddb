"""When idle servers stop, when stopped ones are removed, and what people read before."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jhkube.deployment.idle import IdleTimes, Removal
from jhkube.deployment.settings import Settings
from jhkube.service.hub_answers import HubServer, HubServers
from jhkube.service.idle_views import idle_warnings
from jhkube.service.server_views import server_view

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
DAY = 24 * 3600
RULES = Removal(after=30 * DAY, warning=7 * DAY, unsaved_factor=3)


def days(count):
    return timedelta(days=count)


@pytest.mark.parametrize(
    ("unused", "announced", "is_saved", "removed"),
    [
        # 23 days after its last use a server is announced, and 7 days later it goes.
        (22, None, True, None),
        (23, None, True, 7),
        (29, 6, True, 1),
        (30, 7, True, 0),
        (31, 8, True, -1),
        # Nobody has told the person before, as where the operator has just set a time.
        (400, None, True, 7),
        (400, 1, True, 6),
        # What may have unsaved work is kept three times as long.
        (30, None, False, None),
        (83, None, False, 7),
        (91, 8, False, -1),
    ],
)
def test_nothing_is_removed_before_it_is_due_and_was_announced_for_the_whole_time(
    unused, announced, is_saved, removed
):
    at = RULES.removed_at(
        NOW, NOW - days(unused), None if announced is None else NOW - days(announced), is_saved=is_saved
    )
    assert at == (None if removed is None else NOW + days(removed))


def test_without_a_time_nothing_is_removed():
    assert Removal(after=0, warning=0).removed_at(NOW, NOW - days(9999), NOW - days(999), is_saved=True) is None


def test_the_culler_and_the_page_go_by_the_same_settings():
    settings = Settings(
        {
            "JHKUBE_CULLER_TIMEOUT": "3600",
            "JHKUBE_CULLER_SIZES": '{"gpu": 900}',
            "JHKUBE_CULLER_GROUPS": '{"ops": 7200}',
            "JHKUBE_CULLER_MAX_AGE": "86400",
            "JHKUBE_CULLER_REMOVE_AFTER": "1000",
            "JHKUBE_CULLER_UNSAVED_FACTOR": "2.5",
        }
    )
    assert IdleTimes.from_settings(settings, []) == IdleTimes(3600, {"gpu": 900}, 86400, 900)
    assert IdleTimes.from_settings(settings, ["ops"]).limit == 7200
    assert Removal.from_settings(settings) == Removal(1000, 604800, 2.5)
    assert Removal.from_settings(Settings({})).after == 0


def running(seconds_ago, **facts):
    seen = (NOW - timedelta(seconds=seconds_ago)).isoformat()
    return HubServer("gpu", "ada", is_ready=True, started=(NOW - days(2)).isoformat(), last_activity=seen, **facts)


@pytest.mark.parametrize(
    ("server", "idle", "said"),
    [
        (running(2000), IdleTimes(3600, warning=900), []),
        (running(2701), IdleTimes(3600, warning=900), ["Your server stops in about 15 minutes because nobody"]),
        (running(9000), IdleTimes(3600, warning=900), ["Your server stops in a minute because nobody uses it."]),
        (running(9000), None, []),
        (running(2701), IdleTimes(36_000, warning=36_000), ["in about 555 minutes"]),
        (replace(running(0), last_activity=None), IdleTimes(2 * DAY, warning=900), ["in a minute because nobody"]),
        (running(100, options={"size": "gpu"}), IdleTimes(3600, {"gpu": 600}, warning=900), ["in about 9 minutes"]),
        (running(0), IdleTimes(9999, max_age=2 * DAY + 300, warning=900), ["in about 5 minutes because it has run"]),
        (HubServer("gpu", "ada", last_activity=NOW.isoformat()), IdleTimes(1, warning=900), []),
        (
            HubServer("gpu", "ada", removed_at="2026-12-07T12:00:00+00:00"),
            None,
            ["It is removed, with its disk, on 2026-12-07 12:00 UTC. Start it to keep it."],
        ),
        (
            HubServer("gpu", "ada", removed_at="2026-12-07T12:00:00+00:00", is_kept_longer=True),
            None,
            ["Start it to keep it. It may have unsaved work, so it is kept for longer."],
        ),
        (running(0, removed_at="2026-12-07T12:00:00+00:00"), None, []),
    ],
)
def test_people_are_told_before_their_server_stops_or_is_removed(server, idle, said):
    found = idle_warnings(server, server_view(server, None), idle, NOW)
    assert len(found) == len(said)
    assert all(each in sentence for each, sentence in zip(said, found, strict=True)), found


def test_what_the_hub_says_of_idle_servers_is_what_the_service_reads():
    servers = HubServers(
        (running(1, removed_at=NOW.isoformat(), is_kept_longer=True),), idle=IdleTimes(1, {"a": 2}, 3, 4)
    )
    assert HubServers.from_json(servers.to_json()) == servers
