"""How long a server asks to be left alone, for every HTTP client."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

__all__ = ["LONGEST_WAIT", "retry_after"]

LONGEST_WAIT = 300.0
"""Seconds: no wait that a server asks for is kept for longer, whatever it sends."""

# Nine digits: a number with more is no wait but a time, counted from 1970.
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks to wait (RFC 9110, section 10.2.3).

    Parameters
    ----------
    value
        The header: seconds, or a date; None where there is none.
    now
        The present time, in Unix seconds.

    Returns
    -------
    float or None
        Between 0 and `LONGEST_WAIT`; 0 for a date that is past. None where the header names no wait: it is
        missing, negative, infinite, a Unix time, or not of either form.

    Examples
    --------
    >>> retry_after("30", now=0.0), retry_after("Thu, 01 Jan 1970 00:01:00 GMT", now=0.0)
    (30.0, 60.0)
    >>> retry_after("31536000", now=0.0)
    300.0
    """
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        wait = float(text)
    elif not re.match("[A-Za-z]", text):
        return None
    else:
        try:
            date = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        # A date in "-0000" has no zone of its own; those of this header are in GMT.
        wait = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
    return min(max(wait, 0.0), LONGEST_WAIT)
