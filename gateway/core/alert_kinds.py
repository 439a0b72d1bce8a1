"""What the gateway raises alerts about, as one table: severity, whose side, words in both languages, and what
ends it. ``docs/alerts.md`` is made from this table (``gateway.alert_page``), and so are mails and pages.

The words hold places in braces that are filled from the facts of an alert: ``{count}``, ``{subject}`` (an
endpoint, a time limit, a certificate, a node), ``{value}`` (days, minutes, persons, bytes), ``{term}`` (the
value in words, as days until an end or since then). Facts never hold personal data: names of endpoints,
machine codes, numbers, references of cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.core import alert_rows_exchange, alert_rows_gateway
from gateway.core.alert_spec import AlertKind as AlertKind
from gateway.core.alert_spec import Ends as Ends
from gateway.core.alert_spec import KindSpec as KindSpec
from gateway.core.alert_spec import Severity as Severity
from gateway.core.alert_spec import Words as Words
from gateway.core.errors import Side

_ROWS: Final = {row.kind: row for row in (*alert_rows_exchange.ROWS, *alert_rows_gateway.ROWS)}
KINDS: Final[Mapping[AlertKind, KindSpec]] = MappingProxyType({kind: _ROWS[kind] for kind in AlertKind})
"""In the order of ``AlertKind``, which is that of every list of them."""
SEVERITY_WORDS: Final[Mapping[Severity, Words]] = MappingProxyType(
    {
        Severity.MINOR: Words(en="minor", fr="mineure"),
        Severity.MAJOR: Words(en="major", fr="majeure"),
        Severity.CRITICAL: Words(en="critical", fr="critique"),
    }
)
SIDE_WORDS: Final[Mapping[Side, Words]] = MappingProxyType(
    {
        Side.UK: Words(en="United Kingdom", fr="Royaume-Uni"),
        Side.FR: Words(en="France", fr="France"),
        Side.GATEWAY: Words(en="gateway, or both", fr="passerelle, ou les deux"),
    }
)
