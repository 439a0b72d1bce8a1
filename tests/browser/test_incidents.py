"""The five incidents of ``docs/incidents.md``, from the cause to the all-clear: what operators see and do in
a real browser, against real processes, with real mail. Each play names its section; what it clicks and reads
must stand there in bold, in both languages.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509
from playwright.sync_api import Browser

from gateway.core.as4.keys import fingerprint
from gateway.keys.pki import Purpose
from tests.fixtures.guides import missing
from tests.fixtures.incidents import Operator, Theatre, certify, known_to, operator, theatre
from tests.fixtures.world import readmission_request

SECOND = "second-person"
FRANCE = "FR-MI-AS4"
CALM = "Nothing is stuck, refused or failed."
SIGN: tuple[str, Purpose] = ("as4-sign", "sign")
ENCRYPT: tuple[str, Purpose] = ("as4-decrypt", "encrypt")
LATE = 'reply_delay_s = 0.2\n[services]\n"DGEF-TARD" = "late"\n[scenarios.late]\nlate_s = 86000\n'
"""A decision that falls due after the certificate's end."""


class House:
    """One world for the incidents that leave nothing behind, and another one after a play that broke off."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._stage: Theatre | None = None

    def stage(self) -> Theatre:
        if self._stage is None:
            self._stage = self._open.enter_context(theatre())
            self._stage.start_ministry()
            self._stage.start_gateway()
        return self._stage

    def close(self) -> None:
        self._open.close()
        self._stage = None


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    made = House()
    yield made
    made.close()


@pytest.fixture
def stage(request: pytest.FixtureRequest, house: House) -> Iterator[Theatre]:
    failed = request.session.testsfailed
    yield house.stage()
    if request.session.testsfailed > failed:  # France is still down, a route paused, an alert open
        house.close()


@pytest.fixture
def nadia(chromium: Browser, stage: Theatre) -> Iterator[Operator]:
    with operator(chromium, stage, "operator") as made:
        yield made


def open_alert(who: Operator, title: str) -> str:
    """From the first page to the page of the alert; its text."""
    who.until("/console", title)
    who.link(title)
    return who.reads("Side at fault", "What to do", "It ends when")


def subjects(stage: Theatre, words: str) -> Counter[str]:
    """First word of each mail about this to the UK operators, once for each mail."""
    return Counter(s.removeprefix("[Passerelle] ").partition(",")[0] for s in stage.mailed(words))


def told_once(stage: Theatre, words: str) -> None:
    """One mail when it opened, one when it was over."""
    stage.until_mailed("Cleared", words)
    assert subjects(stage, words) == {"Opened": 1, "Cleared": 1}


def test_a_french_outage(chromium: Browser, stage: Theatre, nadia: Operator) -> None:
    """docs/incidents.md, 1: told at night, France at fault, the route paused and resumed, dead letters sent
    again by two persons, each message at the ministry once."""
    nadia.until("/console", CALM, without="open alert")
    stage.world.control(down={"seconds": 100_000})
    dead = [stage.send(readmission_request(number=n))[0] for n in (11, 12)]
    # (1) the mail, the first page, the alert
    assert "major" in stage.until_mailed("Opened", "is interrupted")
    assert "est interrompue" in stage.until_mailed("Ouverte", to="exploitation@fr.test")
    nadia.until("/console", "is interrupted", "circuit open")
    text = open_alert(nadia, "Delivery to")
    assert "Side at fault\nFrance" in text
    nadia.reads("Nothing is lost: messages wait and leave in their order.")
    nadia.decides("Acknowledge", "told_other_side", "Called the desk of the ministry, ticket 4711")
    nadia.reads("The alert is acknowledged.", "in hand")
    # (2) is it them? the connection test says at which step
    nadia.goes("/console/partners")
    nadia.button("Test the connection to France")
    nadia.reads("Not connected: one step failed. What helps stands beside it.", "Signed AS4 ping")
    # (3) attempts run out
    for one in dead:
        stage.until_status(one, "failed")
    stage.until_metric('passerelle_alerts_open{kind="breaker_open",severity="major"}', 1)
    nadia.until("/console", "Messages that could not be delivered to", "Dead letters")
    text = nadia.goes(f"/console/messages/{dead[0]}")
    assert "Who holds it now: not known; France may have it" in text
    assert "Whose part it is\nFrance" in text
    assert "delivery.unavailable" in text
    nadia.reads("Can it be sent again safely?", "unknown")
    # (4) pause: what comes now waits and uses up no attempt
    nadia.goes("/console/partners")
    nadia.link("Pause")
    nadia.decides("Pause this route", "agreed", "Until the ministry calls, ticket 4711")
    nadia.reads("The route is paused.")
    waiting = stage.send(readmission_request(number=13))[0]
    nadia.until("/console", "paused")
    assert "The route to France is paused by an operator." in nadia.goes(f"/console/messages/{waiting}")
    assert stage.message(waiting)["attempts"] == 0
    # (5) the ministry calls
    stage.world.control(down={"seconds": 0})
    nadia.goes("/console/partners")
    nadia.button("Test the connection to France")
    nadia.reads("Connected: every step passed.")
    nadia.link("Resume")
    nadia.decides("Resume this route", "partner_outage", "The ministry called, ticket 4711")
    nadia.reads("The route is in use again.")
    stage.until_status(waiting, "acknowledged")
    told_once(stage, "is interrupted")
    # (6) the dead letters, by two persons
    nadia.goes("/console")
    nadia.link("Dead letters")
    nadia.link("Send all of these again")
    nadia.reads(
        "uncertain", "A second person must approve it.", "This is a dry run: nothing has been changed."
    )
    nadia.decides("Make it, start nothing yet", "partner_outage", "Down 02:10 to 02:40, ticket 4711")
    nadia.reads("waiting for a second person")
    batch = nadia.page.url.partition("?")[0].removeprefix(nadia.base)
    with operator(chromium, stage, SECOND) as second:
        second.goes(batch)
        second.link("Approve")
        second.decides("Approve", "agreed", "Looked at both, ticket 4711")
        second.reads("It is approved. Somebody starts it now.")
        assert missing(1, second.words) == {}
    nadia.goes(batch)
    nadia.link("Start")
    nadia.decides("Start", "partner_outage", "Approved by the second person, ticket 4711")
    nadia.until(batch, "finished")
    for one in dead:
        stage.until_status(one, "acknowledged")
    # (7) over
    nadia.until("/console", CALM, without="open alert")
    told_once(stage, "could not be delivered")
    assert stage.received_once(*dead, waiting)
    nadia.goes(f"/console/messages/{dead[0]}#evidence")
    nadia.reads("Download the evidence", "Proof")
    assert "✗" not in nadia.main.partition("Proof")[2].partition("Content")[0]
    replayed = stage.audited("message.replayed")
    assert {e["subject"] for e in replayed} == set(dead)
    assert len(replayed) == len(dead)
    assert len(stage.audited("endpoint.paused")) == len(stage.audited("endpoint.resumed")) == 1
    assert missing(1, nadia.words) == {}


def test_our_certificate_nears_its_end(chromium: Browser) -> None:
    """docs/incidents.md, 2a: told at 60, 30, 7 and 1 days; a new one is made, given to France, and the
    alert ends."""
    with theatre() as stage:
        uk, fr = stage.world.uk, stage.world.fr
        certify(uk, [SIGN], now=stage.clock.now(), days=70)
        known_to(fr / "trust" / "uk", uk)
        stage.start_gateway()
        title = "Certificate as4-sign"
        for days, number in ((10.5, 1), (30, 2), (23, 3), (6, 4)):
            stage.forward(days=days)
            stage.until_mails(number, title)
        told = [s.removeprefix("[Passerelle] ") for s in stage.mailed(title)]
        assert told == [
            "Opened, minor: Certificate as4-sign: 59 days left",
            "Worse, minor: Certificate as4-sign: 29 days left",
            "Worse, major: Certificate as4-sign: 6 days left",
            "Worse, critical: Certificate as4-sign: less than 1 day left",
        ]
        with operator(chromium, stage, "operator") as nadia:
            text = open_alert(nadia, title)
            assert "Side at fault\nUnited Kingdom" in text
            nadia.goes("/console/partners")
            nadia.reads("Certificates", "ending soon", "signs messages and receipts")
            stage.command("keys", "rotate", "as4-sign")
            known_to(fr / "trust" / "uk", uk)  # the ministry has compared the fingerprint by telephone
            stage.start_ministry()
            stage.restart_gateway()
            stage.until_mailed("Cleared", title)
            nadia.until("/console", CALM, without="open alert")
            sent = stage.send(stage.dated(readmission_request(number=20)))[0]
            stage.until_status(sent, "acknowledged")
            assert stage.received_once(sent)
            assert missing(2, nadia.words) == {}


def test_the_french_certificate_has_expired(chromium: Browser) -> None:
    """docs/incidents.md, 2b: nothing leaves either side; the new one is installed after the telephone
    call, the dead letter is sent again, France's decision arrives, each message once."""
    with theatre(script=LATE) as stage:
        fr, uk = stage.world.fr, stage.world.uk
        certify(fr, [SIGN, ENCRYPT], now=stage.clock.now(), days=3)
        known_to(uk / "trust" / "fr", fr)
        stage.start_ministry()
        stage.start_gateway()
        asked, reference = stage.send(readmission_request("DGEF-TARD", number=21))
        stage.until_status(asked, "acknowledged")
        title = f"Certificate {FRANCE} signature"
        assert "major" in stage.until_mailed("Opened", title)
        stage.forward(days=3.5)
        assert "critical" in stage.until_mailed("Worse", title)
        with operator(chromium, stage, "operator") as nadia:
            nadia.until("/console", title, "expired")
            stuck = stage.send(readmission_request(number=22))[0]
            stage.until_status(stuck, "failed")
            text = nadia.goes(f"/console/messages/{stuck}")
            nadia.reads("The French certificate has expired.")
            assert "Whose part it is\nFrance" in text
            assert "Can it be sent again safely?\nyes" in text
            assert stage.message(stuck)["code"] == "as4.policy_noncompliance"
            assert "Side at fault\nFrance" in open_alert(nadia, title)
            nadia.goes("/console/partners")
            nadia.reads("expired", "Fingerprint and file")
            assert "no valid certificate to encrypt to" in stage.command("check", status=1)
            # France's decision fell due meanwhile: it cannot sign either
            assert stage.waits_at_ministry(reference) == ["ReadmissionDecision"]
            # France makes new ones; its operators read the fingerprints on the telephone
            stage.stop_ministry()
            certify(fr, [SIGN, ENCRYPT], now=stage.clock.now(), days=365)
            new = [fr / "keys" / f"{name}.crt.pem" for name, _ in (SIGN, ENCRYPT)]
            stage.command(*_installed(*new))
            assert "no valid certificate" not in stage.command("check")
            stage.restart_gateway()
            stage.start_ministry()
            for use in ("signature", "encryption"):
                stage.until_mailed("Cleared", f"Certificate {FRANCE} {use}")
            nadia.goes(f"/console/messages/{stuck}")
            nadia.link("Send again: preview")
            nadia.decides("Send this message again", "partner_corrected", "New certificate, ticket 4712")
            nadia.reads("The message is in the queue again.")
            stage.until_status(stuck, "acknowledged")
            nadia.until(f"/console/cases/{reference}", f"{reference} accepted")
            assert stage.received_once(asked, stuck)
            assert stage.waits_at_ministry(reference) == []
            nadia.until("/console", CALM)
            told_once(stage, "could not be delivered")
            assert [e["subject"] for e in stage.audited("message.replayed")] == [stuck]
            assert missing(2, nadia.words) == {}


