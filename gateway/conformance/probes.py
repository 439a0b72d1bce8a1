"""What the connection itself shows: reachable, trusted, TLS versions, address families (as4.md 34)."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import warnings
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

from gateway.conformance.model import Outcome, Reason, Target, Verdict, reason

Probe = Callable[[Target], Awaitable[Outcome]]
_TLS_PORT: Final = 443
_HTTP_PORT: Final = 80
_FAMILIES: Final = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}
_OURS: Final = frozenset({"NO_PROTOCOLS_AVAILABLE", "NO_CIPHERS_AVAILABLE", "INTERNAL_ERROR"})
"""OpenSSL reasons that mean: this machine itself cannot offer what the probe needs."""


def address(target: Target) -> tuple[str, int]:
    """Host and port of the endpoint."""
    parts = urlsplit(target.url)
    return parts.hostname or "", parts.port or (_TLS_PORT if target.uses_tls else _HTTP_PORT)


async def connect(target: Target, context: ssl.SSLContext | None, *, host: str | None = None) -> str | None:
    """Opens and closes one connection; returns the TLS version, None without TLS. Raises OSError."""
    name, port = address(target)
    async with asyncio.timeout(target.timeout_s):
        _, writer = await asyncio.open_connection(
            host or name, port, ssl=context, server_hostname=name if context is not None else None
        )
    try:
        found = writer.get_extra_info("ssl_object")
        return None if found is None else str(found.version())
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(2):
                await writer.wait_closed()


def cause_of(error: OSError) -> tuple[Reason, Reason]:
    """Cause and cure of a connection that did not come about."""
    if isinstance(error, ssl.SSLCertVerificationError):
        text = error.verify_message.lower()
        if "expired" in text:
            return reason("tls-expired"), reason("cure-tls-expired")
        if "hostname" in text or "ip address" in text:
            return reason("tls-name"), reason("cure-tls-name")
        return reason("tls-untrusted"), reason("cure-tls-untrusted")
    if isinstance(error, ssl.SSLError):
        return reason("tls-failed"), reason("cure-tls-failed")
    if isinstance(error, TimeoutError):
        return reason("connect-timeout"), reason("cure-firewall")
    if isinstance(error, socket.gaierror):
        return reason("no-such-host"), reason("cure-name")
    if isinstance(error, ConnectionRefusedError):
        return reason("connection-refused"), reason("cure-refused")
    return reason("connection-failed"), reason("cure-firewall")


async def reach(target: Target) -> Outcome:
    """Reachable, and its TLS certificate is trusted for its name."""
    try:
        version = await connect(target, target.make_tls() if target.uses_tls else None)
    except OSError as exc:
        cause, cure = cause_of(exc)
        return Outcome(verdict=Verdict.FAIL, reasons=(cause,), cure=cure)
    key = "reached-plain" if version is None else "reached"
    return Outcome(verdict=Verdict.PASS, reasons=(reason(key, version=version),))


async def _version(target: Target, version: ssl.TLSVersion) -> str | None:
    context = target.make_tls()
    context.minimum_version = context.maximum_version = version
    return await connect(target, context)


async def tls12(target: Target) -> Outcome:
    """TLS 1.2 is offered, as the profile requires."""
    try:
        await _version(target, ssl.TLSVersion.TLSv1_2)
    except OSError:
        return Outcome(
            verdict=Verdict.FAIL,
            reasons=(reason("tls-not-offered", version="1.2"),),
            cure=reason("cure-tls12"),
        )
    return Outcome(verdict=Verdict.PASS, reasons=(reason("tls-offered", version="1.2"),))


async def tls13(target: Target) -> Outcome:
    """TLS 1.3 is offered, as recommended."""
    try:
        await _version(target, ssl.TLSVersion.TLSv1_3)
    except OSError:
        return Outcome(verdict=Verdict.NOTE, reasons=(reason("tls-not-offered", version="1.3"),))
    return Outcome(verdict=Verdict.PASS, reasons=(reason("tls-offered", version="1.3"),))


def _unsafe_old_tls() -> ssl.SSLContext:
    """TLS 1.0 and 1.1 only, to see them refused. No message ever goes over such a connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that they are obsolete is the point
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


async def old_tls(target: Target) -> Outcome:
    """TLS 1.1 and older are refused."""
    if not ssl.HAS_TLSv1_1:
        return Outcome(verdict=Verdict.NOT_RUN, reasons=(reason("no-old-tls-here"),))
    try:
        version = await connect(target, _unsafe_old_tls())
    except ssl.SSLError as exc:
        if exc.reason in _OURS:
            return Outcome(verdict=Verdict.NOT_RUN, reasons=(reason("no-old-tls-here"),))
    except OSError:
        pass  # closed without an alert: refused all the same
    else:
        why = (reason("old-tls-accepted", version=version),)
        return Outcome(verdict=Verdict.FAIL, reasons=why, cure=reason("cure-old-tls"), serious=True)
    return Outcome(verdict=Verdict.PASS, reasons=(reason("old-tls-refused"),))


async def families(target: Target) -> Outcome:
    """Every published address answers, over IPv4 and IPv6."""
    host, port = address(target)
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return Outcome(verdict=Verdict.NOT_RUN, reasons=(reason("address-literal"),))
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        cause, cure = cause_of(exc)
        return Outcome(verdict=Verdict.FAIL, reasons=(cause,), cure=cure)
    addresses = {(family, str(place[0])) for family, _, _, _, place in found if family in _FAMILIES}
    silent: set[str] = set()
    for family, ip in sorted(addresses):
        try:
            await connect(target, target.make_tls() if target.uses_tls else None, host=ip)
        except OSError:
            silent.add(_FAMILIES[family])
    named = {_FAMILIES[family] for family, _ in addresses}
    if silent:
        why = (reason("address-silent", which=", ".join(sorted(silent))),)
        return Outcome(verdict=Verdict.FAIL, reasons=why, cure=reason("cure-address"))
    if len(named) < len(_FAMILIES):
        return Outcome(verdict=Verdict.NOTE, reasons=(reason("one-family", which=", ".join(named)),))
    return Outcome(verdict=Verdict.PASS, reasons=(reason("both-families"),))


PROBES: Final[dict[str, Probe]] = {
    "reach": reach,
    "tls12": tls12,
    "tls13": tls13,
    "old-tls": old_tls,
    "address-families": families,
}
