"""HTTP towards the OIDC provider: few calls, bounded in time and size, no redirects, no cookies."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from gateway.core.oidc_causes import Cause, OidcAway, OidcRefused

_LARGEST: Final = 512 * 1024
_ERRORS: Final[Mapping[object, Cause]] = {
    "invalid_client": Cause.CLIENT,
    "unauthorized_client": Cause.CLIENT,
    "invalid_grant": Cause.CODE,
    "invalid_scope": Cause.SCOPES,
}
"""RFC 6749 5.2."""
_NAME, _ADDRESS, _NOT_YET, _EXPIRED = 62, 64, 9, 10  # X509_V_ERR_… of OpenSSL
_CERTIFICATE: Final = {
    _NAME: Cause.CERTIFICATE_NAME,
    _ADDRESS: Cause.CERTIFICATE_NAME,
    _NOT_YET: Cause.CERTIFICATE_DATE,
    _EXPIRED: Cause.CERTIFICATE_DATE,
}


@dataclass(frozen=True, kw_only=True)
class OidcHttp:
    """Implements ``gateway.flows.oidc.ProviderCalls``."""

    tls: ssl.SSLContext = field(repr=False)
    timeout_s: float

    async def get(self, url: str) -> bytes:
        """Raises OidcAway, OidcRefused."""
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
                return _judged(method, answer.status, content)
        except TimeoutError as exc:
            raise OidcAway(Cause.TIMED_OUT) from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise OidcAway(_cause_of(exc)) from exc


def _cause_of(exc: Exception) -> Cause:
    if isinstance(exc, aiohttp.ClientConnectorCertificateError):
        code = getattr(exc.certificate_error, "verify_code", 0)
        return _CERTIFICATE.get(code, Cause.CERTIFICATE_CA)
    if isinstance(exc, aiohttp.ClientSSLError):
        return Cause.TLS
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return Cause.NO_ADDRESS
    if isinstance(exc, aiohttp.ClientConnectorError):
        return Cause.NO_CONNECTION
    return Cause.ANSWER  # it broke off, or does not speak HTTP


def _judged(method: str, status: int, content: bytes) -> bytes:
    if len(content) > _LARGEST:
        raise OidcRefused(Cause.ANSWER)
    if status >= 500 or status == 429:
        raise OidcAway(Cause.FAULT)
    if status == 200:
        return content
    if method == "GET":
        raise OidcRefused(Cause.NO_METADATA)
    raise OidcRefused(Cause.CLIENT if status == 401 else _ERRORS.get(_error_of(content), Cause.REFUSED))


def _error_of(content: bytes) -> object:
    try:
        values = json.loads(content)
    except ValueError:
        return None
    error = values.get("error") if isinstance(values, dict) else None
    return error if isinstance(error, str) else None