def _installed(sign: Path, encrypt: Path) -> list[str]:
    prints = [fingerprint(x509.load_pem_x509_certificate(path.read_bytes())) for path in (sign, encrypt)]
    words = ["partner", "add", "fr", "--certificate", str(sign), "--encryption-certificate", str(encrypt)]
    return [*words, "--fingerprint", prints[0], "--fingerprint", prints[1], "--replace", "--yes"]


REPAIR = dt.timedelta(minutes=10)
"""How long France needs; less than the console lets somebody sit idle."""


def _hostile(stage: Theatre, service: str, *kinds: str) -> None:
    """From now on France sends these wrong messages first, and the right one when ``_repaired``: by the
    clock of the play, since operators on a busy machine may look at what is wrong for long."""
    scenario = {"hostile": kinds, "late_s": REPAIR.total_seconds()}
    stage.world.control(script={"scenarios": {"wrong": scenario}, "services": {service: "wrong"}})


def _repaired(stage: Theatre) -> None:
    stage.forward(seconds=REPAIR.total_seconds() + 1)


def test_invalid_xml_after_a_french_upgrade(stage: Theatre, nadia: Operator) -> None:
    """docs/incidents.md, 3: France's new version breaks its own schema; France is answered with EBMS:0004,
    we are told once, and after the repair the decision arrives once."""
    _hostile(stage, "DGEF-ERREUR", "garbage", "garbage")
    reference = stage.send(readmission_request("DGEF-ERREUR", number=31))[1]
    title = "Messages from France refused with"
    assert "major" in stage.until_mailed("Opened", title, "as4.payload_refused")
    text = open_alert(nadia, title)
    assert "Side at fault\nFrance" in text
    assert "EBMS:0004" in text
    nadia.link("The list behind this alert")
    nadia.reads("Audit log")
    assert f"Access point {FRANCE}" in nadia.main
    # France knows the same ids: that is what to tell them
    wrong = stage.until_refused_here(reference, 2, "EBMS:0004")
    refused = [e for e in stage.audited("message.refused") if e["data"]["ebms"] == "EBMS:0004"]
    assert [e["data"]["type"] for e in refused] == ["ReadmissionDecision"] * 2
    assert {e["data"]["codes"] for e in refused} == {"xml.malformed"}
    assert set(wrong) == {e["subject"].partition("@")[0] for e in refused}
    assert f"{reference} acknowledged" in nadia.goes(f"/console/cases/{reference}")
    stage.until_metric('passerelle_alerts_open{kind="refused_here",severity="major"}', 1)
    # after the repair: the decision, once; then the alert is done with
    _repaired(stage)
    nadia.until(f"/console/cases/{reference}", f"{reference} accepted")
    assert nadia.main.count("Readmission decision\tFR → UK") == 1
    open_alert(nadia, title)
    nadia.decides("Acknowledge", "settled", "Repaired by the ministry, ticket 4713")
    nadia.reads("The alert is acknowledged.", "cleared")
    told_once(stage, title)
    nadia.until("/console", CALM, without="open alert")
    assert len(stage.audited("alert.acknowledged")) >= 1
    assert missing(3, nadia.words) == {}


