"""Alerts arrive: by real mail over STARTTLS with a log-in, by signed webhooks; retried, once, at the hour."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import io
import json
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.alerting import Alerting
from gateway.core.alert_kinds import Severity
from gateway.core.alert_records import NoticeState
from gateway.core.alert_words import Letter, read
from gateway.core.alerts import AlertEvent, QuietHours
from gateway.core.errors import ConfigError, Conflict, MailRefused, MailUnavailable
from gateway.core.roles import Side
from gateway.flows import alert_views, operator
from gateway.flows import alerts as flow
from gateway.flows.alert_conditions import Surroundings
from gateway.flows.alert_notices import Sent, deliver, send_due
from gateway.flows.alerts import acknowledge, evaluate
from gateway.logs import configure_logs
from gateway.transport.mail import Security, SmtpMailer
from tests.fixtures.alerting import (
    AROUND,
    ISSUER,
    PASSWORD,
    SENDER,
    USER,
    Desk,
    Hook,
    MailServer,
    authority,
    fr,
    hook,
    mail_server,
    mailer,
    server_tls,
    texts,
    uk,
    verify,
)
from tests.fixtures.world import until
from tests.integration.alerts.test_conditions import fail, messages, the_alert

FULL = dataclasses.replace(AROUND, disk_free=0)
LETTER = Letter(sender=SENDER, to="ops@uk.test", content=b"Subject: x\r\n\r\ny\r\n")


async def look(desk: Desk, around: Surroundings = AROUND) -> None:
    await evaluate(desk.exchange, desk.plan, around)


async def send(desk: Desk, **changes: Any) -> list[Sent]:
    """Everything that is due."""
    sent: list[Sent] = []
    while some := await send_due(desk.sender(**changes)):
        sent += some
    return sent


async def states(desk: Desk, alert_id: str) -> list[tuple[AlertEvent, NoticeState, int]]:
    async with desk.store.begin(read_only=True) as tx:
        return [(n.event, n.state, n.attempts) for n in await tx.alert_notices(alert_id)]


# ---- mail ---------------------------------------------------------------------------------------


async def test_one_mail_when_it_opens_and_one_when_it_is_over(desk: Desk, post_office: MailServer) -> None:
    """To operators of both sides, over TLS, logged in; each in its language first; nothing in between."""
    desk.change_plan(recipients=(uk(), fr()))
    desk.mailer = mailer(post_office)
    made = await messages(desk, 3)
    await fail(desk, made)
    await look(desk)
    alert = await the_alert(desk)
    for _ in range(3):
        await look(desk)
        await send(desk)
    assert sorted(m.to[0] for m in post_office.got) == ["exploitation@fr.test", "ops@uk.test"]
    assert all((m.tls, m.user, m.sender) == (True, USER, SENDER) for m in post_office.got)
    english = next(m for m in post_office.got if m.to == ["ops@uk.test"])
    assert english.subject.startswith("[Passerelle] Opened, major: Messages that could not be delivered to ")
    assert f"{ISSUER}/console/alerts/{alert.alert_id}" in next(texts(english))
    assert [p["Content-Language"] for p in english.content.iter_parts()] == ["en", "fr"]
    for record in made:
        await operator.cancel(desk.exchange, record.message_id, actor="operator:ada", reason="test")
    await look(desk)
    await send(desk)
    assert len(post_office.got) == 4
    assert any(s.startswith("[Passerelle] Levée, majeure : ") for s in post_office.subjects)
    expected = [
        *[(AlertEvent.OPENED, NoticeState.SENT, 1)] * 2,
        *[(AlertEvent.CLEARED, NoticeState.SENT, 1)] * 2,
    ]
    assert await states(desk, alert.alert_id) == expected


async def test_no_mail_holds_personal_data(desk: Desk, post_office: MailServer) -> None:
    """Ids and codes only: no identifier of a stored message stands in a mail."""
    desk.change_plan(recipients=(uk(),))
    desk.mailer = mailer(post_office)
    await fail(desk, made := await messages(desk, 1))
    await look(desk)
    await send(desk)
    body = "".join(texts(post_office.got[0]))
    assert made[0].message_id in body
    assert made[0].reference not in body
    assert made[0].body_sha256 not in body


async def test_a_server_that_is_busy_is_asked_again(desk: Desk, post_office: MailServer) -> None:
    """451 today, accepted by the schedule; both attempts stay on record; the mail is the same one."""
    desk.change_plan(recipients=(uk(),))
    desk.mailer = mailer(post_office)
    post_office.answers = ["451 4.3.0 busy"]
    await look(desk, FULL)
    alert = await the_alert(desk)
    await send(desk)
    assert await states(desk, alert.alert_id) == [(AlertEvent.OPENED, NoticeState.WAITING, 1)]
    await send(desk)
    assert post_office.got == []
    desk.skip(seconds=61)
    await send(desk)
    assert len(post_office.got) == 1
    shown = await alert_views.show_alert(desk.exchange, alert.alert_id)
    (notice,) = shown["notices"]
    assert [a["outcome"] for a in notice["attempts"]] == ["mail.unavailable", "sent"]
    assert notice["recipient"] == "o…@uk.test"


async def test_after_the_last_attempt_it_has_failed(desk: Desk, post_office: MailServer) -> None:
    """The alert stays open; the notice says what happened."""
    desk.change_plan(recipients=(uk(),))
    desk.mailer = mailer(post_office)
    post_office.answers = ["451 busy"] * 9
    await look(desk, FULL)
    alert = await the_alert(desk)
    for _ in range(4):
        await send(desk)
        desk.skip(minutes=11)
    assert await states(desk, alert.alert_id) == [(AlertEvent.OPENED, NoticeState.FAILED, 3)]
    assert (await the_alert(desk)).is_open


async def test_a_refused_recipient_does_not_hold_up_the_others(desk: Desk, post_office: MailServer) -> None:
    """550 for one is final for that one; the other gets the mail."""
    desk.change_plan(recipients=(uk("gone@uk.test"), uk("here@uk.test")))
    desk.mailer = mailer(post_office)
    post_office.refused = {"gone@uk.test": "550 5.1.1 no such user"}
    await look(desk, FULL)
    codes = {s.notice.target_id: (s.state, s.code) for s in await send(desk)}
    assert codes == {
        "mail:uk:gone": (NoticeState.FAILED, "mail.refused"),
        "mail:uk:here": (NoticeState.SENT, "sent"),
    }


async def test_a_recipient_that_left_the_settings_is_dropped(desk: Desk, post_office: MailServer) -> None:
    """Between the notice and its sending the settings changed."""
    desk.change_plan(recipients=(uk(),))
    await look(desk, FULL)
    desk.change_plan(recipients=())
    desk.mailer = mailer(post_office)
    assert [(s.state, s.code) for s in await send(desk)] == [(NoticeState.DROPPED, "alert.recipient_unknown")]


async def test_without_a_mail_server_the_notice_fails_and_says_so(desk: Desk) -> None:
    """A recipient but no smtp.host: a wrong setting, told at once."""
    desk.change_plan(recipients=(uk(),))
    await look(desk, FULL)
    assert [(s.state, s.code) for s in await send(desk)] == [(NoticeState.FAILED, ConfigError.code)]


async def test_two_senders_send_once(desk: Desk, post_office: MailServer) -> None:
    """Both nodes look for due notices at once: each is claimed by one."""
    desk.change_plan(recipients=tuple(uk(f"ops{n}@uk.test") for n in range(6)))
    desk.mailer = mailer(post_office)
    await look(desk, FULL)
    await asyncio.gather(*(send(desk) for _ in range(4)))
    assert sorted(m.to[0] for m in post_office.got) == [f"ops{n}@uk.test" for n in range(6)]


async def test_what_a_dead_node_held_is_sent_by_another(desk: Desk, post_office: MailServer) -> None:
    """Claimed and never finished: when the lease has run out, it is due again; not before."""
    desk.change_plan(recipients=(uk(),))
    desk.mailer = mailer(post_office)
    await look(desk, FULL)
    async with desk.store.begin() as tx:
        (held,) = await tx.claim_notices(desk.clock.now(), limit=9, lease=dt.timedelta(minutes=2))
    assert await send(desk) == []
    desk.skip(minutes=3)
    await send(desk)
    assert len(post_office.got) == 1
    async with desk.store.begin() as tx:
        assert not await tx.end_notice(held, NoticeState.FAILED, at=desk.clock.now())
        assert not await tx.put_off_notice(held, desk.clock.now())


async def test_a_retry_after_a_crash_carries_the_same_id(desk: Desk, post_office: MailServer) -> None:
    """Sent but not recorded: the second copy can be told by its Message-ID."""
    desk.change_plan(recipients=(uk(),))
    desk.mailer = mailer(post_office)
    await look(desk, FULL)
    async with desk.store.begin() as tx:
        (held,) = await tx.claim_notices(desk.clock.now(), limit=9, lease=dt.timedelta(minutes=2))
    await deliver(read(held.content), str(held.notice_id), uk(), desk.sender(), desk.clock.now())
    desk.skip(minutes=3)
    await send(desk)
    first, second = post_office.got
    assert first.content["Message-ID"] == second.content["Message-ID"]


# ---- the connection -----------------------------------------------------------------------------


async def test_tls_from_the_first_octet(tmp_path: Path) -> None:
    """Port 465 instead of STARTTLS."""
    async with mail_server(server_tls(tmp_path), implicit=True) as server:
        await mailer(server, security=Security.TLS, username=None, password=None).send(LETTER)
        assert [m.tls for m in server.got] == [True]


async def test_nothing_is_sent_over_a_connection_that_is_not_verified(tmp_path: Path) -> None:
    """A certificate of an unknown authority, one for another host, a server without TLS."""
    async with mail_server(server_tls(tmp_path)) as server:
        with pytest.raises(MailUnavailable):
            await mailer(server, tls=ssl.create_default_context()).send(LETTER)
        assert server.got == []
    async with mail_server(server_tls(tmp_path, hosts=("mail.elsewhere.test",))) as server:
        with pytest.raises(MailUnavailable):
            await mailer(server).send(LETTER)
        assert server.got == []
    async with mail_server(None) as server:
        with pytest.raises(MailUnavailable):
            await mailer(server, username=None, password=None).send(LETTER)
        assert server.got == []


async def test_plain_is_only_for_those_who_say_unsafe() -> None:
    """It works when asked for, and never with a password."""
    async with mail_server(None) as server:
        unsafe = {"security": Security.UNSAFE_PLAIN, "username": None, "password": None}
        await mailer(server, **unsafe).send(LETTER)
        assert [m.tls for m in server.got] == [False]
        with pytest.raises(ConfigError):
            mailer(server, security=Security.UNSAFE_PLAIN)


async def test_a_wrong_password_is_told_without_it(post_office: MailServer) -> None:
    """Tried again later (somebody corrects the file); neither error nor its text holds the password."""
    wrong = "not-the-right-one-at-all"
    sender = mailer(post_office, password=wrong)
    with pytest.raises(MailUnavailable) as caught:
        await sender.send(LETTER)
    assert wrong not in f"{caught.value} {caught.value.detail} {sender!r}"
    assert post_office.got == []


async def test_refused_for_good_and_for_now(post_office: MailServer) -> None:
    """5xx is final, 4xx is not."""
    post_office.answers = ["554 5.7.1 no", "452 4.2.2 full"]
    with pytest.raises(MailRefused):
        await mailer(post_office).send(LETTER)
    with pytest.raises(MailUnavailable):
        await mailer(post_office).send(LETTER)


async def test_nobody_answers(post_office: MailServer) -> None:
    """A port where nothing listens."""
    with pytest.raises(MailUnavailable):
        await mailer(post_office, port=9).send(LETTER)


# ---- webhooks -----------------------------------------------------------------------------------


async def test_webhooks_are_signed_and_thin(desk: Desk, target: Hook) -> None:
    """opened and cleared, each verified as a receiver does, with an id that stays on a retry."""
    desk.change_plan(recipients=(hook(target.url),))
    target.status = 500
    await look(desk, FULL)
    alert = await the_alert(desk)
    await send(desk)
    target.status = 204
    desk.skip(seconds=61)
    await send(desk)
    await look(desk)
    await send(desk)
    assert target.types == [
        "passerelle.alert.opened.v1",
        "passerelle.alert.opened.v1",
        "passerelle.alert.cleared.v1",
    ]
    ids = [headers["webhook-id"] for headers, _ in target.got]
    assert ids[0] == ids[1] != ids[2]
    assert target.got[0][1] == target.got[1][1]
    for headers, body in target.got:
        verify(headers, body, desk.key)
        with pytest.raises(InvalidSignature):
            verify(headers, body, Ed25519PrivateKey.generate())
    assert json.loads(target.got[0][1])["data"]["alert_id"] == alert.alert_id


async def test_gone_turns_a_webhook_off_until_a_test_arrives(desk: Desk, target: Hook) -> None:
    """410: nothing more goes there; a test that is accepted turns it on again."""
    desk.change_plan(recipients=(hook(target.url),))
    target.status = 410
    await look(desk, FULL)
    assert [(s.state, s.code) for s in await send(desk)] == [(NoticeState.DROPPED, "alert.recipient_gone")]
    await look(desk)
    assert [(s.state, s.code) for s in await send(desk)] == [
        (NoticeState.DROPPED, "alert.recipient_disabled")
    ]
    assert len(target.got) == 1
    target.status = 200
    await flow.test(desk.exchange, actor="operator:ada")
    assert [s.state for s in await send(desk)] == [NoticeState.SENT]
    await look(desk, FULL)
    assert [s.state for s in await send(desk)] == [NoticeState.SENT]
    assert target.types[-2:] == ["passerelle.alert.test.v1", "passerelle.alert.opened.v1"]


async def test_a_webhook_that_asks_for_time_gets_it(desk: Desk, target: Hook) -> None:
    """429 with Retry-After: not before."""
    desk.change_plan(recipients=(hook(target.url),))
    target.status, target.headers = 429, {"Retry-After": "300"}
    await look(desk, FULL)
    await send(desk)
    desk.skip(seconds=290)
    assert await send(desk) == []
    desk.skip(seconds=11)
    assert len(await send(desk)) == 1


# ---- hours and escalation -----------------------------------------------------------------------


def at_hour(desk: Desk, hour: int) -> None:
    """The clock stands shortly after that hour of the next day (UTC)."""
    now = desk.clock.now()
    then = (now + dt.timedelta(days=1)).replace(hour=hour, minute=0, second=0)
    desk.clock.shift += then - now


NIGHT = {
    Side.UK: QuietHours(begin=dt.time(22), end=dt.time(7), zone="UTC"),
    Side.FR: QuietHours(begin=dt.time(22), end=dt.time(7), zone="Etc/GMT-1"),
}


async def test_quiet_hours_hold_back_what_can_wait(desk: Desk, post_office: MailServer) -> None:
    """A dead letter at two: Paris hears at six UTC, London at seven. A full disk is told at once."""
    desk.change_plan(recipients=(uk(), fr()), quiet=NIGHT)
    desk.mailer = mailer(post_office)
    at_hour(desk, 2)
    await fail(desk, await messages(desk, 1))
    await look(desk)
    await send(desk)
    assert post_office.got == []
    await look(desk, FULL)
    await send(desk)
    assert len(post_office.got) == 2
    assert all("critical" in s or "critique" in s for s in post_office.subjects)
    desk.skip(hours=4, minutes=5)
    await send(desk)
    assert [m.to for m in post_office.got[2:]] == [["exploitation@fr.test"]]
    desk.skip(hours=1)
    await send(desk)
    assert [m.to for m in post_office.got[3:]] == [["ops@uk.test"]]


async def test_severities_choose_their_readers(desk: Desk, post_office: MailServer) -> None:
    """A major alert is not for the one who is called for critical ones only."""
    desk.change_plan(recipients=(uk("day@uk.test"), uk("night@uk.test", least=Severity.CRITICAL)))
    desk.mailer = mailer(post_office)
    await fail(desk, await messages(desk, 1))
    await look(desk)
    await send(desk)
    assert [m.to for m in post_office.got] == [["day@uk.test"]]
    await look(desk, FULL)
    await send(desk)
    assert sorted(m.to[0] for m in post_office.got[1:]) == ["day@uk.test", "night@uk.test"]


async def test_nobody_acknowledges(desk: Desk, post_office: MailServer, target: Hook) -> None:
    """After a quarter of an hour those for escalation are told, once, and hear of the end too."""
    boss = uk("boss@uk.test", escalation=True)
    desk.change_plan(recipients=(uk(), boss, hook(target.url)))
    desk.mailer = mailer(post_office)
    await look(desk, FULL)
    await send(desk)
    assert [m.to for m in post_office.got] == [["ops@uk.test"]]
    for _ in range(3):
        desk.skip(minutes=16)
        await look(desk, FULL)
        await send(desk)
    assert [m.to for m in post_office.got[1:]] == [["boss@uk.test"]]
    assert post_office.subjects[1].startswith("[Passerelle] Not acknowledged, critical")
    await look(desk)
    await send(desk)
    assert sorted(m.to[0] for m in post_office.got[2:]) == ["boss@uk.test", "ops@uk.test"]
    assert target.types == [f"passerelle.alert.{name}.v1" for name in ("opened", "escalated", "cleared")]


async def test_acknowledged_in_time(desk: Desk, post_office: MailServer) -> None:
    """Somebody has it in hand: nobody else is called."""
    desk.change_plan(recipients=(uk(), uk("boss@uk.test", escalation=True)))
    desk.mailer = mailer(post_office)
    await look(desk, FULL)
    await acknowledge(desk.exchange, (await the_alert(desk)).alert_id, actor="operator:ada", reason="on it")
    desk.skip(hours=2)
    await look(desk, FULL)
    await send(desk)
    assert [m.to for m in post_office.got] == [["ops@uk.test"]]


# ---- the test -----------------------------------------------------------------------------------


async def test_the_test_reaches_everybody_at_any_hour(
    desk: Desk, post_office: MailServer, target: Hook
) -> None:
    """Also those for escalation and for critical alerts only; it says that it is a test; audited."""
    everybody = (
        uk("ops@uk.test", least=Severity.CRITICAL),
        fr("chef@fr.test", escalation=True),
        hook(target.url),
    )
    desk.change_plan(recipients=everybody, quiet=NIGHT)
    desk.mailer = mailer(post_office)
    at_hour(desk, 2)
    test_id = await flow.test(desk.exchange, actor="operator:ada")
    await send(desk)
    assert sorted(post_office.subjects) == ["[Passerelle] Essai", "[Passerelle] Test"]
    assert target.types == ["passerelle.alert.test.v1"]
    rows = await alert_views.show_test(desk.exchange, test_id)
    assert [row["state"] for row in rows] == ["sent"] * 3
    async with desk.store.begin(read_only=True) as tx:
        (entry,) = [e for e in await tx.audit_entries(limit=500) if e.action == "alert.test"]
    assert (entry.actor, entry.data) == ("operator:ada", {"count": 3})


async def test_a_test_without_recipients_is_refused(desk: Desk) -> None:
    """There is nobody to send it to."""
    with pytest.raises(Conflict):
        await flow.test(desk.exchange, actor="operator:ada")


# ---- logs ---------------------------------------------------------------------------------------


async def test_neither_password_nor_address_is_logged(desk: Desk, post_office: MailServer) -> None:
    """Everything at debug level, with failures: ids and codes only."""
    written = io.StringIO()
    configure_logs(level="debug", stream=written)
    desk.change_plan(recipients=(uk(), uk("gone@uk.test")))
    desk.mailer = mailer(post_office)
    post_office.answers, post_office.refused = ["451 busy"], {"gone@uk.test": "550 no gone@uk.test"}
    watcher = Alerting(
        exchange=desk.exchange, sender=desk.sender(), look_around=lambda: _around(FULL), node="node-1"
    )
    await watcher.look_once()
    task = asyncio.create_task(watcher.run())
    await until(lambda: '"alert.notice"' in written.getvalue(), seconds=10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    text = written.getvalue()
    assert "alert.opened" in text
    assert "mail.refused" in text
    for secret in (PASSWORD, "ops@", "gone@", authority().key_pem.decode()[40:80]):
        assert secret not in text


async def _around(value: Surroundings) -> Surroundings:
    return value


def test_a_mailer_does_not_show_its_password() -> None:
    """Nor does a recipient show its address."""
    made = SmtpMailer(
        host="h",
        port=1,
        security=Security.TLS,
        tls=ssl.create_default_context(),
        username=USER,
        password=PASSWORD,
    )
    assert PASSWORD not in repr(made)
    assert "ops@uk.test" not in repr(uk())
    assert "ops@uk.test" not in repr(LETTER)
