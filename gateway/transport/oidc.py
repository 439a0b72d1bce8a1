"""HTTP towards the OIDC provider: few calls, bounded in time and size, no redirects, no cookies."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from gateway.core.errors import ConnectionFailed, PeerTimedOut, PeerUnavailable
from gateway.core.oidc import OidcRefused

_LARGEST: Final = 512 * 1024


@dataclass(frozen=True, kw_only=True)
class OidcHttp:
    """Implements ``gateway.flows.oidc.ProviderCalls``."""

    tls: ssl.SSLContext = field(repr=False)
    timeout_s: float

    async def get(self, url: str) -> bytes:
        """Raises ConnectionFailed, PeerTimedOut, PeerUnavailable, OidcRefused."""
        return await self._call("GET", url, None, {"Accept": "application/json"})

    async def post_form(self, url: str, body: str, *, authorization: str | None) -> bytes:
        """As ``get``."""
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        if authorization is not None:
            headers["Authorization"] = authorization
        return await self._call("POST", url, body.encode(), headers)

    async def _call(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        try:
            async with (
                aiohttp.ClientSession(
                    timeout=aiohttp.ClientTimeout(total=self.timeout_s),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    trust_env=False,
                    headers={"User-Agent": "Passerelle"},
                ) as session,
                session.request(
                    method, url, data=body, headers=headers, ssl=self.tls, allow_redirects=False
                ) as answer,
            ):
                content = await answer.content.read(_LARGEST + 1)
                while len(content) <= _LARGEST and not answer.content.at_eof():
                    content += await answer.content.read(_LARGEST + 1 - len(content))
                return _judged(answer.status, content)
        except TimeoutError as exc:
            raise PeerTimedOut("the sign-in provider did not answer in time") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise ConnectionFailed("no connection to the sign-in provider") from exc


def _judged(status: int, content: bytes) -> bytes:
    if len(content) > _LARGEST:
        raise PeerUnavailable("the sign-in provider's answer is larger than allowed")
    if status >= 500:
        raise PeerUnavailable("the sign-in provider has a fault")
    if status != 200:
        raise OidcRefused("the sign-in provider refused the request")
    return content
