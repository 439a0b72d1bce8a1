"""People who log in: accounts, second factors, sessions."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from gateway.core.lockout import Attempts, Lockout
from gateway.core.people import SessionRecord, Stage, UserRecord
from gateway.core.roles import Role, Side
from gateway.core.totp import normal_recovery_code
from gateway.flows.ports_users import AttemptKind, TotpState
from gateway.store import tables_users as t
from gateway.store.base import TransactionBase, advisory_lock, insert_or_nothing
from gateway.store.columns import Instant

USERS_LOCK = 0x70617373_00000021
"""Advisory lock on PostgreSQL while roles change."""
KEEP_ATTEMPTS = dt.timedelta(days=7)

_U, _T, _R, _S, _A = (
    t.users.c,
    t.user_totp.c,
    t.user_recovery_codes.c,
    t.user_sessions.c,
    t.signin_attempts.c,
)
_NAMED = select(t.users).where(_U.name == bindparam("who"))
_LOCKED = _NAMED.with_for_update()
_SUBJECT = select(t.users).where(_U.issuer == bindparam("iss"), _U.subject == bindparam("sub"))
_LIST = select(t.users).where(_U.name > bindparam("after")).order_by(_U.name).limit(bindparam("most"))
_ENABLED_ROLES = select(_U.roles).where(_U.disabled == 0)
_TOTP = select(t.user_totp).where(_T.user_id == bindparam("id"), _T.confirmed == bindparam("sure"))
_USE_STEP = (
    update(t.user_totp)
    .where(_T.user_id == bindparam("id"), _T.confirmed == 1, _T.used_step < bindparam("step"))
    .values(used_step=bindparam("step"))
)
_USE_CODE = delete(t.user_recovery_codes).where(
    _R.user_id == bindparam("id"), _R.digest == bindparam("hashed")
)
_COUNT_CODES = select(func.count()).where(_R.user_id == bindparam("id"))
_BY_TOKEN = select(t.user_sessions).where(_S.digest == bindparam("hashed"))
_BY_ID = select(t.users).where(_U.user_id == bindparam("id"))
_TOUCH = update(t.user_sessions).where(_S.session_id == bindparam("id")).values(seen_at=bindparam("at"))
_SESSIONS = (
    select(t.user_sessions)
    .where(_S.user_id == bindparam("id"))
    .order_by(_S.created_at.desc(), _S.session_id.desc())
)
_ATTEMPTS = select(t.signin_attempts).where(_A.kind == bindparam("of"), _A.digest == bindparam("hashed"))
_ATTEMPTS_LOCKED = _ATTEMPTS.with_for_update()
_FORGET = delete(t.signin_attempts).where(_A.kind == bindparam("of"), _A.digest == bindparam("hashed"))
_FORGIVE = (
    update(t.signin_attempts)
    .where(_A.kind == bindparam("of"), _A.digest == bindparam("hashed"), _A.failures > 0)
    .values(failures=_A.failures - 1, locked_until=None)
)
_OLD_SESSIONS = delete(t.user_sessions).where(_S.expires_at < bindparam("now", type_=Instant()))
_OLD_ATTEMPTS = delete(t.signin_attempts).where(_A.last_at < bindparam("old", type_=Instant()))


def sweep(connection: Connection, now: dt.datetime) -> int:
    """Removes expired sessions and attempts of long ago; how many."""
    ended = connection.execute(_OLD_SESSIONS, {"now": now}).rowcount
    return ended + connection.execute(_OLD_ATTEMPTS, {"old": now - KEEP_ATTEMPTS}).rowcount


def _digest(token: str) -> str:
    """The token has 256 random bits: a plain hash gives nothing away."""
    return hashlib.sha256(token.encode()).hexdigest()


def _user(row: Row[Any]) -> UserRecord:
    return UserRecord(
        user_id=row.user_id,
        name=row.name,
        display_name=row.display_name,
        side=Side(row.side),
        roles=frozenset(Role(role) for role in row.roles.split()),
        language=row.language,
        password_hash=row.password_hash,
        renew_password=bool(row.renew_password),
        second_factor=bool(row.second_factor),
        disabled=bool(row.disabled),
        issuer=row.issuer,
        subject=row.subject,
        created_at=row.created_at,
        changed_at=row.changed_at,
        signed_in_at=row.signed_in_at,
    )


def _values(user: UserRecord) -> dict[str, Any]:
    """What may change."""
    return {
        "display_name": user.display_name,
        "side": user.side.value,
        "roles": " ".join(sorted(role.value for role in user.roles)),
        "language": user.language,
        "password_hash": user.password_hash,
        "renew_password": int(user.renew_password),
        "disabled": int(user.disabled),
        "issuer": user.issuer,
        "subject": user.subject,
        "changed_at": user.changed_at,
        "signed_in_at": user.signed_in_at,
    }


def _session(row: Row[Any]) -> SessionRecord:
    return SessionRecord(
        session_id=row.session_id,
        user_id=row.user_id,
        stage=Stage(row.stage),
        address=row.address,
        agent=row.agent,
        created_at=row.created_at,
        seen_at=row.seen_at,
        expires_at=row.expires_at,
    )


def _attempts(row: Row[Any] | None) -> Attempts | None:
    if row is None:
        return None
    return Attempts(failures=row.failures, last_at=row.last_at, locked_until=row.locked_until)


class UserTransaction(TransactionBase):
    """Implements ``gateway.flows.ports_users.UserRows``."""

    # accounts

    async def lock_users(self) -> None:
        await self._run(lambda c: advisory_lock(c, USERS_LOCK))

    async def add_user(self, user: UserRecord) -> bool:
        row = {
            "user_id": user.user_id,
            "name": user.name,
            "second_factor": 0,
            "created_at": user.created_at,
            **_values(user),
        }
        return await self._run(
            lambda c: c.execute(insert_or_nothing(c.dialect.name, t.users), row).rowcount > 0
        )

    async def save_user(self, user: UserRecord) -> None:
        statement = update(t.users).where(_U.user_id == user.user_id).values(**_values(user))
        if not await self._run(lambda c: c.execute(statement).rowcount):
            raise LookupError("this account is not known")

    async def user_named(self, name: str, *, lock: bool = False) -> UserRecord | None:
        row = await self._run(lambda c: c.execute(_LOCKED if lock else _NAMED, {"who": name}).one_or_none())
        return None if row is None else _user(row)

    async def user_of_subject(self, issuer: str, subject: str) -> UserRecord | None:
        row = await self._run(lambda c: c.execute(_SUBJECT, {"iss": issuer, "sub": subject}).one_or_none())
        return None if row is None else _user(row)

    async def list_users(self, *, after: str = "", limit: int = 500) -> tuple[UserRecord, ...]:
        rows = await self._run(lambda c: c.execute(_LIST, {"after": after, "most": limit}).all())
        return tuple(_user(row) for row in rows)

    async def count_administrators(self) -> int:
        rows = await self._run(lambda c: c.execute(_ENABLED_ROLES).all())
        return sum(Role.ADMINISTRATOR.value in row.roles.split() for row in rows)

    # second factor

    async def totp(self, user_id: str, *, confirmed: bool) -> TotpState | None:
        values = {"id": user_id, "sure": int(confirmed)}
        row = await self._run(lambda c: c.execute(_TOTP, values).one_or_none())
        if row is None:
            return None
        secret = self._keys.unwrap(row.kek_id, bytes(row.wrapped), context=_where(user_id))
        return TotpState(secret=secret.decode(), confirmed=confirmed, used_step=row.used_step)

    async def offer_totp(self, user_id: str, secret: str) -> None:
        kek_id, wrapped = self._keys.wrap(secret.encode(), context=_where(user_id))
        row = {"user_id": user_id, "confirmed": 0, "kek_id": kek_id, "wrapped": wrapped, "used_step": 0}

        def work(connection: Connection) -> None:
            connection.execute(delete(t.user_totp).where(_T.user_id == user_id, _T.confirmed == 0))
            connection.execute(insert(t.user_totp), row)

        await self._run(work)

    async def confirm_totp(self, user_id: str, step: int) -> bool:
        def work(connection: Connection) -> bool:
            waiting = connection.execute(_TOTP, {"id": user_id, "sure": 0}).one_or_none()
            if waiting is None:
                return False
            connection.execute(delete(t.user_totp).where(_T.user_id == user_id, _T.confirmed == 1))
            connection.execute(
                update(t.user_totp).where(_T.user_id == user_id).values(confirmed=1, used_step=step)
            )
            connection.execute(update(t.users).where(_U.user_id == user_id).values(second_factor=1))
            return True

        return await self._run(work)

    async def use_totp_step(self, user_id: str, step: int) -> bool:
        return await self._run(lambda c: c.execute(_USE_STEP, {"id": user_id, "step": step}).rowcount > 0)

    async def remove_totp(self, user_id: str) -> None:
        def work(connection: Connection) -> None:
            connection.execute(delete(t.user_totp).where(_T.user_id == user_id))
            connection.execute(delete(t.user_recovery_codes).where(_R.user_id == user_id))
            connection.execute(update(t.users).where(_U.user_id == user_id).values(second_factor=0))

        await self._run(work)

    def _recovery(self, user_id: str, code: str) -> str:
        return self._keys.blind_index("recovery_code", f"{user_id}|{normal_recovery_code(code)}")

    async def set_recovery_codes(self, user_id: str, codes: Iterable[str]) -> None:
        rows = [{"user_id": user_id, "digest": self._recovery(user_id, code)} for code in codes]

        def work(connection: Connection) -> None:
            connection.execute(delete(t.user_recovery_codes).where(_R.user_id == user_id))
            connection.execute(insert(t.user_recovery_codes), rows)

        await self._run(work)

    async def use_recovery_code(self, user_id: str, code: str) -> bool:
        values = {"id": user_id, "hashed": self._recovery(user_id, code)}
        return await self._run(lambda c: c.execute(_USE_CODE, values).rowcount > 0)

    async def count_recovery_codes(self, user_id: str) -> int:
        return await self._run(lambda c: int(c.execute(_COUNT_CODES, {"id": user_id}).scalar_one()))

    # sessions

    async def add_session(self, session: SessionRecord, token: str) -> None:
        row = {
            "session_id": session.session_id,
            "digest": _digest(token),
            "user_id": session.user_id,
            "stage": session.stage.value,
            "address": session.address,
            "agent": session.agent,
            "created_at": session.created_at,
            "seen_at": session.seen_at,
            "expires_at": session.expires_at,
        }
        await self._run(lambda c: c.execute(insert(t.user_sessions), row))

    async def session_of(self, token: str) -> tuple[SessionRecord, UserRecord] | None:
        digest = _digest(token)

        def work(connection: Connection) -> tuple[SessionRecord, UserRecord] | None:
            found = connection.execute(_BY_TOKEN, {"hashed": digest}).one_or_none()
            if found is None:
                return None
            return _session(found), _user(connection.execute(_BY_ID, {"id": found.user_id}).one())

        return await self._run(work)

    async def touch_session(self, session_id: str, at: dt.datetime) -> None:
        await self._run(lambda c: c.execute(_TOUCH, {"id": session_id, "at": at}))

    async def sessions(self, user_id: str) -> tuple[SessionRecord, ...]:
        rows = await self._run(lambda c: c.execute(_SESSIONS, {"id": user_id}).all())
        return tuple(_session(row) for row in rows)

    async def end_session(self, session_id: str, *, user_id: str) -> bool:
        statement = delete(t.user_sessions).where(_S.session_id == session_id, _S.user_id == user_id)
        return await self._run(lambda c: c.execute(statement).rowcount > 0)

    async def end_sessions(self, user_id: str, *, but: str | None = None, stage: Stage | None = None) -> int:
        statement = delete(t.user_sessions).where(_S.user_id == user_id)
        if but is not None:
            statement = statement.where(_S.session_id != but)
        if stage is not None:
            statement = statement.where(_S.stage == stage.value)
        return await self._run(lambda c: int(c.execute(statement).rowcount))

    # attempts

    def _who(self, kind: AttemptKind, who: str) -> dict[str, str]:
        """A keyed hash: what people type into the field for their name may be their password."""
        return {"of": kind.value, "hashed": self._keys.blind_index(f"signin_{kind.value}", who)}

    async def count_attempt(
        self, kind: AttemptKind, who: str, lockout: Lockout, now: dt.datetime
    ) -> dt.datetime | None:
        key = self._who(kind, who)
        row = {
            "kind": key["of"],
            "digest": key["hashed"],
            "failures": 0,
            "last_at": now,
            "locked_until": None,
        }

        def work(connection: Connection) -> dt.datetime | None:
            seen = None
            while seen is None:  # between the two statements another node may forget the row
                connection.execute(insert_or_nothing(connection.dialect.name, t.signin_attempts), row)
                seen = _attempts(connection.execute(_ATTEMPTS_LOCKED, key).one_or_none())
            until = lockout.locked(seen, now)
            if until is None:
                after = lockout.count(seen, now)
                connection.execute(
                    update(t.signin_attempts)
                    .where(_A.kind == key["of"], _A.digest == key["hashed"])
                    .values(failures=after.failures, last_at=after.last_at, locked_until=after.locked_until)
                )
            return until

        return await self._run(work)

    async def signin_attempts(self, kind: AttemptKind, who: str) -> Attempts | None:
        key = self._who(kind, who)
        return _attempts(await self._run(lambda c: c.execute(_ATTEMPTS, key).one_or_none()))

    async def forget_attempts(self, kind: AttemptKind, who: str) -> None:
        key = self._who(kind, who)
        await self._run(lambda c: c.execute(_FORGET, key))

    async def forgive_attempt(self, kind: AttemptKind, who: str) -> None:
        key = self._who(kind, who)
        await self._run(lambda c: c.execute(_FORGIVE, key))


def _where(user_id: str) -> str:
    return f"user_totp.wrapped|{user_id}"
