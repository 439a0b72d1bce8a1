"""The HTTP client: one POST, bounded in time and size, errors translated once (style.md 8)."""

from __future__ import annotations

import asyncio
import datetime as dt
import email.utils
import io
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from gateway.core.as4.content import IN_MEMORY
from gateway.core.errors import ConnectionFailed, PeerTimedOut, PeerUnavailable
from gateway.flows.ports import Clock, HttpAnswer, StreamedBody

_CHUNK = 65_536


def parse_retry_after(value: str | None, now: dt.datetime) -> float | None:
    """Seconds to wait (never negative) from a Retry-After header: seconds or an HTTP date (RFC 9110
    10.2.3). None when missing or not understood."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value) if len(value) < 10 else None
    try:
        when = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=dt.UTC)
    return max(0.0, (when - now).total_seconds())


def _data(body: bytes | StreamedBody) -> bytes | io.BytesIO | AsyncIterator[bytes]:
    """What aiohttp writes in pieces when it is not small, so that others get their turn between them."""
    if isinstance(body, StreamedBody):
        return body.open()
    return body if len(body) <= IN_MEMORY else io.BytesIO(body)


class GuardedResolver(AbstractResolver):
    """Resolves names, and leaves out every address that is not allowed (rebinding to private networks)."""

    def __init__(self, allowed: Callable[[str], bool]) -> None:
        self._allowed = allowed
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises OSError when no address is left."""
        found = [r for r in await self._inner.resolve(host, port, family) if self._allowed(r["host"])]
        if not found:
            raise OSError("the name has no address that may be called")
        return found

    async def close(self) -> None:
        await self._inner.close()


class HttpTransport:
    """Implements ``gateway.flows.ports.Transport``; connections are kept and used again.

    Redirects are not followed: an access point's address is configuration, not an answer's choice.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        tls: ssl.SSLContext,
        connect_timeout_s: float = 10,
        total_timeout_s: float = 60,
        least_rate: float = 100_000,
        max_answer_bytes: int = 1_000_000,
        connections: int = 8,
        allowed_address: Callable[[str], bool] | None = None,
    ) -> None:
        """``least_rate``: bytes per second that a streamed body may take on top of ``total_timeout_s``.
        ``allowed_address`` judges every address a name resolves to (webhooks: public ones only)."""
        self._clock = clock
        self._tls = tls
        self._timeout = aiohttp.ClientTimeout(total=total_timeout_s, sock_connect=connect_timeout_s)
        self._least_rate = least_rate
        self._max_answer_bytes = max_answer_bytes
        self._connections = connections
        self._allowed_address = allowed_address
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            resolver = GuardedResolver(self._allowed_address) if self._allowed_address else None
            connector = aiohttp.TCPConnector(
                ssl=self._tls, limit=self._connections, keepalive_timeout=30, resolver=resolver
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                max_line_size=16_384,
                max_field_size=16_384,
                headers={"User-Agent": "Passerelle"},
            )
        return self._session

    def _timeout_for(self, body: bytes | StreamedBody) -> aiohttp.ClientTimeout:
        if isinstance(body, bytes) or self._timeout.total is None:
            return self._timeout
        longest = self._timeout.total + body.size / self._least_rate
        return aiohttp.ClientTimeout(total=longest, sock_connect=self._timeout.sock_connect)

    async def post(
        self,
        url: str,
        *,
        content_type: str,
        body: bytes | StreamedBody,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """One POST; a streamed body goes with its Content-Length, never chunked.

        Raises ConnectionFailed (also when the body could not be read to its end), PeerTimedOut, or
        PeerUnavailable for an answer that is larger than allowed.
        """
        sent = {"Content-Type": content_type, **(headers or {})}
        if isinstance(body, StreamedBody):
            sent["Content-Length"] = str(body.size)
        try:
            async with self._open().post(
                url,
                data=_data(body),
                headers=sent,
                allow_redirects=False,
                timeout=self._timeout_for(body),
            ) as answer:
                content = await self._read(answer)
                return HttpAnswer(
                    status=answer.status,
                    content_type=answer.headers.get("Content-Type", ""),
                    body=content,
                    retry_after=parse_retry_after(answer.headers.get("Retry-After"), self._clock.now()),
                )
        except TimeoutError as exc:  # aiohttp's timeouts are TimeoutErrors too
            raise PeerTimedOut("the partner did not answer in time") from exc
        except ssl.SSLCertVerificationError as exc:
            raise ConnectionFailed("the partner's TLS certificate is not trusted") from exc
        except aiohttp.ClientConnectorCertificateError as exc:
            raise ConnectionFailed("the partner's TLS certificate is not trusted") from exc
        except (aiohttp.ClientSSLError, ssl.SSLError) as exc:
            raise ConnectionFailed("no TLS connection to the partner") from exc
        except (aiohttp.ClientConnectorError, ConnectionRefusedError) as exc:
            raise ConnectionFailed("no connection to the partner") from exc
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as exc:
            raise ConnectionFailed("the connection to the partner broke") from exc

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        content = bytearray()
        async for chunk in answer.content.iter_chunked(_CHUNK):
            content += chunk
            if len(content) > self._max_answer_bytes:
                answer.close()
                raise PeerUnavailable("the partner's answer is larger than allowed")
        return bytes(content)

    async def close(self) -> None:
        """Closes every kept connection."""
        if self._session is not None:
            await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
