"""Refreshes of people who came together."""

from itertools import pairwise
from types import SimpleNamespace

from jhkube.login.refreshes import Spread


def test_those_who_come_together_are_asked_about_one_after_the_other_and_nobody_too_late():
    spread = Spread(3600, 0.2)
    sooner = sorted(spread.sooner(number) for number in range(1, 1001))
    assert 0 <= sooner[0] < sooner[-1] < 720
    gaps = [after - before for before, after in pairwise(sooner)]
    # 1,000 people in 720 s: no second has more than a few of them.
    assert min(gaps) > 0.2
    assert max(gaps) < 2
    assert Spread(3600, 0).sooner(7) == 0


def test_of_many_notes_of_one_moment_one_counts():
    spread, ada = Spread(1000, 0.5), SimpleNamespace(id=1, _auth_refreshed=1e9)
    for _ in range(3):
        spread.note_known(ada)
    known = ada._auth_refreshed
    spread.note_known(ada)
    assert ada._auth_refreshed == known
    nobody = SimpleNamespace(id=1, _auth_refreshed=None)
    spread.note_known(nobody)
    assert nobody._auth_refreshed is None
