"""A small client for the UK side: token, sign, post, poll, verify. Demo and tests drive the gateway with it.

It verifies what it gets: answers against the gateway's published keys, receipts against what was sent.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

import aiohttp

from gateway.core.errors import ConnectionFailed, SignatureInvalid
from gateway.core.errors import Refused as Refused
from gateway.core.jws import (
    Alg,
    JwsSigner,
    VerificationKey,
    load_public_jwk,
    sign_compact,
    sign_detached,
    verify_compact,
    verify_detached,
)
from gateway.core.records import StoredAttachment
from gateway.core.tokens import ASSERTION_TYPE
from gateway.flows.ports import Clock
from gateway.flows.uk_receipts import RECEIPT_TYPE

_EARLY_S = 30
_TIMEOUT_S = 120.0
_LEAST_RATE = 100_000
"""Bytes per second: a large request may take that much longer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One HTTP answer, unjudged."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True, slots=True)
class FilePart:
    """An attachment that is read from its file while it is sent."""

    content_id: str
    media_type: str
    path: Path

    @property
    def size(self) -> int:
        """In octets."""
        return self.path.stat().st_size

    @property
    def sha256(self) -> str:
        """Lower-case hex; reads the whole file."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


Part = StoredAttachment | FilePart


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """A verified receipt."""

    message_id: str
    reference: str
    """Empty for the acknowledgement of an event that is about no single case."""
    status: str
    claims: Mapping[str, object] = field(repr=False)


class UkClient:
    """Use as an async context manager. ``base`` is the address without a trailing slash.

    ``audience`` is the gateway's issuer where it differs from ``base`` (behind a proxy, in tests).
    """

    def __init__(
        self,
        base: str,
        *,
        client_id: str,
        signer: JwsSigner,
        clock: Clock,
        audience: str | None = None,
        connector: aiohttp.BaseConnector | None = None,
        scope: str | None = None,
    ) -> None:
        self.base, self.client_id, self.signer, self.clock = base.rstrip("/"), client_id, signer, clock
        self.audience = audience or self.base
        self._scope = scope
        self._connector = connector
        self._session: aiohttp.ClientSession | None = None
        self._token: tuple[str, float] | None = None
        self._keys: dict[str, VerificationKey] = {}

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(connector=self._connector)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    # ---- plain requests

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: Any = None,
        size: int = 0,
    ) -> Answer:
        """One request as it is, without token or signature; ``size``: octets of ``data``, for the time that
        it may take. Raises ConnectionFailed."""
        if self._session is None:
            raise RuntimeError("use the client as an async context manager")
        try:
            async with self._session.request(
                method,
                self.base + path,
                headers=dict(headers or {}),
                data=data,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S + size / _LEAST_RATE),
            ) as response:
                body = await response.read()
                found = {name.lower(): value for name, value in response.headers.items()}
                return Answer(status=response.status, headers=found, body=body)
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise ConnectionFailed("the gateway does not answer") from exc

    def assertion(self, **changes: object) -> str:
        """A client assertion (RFC 7523), valid for two minutes; ``changes`` replace claims."""
        now = int(self.clock.now().timestamp())
        claims: dict[str, object] = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": f"{self.audience}/oauth/token",
            "iat": now,
            "exp": now + 120,
            "jti": self.clock.new_id(),
        }
        return sign_compact({**claims, **changes}, self.signer)

    async def token(self) -> str:
        """A valid access token, fetched when needed. Raises Refused."""
        now = self.clock.now().timestamp()
        if self._token is not None and self._token[1] > now:
            return self._token[0]
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion(),
        }
        if self._scope is not None:
            form["scope"] = self._scope
        answer = await self.request("POST", "/oauth/token", data=form)
        if answer.status != 200:
            raise Refused(answer.status, answer.json())
        document = answer.json()
        self._token = (document["access_token"], now + document["expires_in"] - _EARLY_S)
        return self._token[0]

    async def keys(self) -> Mapping[str, VerificationKey]:
        """The gateway's published keys by kid."""
        if not self._keys:
            document = (await self.request("GET", "/.well-known/jwks.json")).json()
            self._keys = {jwk["kid"]: load_public_jwk(jwk, Alg(jwk["alg"])) for jwk in document["keys"]}
        return self._keys

    async def get(self, path: str, *, accept: str = "application/json") -> Answer:
        """A GET with token; the answer's signature is verified. Raises SignatureInvalid."""
        headers = {"Authorization": f"Bearer {await self.token()}", "Accept": accept}
        answer = await self.request("GET", path, headers=headers)
        await self._verify(answer)
        return answer

    async def _verify(self, answer: Answer) -> None:
        verify_detached(answer.body, answer.headers.get("x-jws-signature"), keys=await self.keys())

    # ---- messages

    async def post_raw(
        self,
        path: str,
        body: bytes,
        *,
        key: str | None = None,
        attachments: Sequence[Part] = (),
        signature: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A signed POST; the answer's signature is verified, the answer itself is not judged."""
        sent = {
            "Authorization": f"Bearer {await self.token()}",
            "Idempotency-Key": f'"{key or self.clock.new_id()}"',
            "x-jws-signature": signature if signature is not None else sign_detached(body, self.signer),
            **(headers or {}),
        }
        if not attachments:
            sent.setdefault("Content-Type", "application/json")
            answer = await self.request("POST", path, headers=sent, data=body)
        else:
            with contextlib.ExitStack() as files:
                form = _multipart(body, attachments, files)
                size = sum(part.size for part in attachments)
                answer = await self.request("POST", path, headers=sent, data=form, size=size)
        await self._verify(answer)
        return answer

    async def send(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        key: str | None = None,
        attachments: Sequence[Part] = (),
    ) -> Receipt:
        """Post one message body and verify the receipt over it. Raises Refused, SignatureInvalid."""
        content = json.dumps(body, ensure_ascii=False).encode()
        answer = await self.post_raw(path, content, key=key, attachments=attachments)
        if answer.status != 202:
            raise Refused(answer.status, answer.json())
        document = answer.json()
        claims = verify_compact(document["receipt"], keys=await self.keys(), typ=RECEIPT_TYPE)
        if claims["body_sha256"] != hashlib.sha256(content).hexdigest():
            raise SignatureInvalid("the receipt is not for the body that was sent")
        if claims["message_id"] != document["message_id"]:
            raise SignatureInvalid("the receipt is for another message")
        return Receipt(
            message_id=document["message_id"],
            reference=document["reference"] or "",
            status=document["status"],
            claims=claims,
        )

    async def message(self, message_id: str) -> Any:
        """The message page as JSON. Raises Refused."""
        return await self._json(f"/v1/messages/{message_id}")

    async def inbox(self, *, wait: int = 0, cursor: str | None = None) -> Any:
        """``{"items": [messages], "events": […], "next_cursor": …, "deadlines": […]}``. Raises Refused."""
        after = f"&cursor={cursor}" if cursor else ""
        return await self._json(f"/v1/inbox?wait={wait}{after}")

    async def acknowledge(
        self, message_id: str, *, status: str = "taken_into_account", code: str | None = None
    ) -> Receipt:
        """Acknowledge a message or an event of the inbox, by its id. Raises Refused."""
        return await self.send(f"/v1/inbox/{message_id}/acknowledgements", {"status": status, "code": code})

    async def _json(self, path: str) -> Any:
        answer = await self.get(path)
        if answer.status != 200:
            raise Refused(answer.status, answer.json())
        return answer.json()


def _multipart(body: bytes, attachments: Sequence[Part], files: contextlib.ExitStack) -> aiohttp.FormData:
    """aiohttp reads open files piece by piece; ``files`` closes them. Raises OSError."""
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("message", body, content_type="application/json", filename="message.json")
    for part in attachments:
        form.add_field(
            part.content_id,
            _opened(part, files),
            content_type=part.media_type,
            filename=part.content_id,
        )
    return form


def _opened(part: Part, files: contextlib.ExitStack) -> IO[bytes]:
    if isinstance(part, FilePart):
        return files.enter_context(part.path.open("rb"))
    if not isinstance(part.content, bytes):
        raise TypeError("a client sends bytes and files, not blobs of a store")
    return io.BytesIO(part.content)  # aiohttp warns about plain bytes of more than 1 MB
