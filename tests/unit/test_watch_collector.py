"""The garbage collector rests while a page is read, and only then."""

import gc

import pytest

from jhkube.watch._watch_reflector import _collector_at_rest


def test_it_rests_within_and_works_after():
    with _collector_at_rest():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_works_after_a_page_that_could_not_be_read():
    with pytest.raises(ValueError), _collector_at_rest():
        raise ValueError
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with _collector_at_rest():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