def test_a_privacy_breach(stage: Theatre, nadia: Operator) -> None:
    """docs/incidents.md, 4: a name and a number come from France (Art 16); critical, told once, nothing of
    them anywhere; acknowledged when both officers know; the proper decision arrives."""
    _hostile(stage, "DGEF-RGPD", "personal_data", "agdref")
    body = readmission_request("DGEF-RGPD", number=41)
    name = body["persons"][0]["name"]["family_name"]
    reference = stage.send(body)[1]
    title = "Personal data came from"
    assert "critical" in stage.until_mailed("Opened", title)
    seen = open_alert(nadia, title)
    assert "Side at fault\nFrance" in seen
    nadia.link("The list behind this alert")
    nadia.reads("Audit log")
    entries = stage.audited("privacy.incident")
    assert {e["data"]["ebms"] for e in entries} == {"EBMS:0004"}
    assert {e["data"]["code"] for e in entries} == {"privacy.personal_data"}
    for text in (seen, nadia.main, str(entries), "".join(m.content.as_string() for m in stage.mails.got)):
        assert name.casefold() not in text.casefold()
        assert "7501234567" not in text
    stage.until_metric('passerelle_alerts_open{kind="privacy_breach",severity="critical"}', 1)
    open_alert(nadia, title)
    nadia.decides("Acknowledge", "told_other_side", "Both data protection officers told, ticket 4714")
    nadia.reads("The alert is acknowledged.", "cleared")
    told_once(stage, title)
    _repaired(stage)
    nadia.until(f"/console/cases/{reference}", f"{reference} accepted")
    nadia.until("/console", CALM, without="open alert")
    assert missing(4, nadia.words) == {}


