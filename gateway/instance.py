"""An instance folder as values: settings, keys, agreement, and what follows from them; nothing is opened."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from adapters.fr import FrAdapter
from adapters.uk import UkAdapter
from contracts.codes import Direction
from gateway.clock import SystemClock
from gateway.config import Settings, load_settings
from gateway.core.as4.keys import KeyKind
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.errors import ConfigError
from gateway.core.jws import Alg, signer_of
from gateway.core.proofs.known import Known
from gateway.core.treaty.agreement import Agreement, load_agreement, uk_fr
from gateway.core.treaty.holding import HoldPolicy
from gateway.flows.access_point import AccessPoint, make_access_point
from gateway.flows.exchange import Exchange, Limits
from gateway.flows.oidc import Provider
from gateway.flows.people import People
from gateway.flows.ports import Store
from gateway.flows.watch import UNWATCHED, Watch
from gateway.keys import KeyRing, files, load_keyring
from gateway.keys.known import known_of
from gateway.keys.partner import Partner, load_partner
from gateway.keys.profiles import profile_keys
from gateway.transport.tls import client_context, server_context
from gateway.web.rest.clients import ClientRegistry, load_clients


def url_of(host: str, port: int, *, tls: bool) -> str:
    """A base URL; "every address" is shown as loopback."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104 — compared, not bound
        host = "127.0.0.1"
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{shown}:{port}"


def _agreement(root: Path, file: Path | None) -> Agreement:
    """Raises ConfigError."""
    if file is None:
        return uk_fr()
    try:
        content = (root / file).read_bytes()
    except OSError as exc:
        raise ConfigError(f"as4.agreement: {file} cannot be read; correct the path") from exc
    return load_agreement(content)


