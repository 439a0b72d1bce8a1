"""Sign-in at an OpenID Connect provider: there, back, and the account that it belongs to.

An account is found by issuer and subject alone, never by a name or an address that the provider claims.
Where roles are mapped, they follow the provider at every sign-in, and without a role nobody comes in.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import quote, urlencode

from gateway.core import oidc
from gateway.core.errors import Conflict, InvalidParameter
from gateway.core.oidc import Claimed, LoginSecret, Metadata, ProviderPlan
from gateway.core.oidc_causes import Cause, OidcFault, OidcNoAccount, OidcRefused, UnknownKey
from gateway.core.people import UserRecord, clean_display, clean_name, clean_roles
from gateway.flows.people import People, SignedIn
from gateway.flows.signin import begin_session
from gateway.flows.users import add_in, change_in

KEEP_METADATA: Final = dt.timedelta(hours=1)
BEGUN: Final = dt.timedelta(minutes=10)
"""How long somebody may take at the provider."""
CALLBACK: Final = "/console/login/provider/callback"
"""Below our public address; registered at the provider."""
ACTOR: Final = "oidc"
_USED: Final = "console-oidc"


class ProviderCalls(Protocol):
    """HTTP towards the provider, bounded in time and size; redirects are not followed."""

    async def get(self, url: str) -> bytes:
        """The body of a 200. Raises OidcAway, OidcRefused."""
        ...

    async def post_form(self, url: str, body: str, *, authorization: str | None) -> bytes:
        """The same for a form; a 4xx says by its ``error`` what is wrong (RFC 6749 5.2)."""
        ...


@dataclass
class _Known:
    metadata: Metadata | None = None
    keys: Sequence[Mapping[str, Any]] = ()
    until: dt.datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Provider:
    """Built once; knows the provider's metadata and keys for an hour."""

    plan: ProviderPlan
    calls: ProviderCalls = field(repr=False)
    _known: _Known = field(default_factory=_Known, repr=False)

    async def metadata(self, now: dt.datetime) -> Metadata:
        """Raises OidcRefused, OidcAway."""
        known = self._known
        if known.metadata is None or known.until is None or now >= known.until:
            content = await self.calls.get(oidc.discovery_url(self.plan.issuer))
            found = oidc.read_metadata(content, self.plan)
            known.keys = oidc.read_jwks(await self.calls.get(found.jwks_uri))
            known.metadata, known.until = found, now + KEEP_METADATA
        return known.metadata

    async def claims(self, token: str, access_token: str | None, nonce: str, now: dt.datetime) -> Any:
        """Verified claims; keys are fetched again when the token names one that is new."""
        metadata = await self.metadata(now)
        try:
            return self._verified(token, access_token, nonce, now)
        except UnknownKey:
            self._known.keys = oidc.read_jwks(await self.calls.get(metadata.jwks_uri))
            return self._verified(token, access_token, nonce, now)

    def _verified(self, token: str, access_token: str | None, nonce: str, now: dt.datetime) -> Any:
        return oidc.verify_id_token(
            token, self._known.keys, self.plan, nonce=nonce, access_token=access_token, now=now
        )


async def begin(
    provider: Provider, people: People, *, redirect_uri: str, language: str
) -> tuple[LoginSecret, str]:
    """(what the browser keeps in a cookie, where it goes). Raises OidcRefused, OidcAway."""
    metadata = await provider.metadata(people.clock.now())
    secret = LoginSecret.new()
    url = oidc.authorization_url(
        metadata, provider.plan, secret, redirect_uri=redirect_uri, language=language
    )
    return secret, url


async def leaving(provider: Provider, people: People) -> str | None:
    """Where the session at the provider ends too; None where it does not say, or does not answer."""
    try:
        return oidc.leaving_url(await provider.metadata(people.clock.now()), provider.plan)
    except OidcFault:
        return None


