"""What a notice says, pure: the alert as it was then (JSON), the mail in both languages, the CloudEvent.

No personal data: titles hold names of endpoints, codes, numbers; ids of messages and the link lead an
operator to the rest, behind the console's log-in.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from email.charset import QP, Charset
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.policy import compat32
from email.utils import format_datetime, formataddr
from typing import Any, Final
from zoneinfo import ZoneInfo

from gateway.core import roles
from gateway.core.alert_kinds import KINDS, SEVERITY_WORDS, SIDE_WORDS, AlertKind, Severity, Words
from gateway.core.alerts import Alert, AlertEvent, Facts, fill, title
from gateway.core.errors import Side

CLOUD_TYPES: Final = {event: f"passerelle.alert.{event.value}.v1" for event in AlertEvent}
_WIRE: Final = compat32.clone(linesep="\r\n")
_ZONES: Final = {"en": ("Europe/London", "London"), "fr": ("Europe/Paris", "Paris")}
_NAMED: Final = 5  # message ids in a mail; the page shows more
EVENT_WORDS: Final = {
    AlertEvent.OPENED: Words(en="Opened", fr="Ouverte"),
    AlertEvent.WORSENED: Words(en="Worse", fr="Aggravée"),
    AlertEvent.ESCALATED: Words(en="Not acknowledged", fr="Sans prise en compte"),
    AlertEvent.CLEARED: Words(en="Cleared", fr="Levée"),
    AlertEvent.TEST: Words(en="Test", fr="Essai"),
}
_LINES: Final = {
    "en": {
        "alert": "Alert",
        "severity": "Severity",
        "side": "Side at fault",
        "opened": "Opened",
        "cleared": "Cleared",
        "cause": "Why",
        "cure": "What to do",
        "ends": "It ends when",
        "messages": "Messages",
        "more": "and {n} more",
        "link": "Open the alert",
        "test": "This is a test. An operator asked for it to see that alerts arrive here. Nothing is wrong.",
        "foot": "Sent by the gateway Passerelle. Replies are not read.",
    },
    "fr": {
        "alert": "Alerte",
        "severity": "Gravité",
        "side": "Partie en cause",
        "opened": "Ouverte",
        "cleared": "Levée",
        "cause": "Pourquoi",
        "cure": "Que faire",
        "ends": "Elle prend fin lorsque",
        "messages": "Messages",
        "more": "et {n} autres",
        "link": "Consulter l'alerte",
        "test": "Ceci est un essai. Un opérateur l'a demandé pour vérifier que les alertes parviennent ici. "
        "Il n'y a aucun incident.",
        "foot": "Envoyé par la passerelle Passerelle. Les réponses ne sont pas lues.",
    },
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """An alert as a notice tells it."""

    event: AlertEvent
    at: dt.datetime
    alert_id: str
    """Of the alert, or of the test."""
    kind: AlertKind | None
    """None: a test."""
    severity: Severity
    side: Side
    count: int
    facts: Facts
    messages: tuple[str, ...]
    opened_at: dt.datetime
    cleared_at: dt.datetime | None


def told_of(alert: Alert, event: AlertEvent, at: dt.datetime) -> Told:
    """What is told at that instant (UTC)."""
    return Told(
        event=event,
        at=at,
        alert_id=alert.alert_id,
        kind=alert.kind,
        severity=alert.severity,
        side=alert.side,
        count=alert.count,
        facts=dict(alert.facts),
        messages=alert.messages,
        opened_at=alert.opened_at,
        cleared_at=alert.cleared_at,
    )


def trial_of(test_id: str, at: dt.datetime) -> Told:
    """A test: about nothing."""
    return Told(
        event=AlertEvent.TEST,
        at=at,
        alert_id=test_id,
        kind=None,
        severity=Severity.MINOR,
        side=Side.GATEWAY,
        count=1,
        facts={},
        messages=(),
        opened_at=at,
        cleared_at=None,
    )


def _iso(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def snapshot(told: Told) -> str:
    """JSON that ``read`` understands: every attempt says the same."""
    value = {
        "event": told.event.value,
        "at": _iso(told.at),
        "alert_id": told.alert_id,
        "kind": None if told.kind is None else told.kind.value,
        "severity": told.severity.value,
        "side": told.side.value,
        "count": told.count,
        "facts": dict(told.facts),
        "messages": list(told.messages),
        "opened_at": _iso(told.opened_at),
        "cleared_at": None if told.cleared_at is None else _iso(told.cleared_at),
    }
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def read(text: str) -> Told:
    """The value of ``snapshot``. Raises ValueError or KeyError for another text: a bug."""
    value: dict[str, Any] = json.loads(text)
    ended = value["cleared_at"]
    return Told(
        event=AlertEvent(value["event"]),
        at=dt.datetime.fromisoformat(value["at"]),
        alert_id=value["alert_id"],
        kind=None if value["kind"] is None else AlertKind(value["kind"]),
        severity=Severity(value["severity"]),
        side=Side(value["side"]),
        count=value["count"],
        facts=value["facts"],
        messages=tuple(value["messages"]),
        opened_at=dt.datetime.fromisoformat(value["opened_at"]),
        cleared_at=None if ended is None else dt.datetime.fromisoformat(ended),
    )


# ---- words --------------------------------------------------------------------------------------


def subject(told: Told, language: str) -> str:
    """The subject of the mail; the language's own way with colons."""
    colon = " : " if language == "fr" else ": "
    event = EVENT_WORDS[told.event].of(language)
    if told.kind is None:
        return f"[Passerelle] {event}"
    severity = SEVERITY_WORDS[told.severity].of(language)
    return f"[Passerelle] {event}, {severity}{colon}{title(told.kind, told.count, told.facts, language)}"


