"""How long a server may ask to be left alone."""

import pytest

from jhkube.retry_after import LONGEST_WAIT, retry_after

NOW = 1_792_567_680.0  # Wed, 21 Oct 2026 07:28:00 GMT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30),
        (" 30 ", 30),
        ("0", 0),
        ("0.5", 0.5),
        ("Wed, 21 Oct 2026 07:29:30 GMT", 90),
        ("Wed, 21 Oct 2026 07:29:30 -0000", 90),
        ("Wed, 21 Oct 2026 09:29:30 +0200", 90),
        ("Wednesday, 21-Oct-26 07:29:30 GMT", 90),
        ("Wed, 21 Oct 2026 07:00:00 GMT", 0),
    ],
)
def test_a_wait_is_a_number_of_seconds_or_a_date(value, seconds):
    assert retry_after(value, NOW) == seconds


@pytest.mark.parametrize("value", ["301", "3600", "31536000", "999999999", "Thu, 21 Oct 2027 07:28:00 GMT"])
def test_no_wait_is_longer_than_five_minutes(value):
    assert retry_after(value, NOW) == LONGEST_WAIT == 300


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "inf",
        "Infinity",
        "1e400",
        "nan",
        "-1",
        "+5",
        "1792567680",
        "9" * 5000,
        "٣٠",
        "soon",
        "30 seconds",
        "Wed, 21 Oct 99999999 07:28:00 GMT",
        "Wed, 99 Oct 2026 07:28:00 GMT",
        "Wed, 21 Oct 2026 07:28:00 +99999999",
    ],
)
def test_what_names_no_wait_is_not_waited_for(value):
    assert retry_after(value, NOW) is None