async def examine(provider: Provider, now: dt.datetime, *, redirect_uri: str) -> None:
    """Everything that can be tried without a person: the way there, issuer, keys, our id and secret.

    The token endpoint is asked for a code that nobody was given: a provider looks at the client first
    (RFC 6749 4.1.3) and then refuses the code. Raises OidcFault.
    """
    metadata = await provider.metadata(now)
    secret = LoginSecret.new()
    try:
        await _exchange(provider, metadata, secret, secret.nonce, redirect_uri)
    except OidcRefused as exc:
        if exc.cause is not Cause.CODE:
            raise


async def finish(
    provider: Provider,
    people: People,
    secret: LoginSecret,
    query: Mapping[str, Sequence[str]],
    *,
    redirect_uri: str,
    address: str,
    agent: str,
) -> SignedIn:
    """(1) the callback is of this browser and provider, (2) once, (3) the code becomes tokens, (4) the ID
    token holds, (5) the account, (6) the session. Raises OidcFault."""
    now = people.clock.now()
    metadata = await provider.metadata(now)
    code = oidc.check_callback(query, metadata, secret)  # (1)
    async with people.store.begin() as tx:  # (2)
        if not await tx.use_jti(_USED, secret.digest, now + BEGUN + BEGUN):
            raise OidcRefused(Cause.BROWSER)
    content = await _exchange(provider, metadata, secret, code, redirect_uri)  # (3)
    token, access = oidc.read_tokens(content)
    claims = await provider.claims(token, access, secret.nonce, now)  # (4)
    said = oidc.claimed(claims, provider.plan)
    user = await _account(provider.plan, people, said)  # (5)
    return await begin_session(  # (6)
        people, user, proven=said.second_factor, address=address, agent=agent, method=ACTOR
    )


async def _exchange(
    provider: Provider, metadata: Metadata, secret: LoginSecret, code: str, redirect_uri: str
) -> bytes:
    plan = provider.plan
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": secret.verifier,
    }
    authorization = None
    if plan.client_secret is None:
        form["client_id"] = plan.client_id
    elif "client_secret_basic" in metadata.token_auth_methods or not metadata.token_auth_methods:
        pair = f"{quote(plan.client_id, safe='')}:{quote(plan.client_secret, safe='')}"  # RFC 6749 2.3.1
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    else:
        form |= {"client_id": plan.client_id, "client_secret": plan.client_secret}
    return await provider.calls.post_form(
        metadata.token_endpoint, urlencode(form), authorization=authorization
    )


async def _account(plan: ProviderPlan, people: People, said: Claimed) -> UserRecord:
    if said.roles is not None and not said.roles:
        raise OidcNoAccount(Cause.NO_ROLE)
    async with people.store.begin() as tx:
        await tx.lock_users()
        user = await tx.user_of_subject(plan.issuer, said.subject)
        if user is None:
            user = _new_account(plan, people, said)
            try:
                await add_in(tx, people, user, by=ACTOR)
            except Conflict as exc:
                raise OidcNoAccount(Cause.NAME_TAKEN) from exc
            return user
        if user.disabled:
            raise OidcNoAccount(Cause.DISABLED)
        after = dataclasses.replace(
            user,
            roles=user.roles if said.roles is None else _roles(said),
            side=said.side or user.side,
            changed_at=people.clock.now(),
        )
        return await change_in(tx, people, user, after, by=ACTOR)


def _roles(said: Claimed) -> Any:
    try:
        return clean_roles(said.roles or ())
    except InvalidParameter as exc:
        raise OidcNoAccount(Cause.ROLES) from exc


def _new_account(plan: ProviderPlan, people: People, said: Claimed) -> UserRecord:
    if not plan.create_accounts or said.roles is None:
        raise OidcNoAccount(Cause.NO_ACCOUNT)
    now = people.clock.now()
    side = said.side or plan.side
    try:
        name = clean_name(said.name)
        shown = clean_display(said.display_name or name)
    except InvalidParameter as exc:
        raise OidcNoAccount(Cause.NAME) from exc
    return UserRecord(
        user_id=people.clock.new_id(),
        name=name,
        display_name=shown,
        side=side,
        roles=_roles(said),
        language="fr" if side == "fr" else "en",
        issuer=plan.issuer,
        subject=said.subject,
        created_at=now,
        changed_at=now,
    )
