"""What goes wrong in the gateway itself: people, store, mail, settings, a partner's files."""

from __future__ import annotations

from gateway.core.errors.base import PasserelleError, Side

# ---- people (console and command line; the API never answers with these) --------------------------


class PersonError(PasserelleError):
    http_status = 403
    side = Side.GATEWAY


class Forbidden(PersonError):
    """A person without the permission."""

    code = "forbidden"


class FormRefused(PersonError):
    """A form of the console that is out of date or was sent from elsewhere (CSRF)."""

    code = "form_refused"


# ---- the gateway itself -------------------------------------------------------------------------


class Unavailable(PasserelleError):
    """The database or another part we need is out of reach; nothing was stored."""

    code = "unavailable"
    http_status = 503
    retry_helps = True


class ContentChanged(PasserelleError):
    """A content that is read again (a file, the store) is no longer what was signed or verified before."""

    code = "content_changed"


class AuditChainBroken(PasserelleError):
    """The audit log was changed: ``sequence`` is the first entry that does not hold, ``reason`` a code."""

    code = "audit.chain_broken"

    def __init__(self, sequence: int, reason: str) -> None:
        super().__init__(f"audit entry {sequence}: {reason}")
        self.sequence = sequence
        self.reason = reason


class MailUnavailable(PasserelleError):
    """The mail server cannot be reached, or takes no mail at present."""

    code = "mail.unavailable"
    retry_helps = True


class MailRefused(PasserelleError):
    """The mail server refuses this mail for good (SMTP 5xx for sender, recipient or content)."""

    code = "mail.refused"


class ConfigError(PasserelleError):
    """A setting is wrong: the text names it and the cure."""

    code = "config"


class PartnerRefused(PasserelleError):
    """What a partner gave us cannot be installed; ``problems`` says of each file why, and the cure."""

    code = "partner.refused"
    side = Side.FR