def both_zones(at: dt.datetime, language: str) -> str:
    """The instant in London and in Paris, the reader's own zone first."""
    order = ("fr", "en") if language == "fr" else ("en", "fr")
    shown = []
    for name in order:
        zone, city = _ZONES[name]
        local = at.astimezone(ZoneInfo(zone))
        form = "%d/%m/%Y %H:%M" if language == "fr" else "%d %b %Y %H:%M"
        shown.append(f"{local.strftime(form)} {city}")
    return " / ".join(shown)


def text(told: Told, language: str, link: str) -> str:
    """The text of the mail in one language."""
    words, colon = _LINES[language], " : " if language == "fr" else ": "
    if told.kind is None:
        return f"{words['test']}\n\n{words['link']}{colon}{link}\n\n{words['foot']}\n"
    spec = KINDS[told.kind]
    head = [
        (words["alert"], title(told.kind, told.count, told.facts, language)),
        (words["severity"], SEVERITY_WORDS[told.severity].of(language)),
        (words["side"], SIDE_WORDS[told.side].of(language)),
        (words["opened"], both_zones(told.opened_at, language)),
    ]
    if told.cleared_at is not None:
        head.append((words["cleared"], both_zones(told.cleared_at, language)))
    lines = [EVENT_WORDS[told.event].of(language).upper(), ""]
    lines += [f"{name}{colon}{value}" for name, value in head]
    if told.event is not AlertEvent.CLEARED:
        rest = [
            (words["cause"], fill(spec.cause, told.count, told.facts, language)),
            (words["cure"], spec.cure.of(language)),
            (words["ends"], spec.cleared.of(language)),
        ]
        for name, value in rest:
            lines += ["", f"{name}{colon}{value}"]
        if told.messages:
            lines += ["", f"{words['messages']}{colon}", *_named(told, language)]
    return "\n".join([*lines, "", f"{words['link']}{colon}{link}", "", words["foot"], ""])


def _named(told: Told, language: str) -> list[str]:
    shown = [f"  {message_id}" for message_id in told.messages[:_NAMED]]
    left = told.count - len(shown)
    return [*shown, f"  {_LINES[language]['more'].format(n=left)}"] if left > 0 else shown


# ---- on the wire --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """A mail as it goes to the server; ``content`` is RFC 5322 with CRLF."""

    sender: str
    to: str = field(repr=False)
    content: bytes = field(repr=False)


def mail(
    told: Told, *, number: str, side: roles.Side, sender: str, to: str, link: str, at: dt.datetime
) -> Letter:
    """The mail to operators of one side: their language first, the other below, each part marked.

    ``number`` tells notices apart: a mail that leaves twice after a crash has one Message-ID. All mails of an
    incident answer to one id, so that mail programs show them together (RFC 5322 3.6.4). ``Auto-Submitted``
    keeps holiday answers away (RFC 3834).
    """
    first = "fr" if side is roles.Side.FR else "en"
    order = (first, "en" if first == "fr" else "fr")
    domain = sender.rpartition("@")[2]
    message = MIMEMultipart("mixed", boundary=f"=-passerelle-notice-{number}")
    message["From"] = formataddr(("Passerelle", sender))
    message["To"] = to
    # the newer EmailMessage folds long subjects with accents wrongly (seen with Python 3.11)
    message["Subject"] = Header(subject(told, first), "utf-8", header_name="Subject").encode()
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<notice.{number}@{domain}>"
    message["References"] = f"<alert.{told.alert_id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["Content-Language"] = ", ".join(order)
    for language in order:
        part = MIMENonMultipart("text", "plain")
        part.set_payload(text(told, language, link), _readable())
        part["Content-Language"] = language
        part["Content-Disposition"] = "inline"
        message.attach(part)
    return Letter(sender=sender, to=to, content=message.as_bytes(policy=_WIRE))


def _readable() -> Charset:
    """UTF-8 as quoted-printable: most of it can be read in a log of a mail server's queue."""
    charset = Charset("utf-8")
    charset.body_encoding = QP
    return charset


def cloud_event(told: Told, *, number: str, issuer: str, link: str) -> bytes:
    """The thin event: type, id, what kind, link (CloudEvents 1.0)."""
    value = {
        "specversion": "1.0",
        "id": f"alert_{number}",
        "source": issuer,
        "type": CLOUD_TYPES[told.event],
        "time": _iso(told.at),
        "subject": told.alert_id,
        "datacontenttype": "application/json",
        "data": {
            "alert_id": told.alert_id,
            "kind": None if told.kind is None else told.kind.value,
            "severity": told.severity.value,
            "side": told.side.value,
            "count": told.count,
            "link": link,
        },
    }
    return json.dumps(value, separators=(",", ":")).encode()