def test_a_quota_is_reached(stage: Theatre, nadia: Operator) -> None:
    """docs/incidents.md, 5: requests wait in their order and nobody is at fault; the quota is raised by one
    and one leaves, then the next; each once."""
    (row,) = [q for q in stage.command("quotas", "list", "--json") if q["kind"] == "readmission"]
    limit = row["used"] + 1
    words = ("--reason", "winter timetable", "--as", "operator")
    stage.command("quotas", "set", "readmissions", str(limit), *words)
    first, *waiting = (stage.send(readmission_request(number=n))[0] for n in (51, 52, 53))
    stage.until_status(first, "acknowledged")
    nadia.goes("/console")
    nadia.reads("Waiting for the quota")
    nadia.goes("/console/held")
    nadia.reads("Waiting for the quota of readmissions", "Nothing waits for a decision.")
    assert nadia.main.count("quota.readmissions") == 2
    text = nadia.goes(f"/console/messages/{waiting[0]}")
    assert "Who holds it now: the gateway" in text
    nadia.reads("It goes by itself when there is room; a supervisor may raise the quota.")
    nadia.goes("/console/balance")
    nadia.reads("used up", "Waiting for room")
    for number, one in enumerate(waiting, start=1):
        nadia.goes("/console/balance")
        nadia.link("History and change")
        nadia.page.fill("#persons", str(limit + number))
        nadia.button("See what it would do")
        nadia.reads("Nothing is changed yet. This is what would happen.")
        nadia.decides("Change the quota", "agreed", "Agreed with the ministry by telephone, ticket 4715")
        nadia.reads("The quota is changed. What has room now leaves by itself.")
        stage.until_status(one, "acknowledged")
        assert [stage.message(later)["status"] for later in waiting[number:]] == ["held"] * (2 - number)
    assert stage.received_once(first, *waiting)
    assert "Nobody waits for this quota." in nadia.goes("/console/held")
    changes = stage.audited("quota.changed")
    assert [e["actor"] for e in changes[-2:]] == ["operator:operator"] * 2
    nadia.until("/console", CALM, without="open alert")
    assert missing(5, nadia.words) == {}
