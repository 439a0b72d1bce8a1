"""The HTTP client: one POST, bounded in time and size, errors translated once (style.md 8)."""

from __future__ import annotations

import asyncio
import datetime as dt
import email.utils
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import aiohttp

from gateway.core.errors import ConnectionFailed, PeerTimedOut, PeerUnavailable
from gateway.flows.ports import Clock, HttpAnswer

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
        max_answer_bytes: int = 1_000_000,
        connections: int = 8,
    ) -> None:
        self._clock = clock
        self._tls = tls
        self._timeout = aiohttp.ClientTimeout(total=total_timeout_s, sock_connect=connect_timeout_s)
        self._max_answer_bytes = max_answer_bytes
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            connector = aiohttp.TCPConnector(ssl=self._tls, limit=self._connections, keepalive_timeout=30)
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

    async def post(
        self, url: str, *, content_type: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        """One POST. Raises ConnectionFailed, PeerTimedOut, or PeerUnavailable for an answer that is
        larger than allowed."""
        try:
            async with self._open().post(
                url,
                data=body,
                headers={"Content-Type": content_type, **(headers or {})},
                allow_redirects=False,
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
