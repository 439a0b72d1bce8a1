"""Mail through an SMTP server with verified TLS (RFC 3207 STARTTLS, or TLS from the first octet, RFC 8314).

The certificate and the host name are always checked. Without TLS nothing is sent unless the settings say
``unsafe_plain``; a password never travels without TLS. Errors are translated once, here, and hold neither
address nor password nor the server's text (it may quote either).
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from enum import StrEnum

import aiosmtplib

from gateway.core.alert_words import Letter
from gateway.core.errors import ConfigError, MailRefused, MailUnavailable


class Security(StrEnum):
    """How the connection is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    UNSAFE_PLAIN = "unsafe_plain"


@dataclass(frozen=True, kw_only=True, slots=True)
class SmtpMailer:
    """Implements ``gateway.flows.alert_notices.Mailer``; one connection for each mail: they are rare."""

    host: str
    port: int
    security: Security
    tls: ssl.SSLContext
    timeout_s: float = 20
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    local_hostname: str = "passerelle"
    """Said in EHLO: the name of the machine is nobody's concern."""

    def __post_init__(self) -> None:
        if self.password is not None and self.security is Security.UNSAFE_PLAIN:
            raise ConfigError("smtp.username: a password must not travel without TLS; use starttls or tls")

    async def send(self, letter: Letter) -> None:
        """Raises MailUnavailable, MailRefused."""
        try:
            async with asyncio.timeout(2 * self.timeout_s):  # the library's limit is for one reply
                await aiosmtplib.send(
                    letter.content,
                    sender=letter.sender,
                    recipients=[letter.to],
                    hostname=self.host,
                    port=self.port,
                    username=self.username,
                    password=self.password,
                    timeout=self.timeout_s,
                    use_tls=self.security is Security.TLS,
                    start_tls=self.security is Security.STARTTLS,
                    tls_context=None if self.security is Security.UNSAFE_PLAIN else self.tls,
                    local_hostname=self.local_hostname,
                )
        except (aiosmtplib.SMTPAuthenticationError, aiosmtplib.SMTPNotSupported) as exc:
            # a wrong password or a server without TLS is put right by people: try again by the schedule
            raise MailUnavailable("the mail server does not take our log-in or has no TLS") from exc
        except aiosmtplib.SMTPRecipientsRefused as exc:
            if all(refused.code >= 500 for refused in exc.recipients):
                raise MailRefused("the mail server refuses the recipient for good") from exc
            raise MailUnavailable("the mail server does not take the recipient now") from exc
        except aiosmtplib.SMTPResponseException as exc:
            if 500 <= exc.code < 600:
                raise MailRefused(f"the mail server refuses the mail for good (SMTP {exc.code})") from exc
            raise MailUnavailable(f"the mail server takes no mail now (SMTP {exc.code})") from exc
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as exc:
            raise MailUnavailable("the mail server cannot be reached over a verified connection") from exc
