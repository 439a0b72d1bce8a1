"""Quiet hours of operators, by the clock on their wall. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo


@dataclass(frozen=True, kw_only=True, slots=True)
class QuietHours:
    """Local times between which only critical alerts are told; ``begin`` may be later than ``end``."""

    begin: dt.time
    end: dt.time
    zone: str

    def __post_init__(self) -> None:
        if self.begin == self.end:
            raise ValueError("quiet hours that begin when they end would never end")

    def until(self, now: dt.datetime) -> dt.datetime | None:
        """The end of the quiet hours that ``now`` lies in (UTC), None outside them. The begin is quiet, the
        end is not. A local end that does not exist (spring) counts an hour later; one that comes twice
        (autumn) counts the first time."""
        zone = ZoneInfo(self.zone)
        local = now.astimezone(zone)
        time, over_night = local.time(), self.begin > self.end
        inside = time >= self.begin or time < self.end if over_night else self.begin <= time < self.end
        if not inside:
            return None
        day = local.date()
        if over_night and time >= self.begin:
            day += dt.timedelta(days=1)
        end = dt.datetime.combine(day, self.end, tzinfo=zone).astimezone(dt.UTC)
        # the hour that comes twice: we may be in its second pass, and the first end is behind us
        return (
            end
            if end > now
            else dt.datetime.combine(day, self.end, tzinfo=zone).replace(fold=1).astimezone(dt.UTC)
        )
