"""``partner test``: the connection step by step, each with its result, cause and cure.

Every step uses what messages use: the same address, TLS context, keys, trust and receipt check. The steps run
in order and end at the first failure; what comes after is shown as not tried. Only ``_unsafe_look`` connects
without verification: to show which certificate is there after it was refused; nothing is sent over it.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography import x509

from gateway.core.as4.content import whole
from gateway.core.as4.keys import CERTIFICATE_ERRORS
from gateway.core.as4.namespaces import PING_ACTION, PING_SERVICE
from gateway.core.as4.verified import VerifiedError, VerifiedReceipt
from gateway.core.errors import As4Error, InvalidReceipt, PasserelleError
from gateway.flows.access_point import AccessPoint
from gateway.flows.ports import Clock, HttpAnswer, Transport
from gateway.partners import causes
from gateway.partners.causes import Trouble
from gateway.partners.certificates import facts
from gateway.partners.text import printable

TEST: Final = ("DNS", "TCP", "TLS", "ping", "receipt")
MESSAGE: Final = "message"
_SOON_DAYS: Final = 30
_SETTLE_S: Final = 0.5
_SIGNALS: Final = frozenset({"application/soap+xml", "multipart/related"})
_CLAIMED: Final = re.compile(rb"errorCode\s*=\s*[\"'](EBMS:\d{4})[\"']")


class Outcome(StrEnum):
    """How a step ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "not tried"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step. ``facts`` are for machines, ``result`` for people; a failure has cause and cure."""

    name: str
    outcome: Outcome
    result: str
    cause: str | None = None
    cure: str | None = None
    seconds: float = 0.0
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Where and how we connect; ``tls`` is None for plain http (loopback, or unsafe_plain_http)."""

    url: str
    tls: ssl.SSLContext | None
    connect_timeout_s: float

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "https" else 80)


