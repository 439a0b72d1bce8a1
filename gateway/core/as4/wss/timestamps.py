"""Step (9) of verification: wsu:Timestamp against the window of the policy."""

from __future__ import annotations

import datetime as dt
import re

from lxml import etree

from gateway.core.as4 import namespaces as ns
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.wss import tree
from gateway.core.as4.wss.tree import Malformed
from gateway.core.errors import FailedAuthentication

_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,12}))?(Z|[+-]\d\d:\d\d)?", re.ASCII)


def read_instant(text: str) -> dt.datetime:
    """xs:dateTime, any number of fractional digits, without zone meaning UTC. Raises Malformed."""
    match = _INSTANT.fullmatch(text.strip())
    if match is None:
        raise Malformed("a timestamp is no xs:dateTime")
    seconds, fraction, zone = match.groups()
    try:
        value = dt.datetime.fromisoformat(seconds + ("+00:00" if zone in (None, "Z") else zone))
    except ValueError as exc:
        raise Malformed("a timestamp is no date") from exc
    return value + dt.timedelta(microseconds=int((fraction or "0")[:6].ljust(6, "0")))


def check(timestamp: etree._Element | None, policy: SecurityPolicy, now: dt.datetime) -> None:
    """The wsu:Timestamp, when there is one, signed or not: it can only narrow what is accepted.

    Raises FailedAuthentication when it was created before the window, or ahead of ``now`` by more than
    the skew, or when it has expired. (eb:Timestamp is judged with the signed header, in ``open``.)
    """
    if timestamp is None:
        return
    created = read_instant(tree.leaf_text(tree.only(timestamp, ns.q(ns.WSU, "Created"))))
    if not now - policy.timestamp_window <= created <= now + policy.clock_skew:
        raise FailedAuthentication("the security timestamp is outside the window")
    expires = tree.optional(timestamp, ns.q(ns.WSU, "Expires"))
    if expires is not None and read_instant(tree.leaf_text(expires)) + policy.clock_skew < now:
        raise FailedAuthentication("the security timestamp has expired")
