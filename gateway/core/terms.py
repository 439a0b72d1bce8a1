"""How long a certificate is still valid, or since when it is not, in the words of both languages."""

from __future__ import annotations

from gateway.core.words import Words


def days_left(days: int) -> Words:
    """``days``: whole days until the end, rounded down as by ``timedelta.days``; negative after it, so that
    -1 is the first day after the end and not yet a whole one."""
    if days > 0:
        return Words(f"{days} {_en(days)} left", f"{days} {_fr(days)}")
    if days == 0:
        return Words("less than 1 day left", "moins d'un jour restant")
    since = -days - 1
    if since == 0:
        return Words("expired less than 1 day ago", "expiré depuis moins d'un jour")
    return Words(f"expired {since} {_en(since)} ago", f"expiré depuis {since} jour{_s(since)}")


def _s(days: int) -> str:
    return "" if days == 1 else "s"


def _en(days: int) -> str:
    return f"day{_s(days)}"


def _fr(days: int) -> str:
    return f"jour{_s(days)} restant{_s(days)}"
