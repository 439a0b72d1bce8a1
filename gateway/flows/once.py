"""A form that is sent twice acts once: its token is used up in the transaction of the action."""

from __future__ import annotations

import datetime as dt
from typing import Final

from gateway.core.errors import Conflict, InvalidParameter
from gateway.flows.ports import Transaction

_REMEMBERED: Final = dt.timedelta(days=1)
_LONGEST: Final = 100


class AlreadyDone(Conflict):
    """The same form came before and took effect: nothing was done a second time."""

    code = "already_done"


async def use_up(tx: Transaction, *, actor: str, about: str, token: str | None, now: dt.datetime) -> None:
    """Do this first: a transaction that fails later leaves the token unused. ``about``: the action and what
    it concerns, as the token of another form is none of this one. ``token`` None (the command line): nothing.
    Raises AlreadyDone, InvalidParameter."""
    if token is None:
        return
    if len(token) > _LONGEST:
        raise InvalidParameter("the form is not whole; open the page again")
    if not await tx.use_jti(f"form:{actor}", f"{about}:{token}", now + _REMEMBERED):
        raise AlreadyDone("this form was sent before, and has taken effect")