@dataclass(kw_only=True)
class Probe:
    """One run; ``access_point`` and ``transport`` are those of the gateway."""

    target: Target
    access_point: AccessPoint
    transport: Transport
    clock: Clock
    _sent: tuple[str, bytes] = ("", b"")
    """Message id (without our domain) and envelope of the ping."""
    _opened: VerifiedReceipt | VerifiedError | As4Error | None = None
    """What the answer turned out to be, or why it was refused."""

    async def run(self, *, message: bool = False) -> AsyncIterator[Step]:
        """The steps as they end; also the ones that could not be tried any more."""
        names = [*TEST, MESSAGE] if message else [*TEST]
        steps = {
            "DNS": self._dns,
            "TCP": self._tcp,
            "TLS": self._tls,
            "ping": self._ping,
            "receipt": self._receipt,
            MESSAGE: self._message,
        }
        loop = asyncio.get_running_loop()
        stopped = False
        for name in names:
            if stopped:
                yield Step(name=name, outcome=Outcome.SKIPPED, result="an earlier step failed")
                continue
            begun = loop.time()
            try:
                result, found = await steps[name]()
                yield Step(
                    name=name,
                    outcome=Outcome.OK,
                    result=result,
                    seconds=loop.time() - begun,
                    facts=found,
                )
            except Trouble as trouble:
                stopped = True
                yield Step(
                    name=name,
                    outcome=Outcome.FAILED,
                    result=trouble.result,
                    cause=trouble.cause,
                    cure=trouble.cure,
                    seconds=loop.time() - begun,
                    facts=trouble.facts,
                )

    # ---- the way there ------------------------------------------------------------------------

    async def _dns(self) -> tuple[str, Mapping[str, Any]]:
        host, port = self.target.host, self.target.port
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.target.connect_timeout_s):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except TimeoutError as exc:
            raise causes.dns_silent(host) from exc
        except (OSError, UnicodeError) as exc:
            raise causes.dns_unknown(host) from exc
        addresses = list(dict.fromkeys(str(row[4][0]) for row in found))
        literal = addresses == [host]
        text = f"{host} is an address" if literal else f"{host} is {', '.join(addresses)}"
        return text, {"host": host, "addresses": addresses}

    async def _tcp(self) -> tuple[str, Mapping[str, Any]]:
        host, port = self.target.host, self.target.port
        try:
            async with asyncio.timeout(self.target.connect_timeout_s):
                _, writer = await asyncio.open_connection(host, port)
        except TimeoutError as exc:
            raise causes.tcp_silent(host, port, self.target.connect_timeout_s) from exc
        except ConnectionRefusedError as exc:
            raise causes.tcp_refused(host, port) from exc
        except OSError as exc:
            raise causes.tcp_unreachable(host, port) from exc
        peer = writer.get_extra_info("peername")[0]
        await _close(writer)
        return f"connected to {peer} port {port}", {"address": peer, "port": port}

    async def _tls(self) -> tuple[str, Mapping[str, Any]]:
        context = self.target.tls
        if context is None:
            return "none: the address is plain http (loopback or unsafe_plain_http)", {"tls": False}
        try:
            async with asyncio.timeout(self.target.connect_timeout_s):
                reader, writer = await asyncio.open_connection(
                    self.target.host, self.target.port, ssl=context, server_hostname=self.target.host
                )
        except ssl.SSLCertVerificationError as exc:
            raise causes.tls_untrusted(exc, self.target.host, await self._unsafe_look()) from exc
        except ssl.SSLError as exc:
            raise causes.tls_failed(exc, context.minimum_version) from exc
        except TimeoutError as exc:
            raise causes.tls_silent() from exc
        except OSError as exc:
            raise causes.tls_closed() from exc
        try:
            await self._settle(reader, context)
            tls = writer.get_extra_info("ssl_object")
            version, cipher = tls.version(), tls.cipher()[0]
            found = self._shown(tls.getpeercert(binary_form=True))
        finally:
            await _close(writer)
        days = found.get("days_left", 0)
        text = f"{version}, name and CA verified, certificate valid for {days} more days"
        if days < _SOON_DAYS:
            text += ": tell the partner that it ends soon"
        return text, {"version": version, "cipher": cipher, **found}

    async def _settle(self, reader: asyncio.StreamReader, context: ssl.SSLContext) -> None:
        """TLS 1.3 servers refuse a missing client certificate after the handshake: wait for it a moment."""
        try:
            async with asyncio.timeout(_SETTLE_S):
                early = await reader.read(1)
        except TimeoutError:
            return
        except ssl.SSLError as exc:
            raise causes.tls_failed(exc, context.minimum_version) from exc
        except OSError as exc:
            raise causes.tls_ended() from exc
        if not early:
            raise causes.tls_ended()

    async def _unsafe_look(self) -> Mapping[str, Any]:
        """Which certificate a refused server shows; empty when not even that can be had."""
        unsafe = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        unsafe.check_hostname = False
        unsafe.verify_mode = ssl.CERT_NONE  # to describe what was refused; nothing is sent
        try:
            async with asyncio.timeout(self.target.connect_timeout_s):
                _, writer = await asyncio.open_connection(
                    self.target.host, self.target.port, ssl=unsafe, server_hostname=self.target.host
                )
        except OSError:  # ssl.SSLError and TimeoutError are OSErrors
            return {}
        found = self._shown(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
        await _close(writer)
        return found

    def _shown(self, der: bytes | None) -> dict[str, Any]:
        try:
            certificate = x509.load_der_x509_certificate(der or b"")
            shown = facts(certificate, self.clock.now())
        except CERTIFICATE_ERRORS:
            return {}
        return {
            "subject": shown.subject,
            "issuer": shown.issuer,
            "names": _names(certificate),
            "valid_until": shown.valid_until,
            "days_left": shown.days_left,
            "sha256": shown.sha256,
        }

    # ---- AS4 ----------------------------------------------------------------------------------

    async def _ping(self) -> tuple[str, Mapping[str, Any]]:
        """POST a signed ping; an AS4 signal comes back that is no error the partner signed."""
        now, message_id = self.clock.now(), self.clock.new_id()
        try:
            sealed = self.access_point.ping(
                message_id=message_id, conversation_id=self.clock.new_id(), now=now
            )
        except As4Error as exc:
            raise causes.not_sealed(exc) from exc
        self._sent = message_id, sealed.envelope
        try:
            answer = await self.transport.post(
                self.target.url, content_type=sealed.content_type, body=whole(sealed.body)
            )
        except PasserelleError as exc:
            raise causes.not_posted(exc) from exc
        media_type = printable(answer.content_type.partition(";")[0].strip().lower())
        if media_type not in _SIGNALS or not answer.body:
            raise causes.no_signal(answer.status, media_type, answer.body)
        self._opened = self._open(answer)
        if isinstance(self._opened, VerifiedError):
            raise causes.error_signal([printable(entry.code) for entry in self._opened.errors])
        claimed = [found.decode() for found in _CLAIMED.findall(answer.body)]
        if isinstance(self._opened, As4Error) and claimed:
            raise causes.claimed_error(claimed, self._opened)
        return f"sent, HTTP {answer.status} with an AS4 signal", {
            "message_id": self.access_point.as4_message_id(message_id),
            "http_status": answer.status,
            "service": PING_SERVICE,
            "action": PING_ACTION,
        }

    def _open(self, answer: HttpAnswer) -> VerifiedReceipt | VerifiedError | As4Error:
        try:
            return self.access_point.open_answer(answer.content_type, answer.body, now=self.clock.now())
        except As4Error as exc:
            return exc

    async def _receipt(self) -> tuple[str, Mapping[str, Any]]:
        """The answer is a receipt, signed by the partner, for exactly what was sent (as4.md 29)."""
        receipt, (message_id, envelope) = self._opened, self._sent
        if isinstance(receipt, As4Error):
            raise causes.unverified(receipt) from receipt
        if not isinstance(receipt, VerifiedReceipt):
            raise TypeError("an error signal ends at the ping")
        try:
            self.access_point.check_receipt(envelope, receipt, message_id=message_id)
        except InvalidReceipt as exc:
            raise causes.wrong_receipt(exc) from exc
        signer = facts(receipt.certificate, self.clock.now())
        return f"signed by {receipt.party_id}, and proves what was sent", {
            "party": receipt.party_id,
            "signal_id": receipt.message_id,
            "references": len(receipt.acknowledged),
            "signer_sha256": signer.sha256,
            "signer_days_left": signer.days_left,
        }

    async def _message(self) -> tuple[str, Mapping[str, Any]]:
        """A test message would start a case at the ministry: only a P-Mode made for tests may carry it."""
        raise causes.no_test_pmode()


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = [str(address) for address in found.get_values_for_type(x509.IPAddress)]
    return [*map(printable, found.get_values_for_type(x509.DNSName)), *addresses]


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:  # the other side closed harder than we did
        return