@dataclass(frozen=True, kw_only=True)
class Instance:
    """An instance folder as loaded; nothing is opened yet."""

    folder: Path
    settings: Settings
    keyring: KeyRing = field(repr=False)
    agreement: Agreement = field(repr=False)
    clock: SystemClock = field(repr=False, default_factory=SystemClock)

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Settings and keys of ``folder``. Raises ConfigError that names the setting and the cure."""
        root = Path(folder).resolve()
        settings = load_settings(root)
        return cls(
            folder=root,
            settings=settings,
            keyring=load_keyring(root / settings.keys.folder),
            agreement=_agreement(root, settings.as4.agreement),
        )

    @property
    def database_url(self) -> str:
        """The database; relative paths count from the folder. Holds the password: never log it.
        Raises ConfigError."""
        url = self.settings.database.url or "sqlite:///passerelle.db"
        scheme, _, path = url.partition(":///")
        if scheme.startswith("sqlite") and path and not path.startswith("/"):
            return f"{scheme}:///{self.folder / path}"
        password = self.secret("database.password_file", self.settings.database.password_file)
        if password is None:
            return url
        from sqlalchemy import make_url  # a third of a second, as in ``open_store``

        return make_url(url).set(password=password).render_as_string(hide_password=False)

    def secret(self, setting: str, file: Path | None) -> str | None:
        """What the file of that setting holds; None when there is none. Raises ConfigError."""
        return None if file is None else files.read_secret_text(self.folder / file, setting=setting)

    async def open_store(self, *, create: bool = False) -> Store:
        """The store; ``create`` makes or upgrades the schema first. Raises ConfigError, Unavailable."""
        from gateway.store import open_store  # with SQLAlchemy and drivers: many commands open no store

        return await asyncio.to_thread(open_store, self.database_url, keyring=self.keyring, create=create)

    def load_partner(self) -> Partner:
        """The French side's certificates. Raises ConfigError."""
        party = self.agreement.parties.fr.id
        return load_partner(self.folder / self.settings.keys.trust, party, now=self.clock.now())

    def load_clients(self) -> ClientRegistry:
        """The registered UK clients. Raises ConfigError."""
        hooks = self.settings.webhooks
        return load_clients(
            self.folder / self.settings.keys.clients,
            allow_private_webhooks=hooks.unsafe_private_targets,
            allow_plain_webhooks=hooks.unsafe_plain_http,
        )

    def make_access_point(self) -> AccessPoint:
        """Our AS4 side. Raises ConfigError when the partner's certificates are missing or expired, or keys
        of a security profile that the agreement uses."""
        partner = self.load_partner()
        return make_access_point(
            self.agreement,
            Direction.UK_TO_FR,
            domain=self.settings.as4.message_id_domain,
            signer=self.keyring.as4_sign,
            decryption_keys=self.keyring.decryption_keys,
            recipient=partner.recipients.get(KeyKind.RSA),
            keys=profile_keys(self.keyring, partner),
            trust=partner.trust,
            policy=SecurityPolicy(max_decompressed_bytes=4 * self.settings.limits.as4_message_bytes),
        )

    def french_tls(self) -> ssl.SSLContext:
        """TLS towards the French access point. Raises ConfigError."""
        shown = self.settings.france.present_client_certificate
        return client_context(
            anchors=self.folder / self.settings.france.anchors,
            minimum=self.settings.tls.minimum,
            certificate=self.keyring.tls_certificate if shown else None,
            key=self.keyring.tls_key if shown else None,
        )

    def uk_tls(self) -> ssl.SSLContext | None:
        """TLS of the UK listener, None when it is plain. Raises ConfigError."""
        part = self.settings.uk_api
        return self._listener_tls(part.client_certificates, part.client_anchors) if part.tls else None

    def as4_tls(self) -> ssl.SSLContext | None:
        """TLS of the AS4 listener, None when it is plain. Raises ConfigError."""
        part = self.settings.as4
        return self._listener_tls(part.client_certificates, part.client_anchors) if part.tls else None

    def _listener_tls(self, client_certificates: str, anchors: Path) -> ssl.SSLContext:
        return server_context(
            certificate=self.keyring.tls_certificate,
            key=self.keyring.tls_key,
            minimum=self.settings.tls.minimum,
            client_certificates=client_certificates,
            client_anchors=self.folder / anchors,
        )

    def known(self, clients: ClientRegistry) -> Known:
        """Certificates and keys that evidence is compared with."""
        parties = self.agreement.parties
        return known_of(
            self.keyring,
            self.folder / self.settings.keys.trust,
            own_party=parties.uk.id,
            partner_party=parties.fr.id,
            clients={c.client_id: tuple(c.keys.values()) for c in clients.clients.values()},
        )

    def exchange(
        self,
        store: Store,
        clients: ClientRegistry | None = None,
        *,
        issuer: str | None = None,
        watch: Watch = UNWATCHED,
    ) -> Exchange:
        """What the UK-side use cases work with. ``issuer``: our base URL as bound, else from the settings.
        Raises ConfigError."""
        part, limits, agreed = self.settings.uk_api, self.settings.limits, self.agreement.limits
        bound = issuer or url_of(part.host, part.port, tls=part.tls)
        clients = clients or self.load_clients()
        return Exchange(
            store=store,
            clock=self.clock,
            uk=UkAdapter(),
            fr=FrAdapter(sex_not_specified="hold" if self.agreement.sex.handling == "hold" else "carry"),
            agreement=self.agreement,
            french_party=self.agreement.parties.fr.id,
            signer=signer_of(self.keyring.jws[0], Alg.ES256),
            earlier_signers=tuple(signer_of(k, Alg.ES256) for k in self.keyring.jws[1:]),
            issuer=(part.public_url or bound).rstrip("/"),
            limits=Limits(
                message_bytes=limits.uk_body_bytes,
                attachment_bytes=limits.attachment_bytes,
                attachments_bytes=min(limits.attachments_bytes, agreed.attachments_total_bytes),
                attachments=min(limits.attachments, agreed.attachments_count),
                read_seconds=limits.read_s,
                least_rate=limits.least_rate,
            ),
            webhooks=clients.webhooks,
            holds=HoldPolicy().with_two_persons(self.settings.holds.two_persons),
            alerts=self.settings.alerts.plan(),
            known=self.known(clients),
            reveal=self.settings.console.reveal(),
            events_kept=self.settings.uk_api.events_kept,
            batches=self.settings.console.batches(),
            watch=watch,
        )

    def people(self, store: Store) -> People:
        """What signing in and managing users work with."""
        return People(store=store, clock=self.clock, policy=self.settings.console.policy())

    def provider(self) -> Provider | None:
        """Sign-in at the OIDC provider; None when none is configured. Raises ConfigError."""
        part = self.settings.oidc
        plan = part.plan(self.secret("oidc.client_secret_file", part.client_secret_file))
        if plan is None:
            return None
        anchors = None if part.anchors is None else self.folder / part.anchors
        from gateway.transport.oidc import OidcHttp  # with aiohttp: commands ask no provider

        try:
            tls = client_context(anchors=anchors, minimum=self.settings.tls.minimum)
        except ConfigError as exc:
            raise ConfigError(
                f"oidc.anchors: {part.anchors} needs the CA certificates (*.pem) of the provider's TLS server"
            ) from exc
        return Provider(plan=plan, calls=OidcHttp(tls=tls, timeout_s=part.timeout_s))
