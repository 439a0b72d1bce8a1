"""The retry horizon stays within the timestamp window; pull waits in order; an agreement of one's own."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from gateway.check import Level, check_settings
from gateway.config import SETTINGS_FILE, make_settings
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.errors import ConfigError
from gateway.instance import Instance
from gateway.wiring import retry_schedule
from tests.fixtures.agreements import PULLED_FR, PULLED_UK, UK_CHANNEL, agreement_text
from tests.fixtures.world import make_world

WINDOW = SecurityPolicy().timestamp_window


@pytest.mark.as4(31)
def test_a_retry_never_outlives_its_timestamp() -> None:
    """A day less than the window is allowed; more is refused, with the setting and the cure."""
    longest = (WINDOW - dt.timedelta(days=1)).total_seconds()
    assert retry_schedule(make_settings({"retry": {"max_age_s": longest}})).max_age < WINDOW
    with pytest.raises(ConfigError, match=r"retry.*max_age_s must not exceed 1123200.*lower max_age_s"):
        make_settings({"retry": {"max_age_s": longest + 1}})


@pytest.mark.as4(31)
def test_the_default_horizon_fits() -> None:
    """As shipped, the last retry leaves a margin of days."""
    assert retry_schedule(make_settings({})).max_age <= WINDOW / 2


def test_the_check_command_says_so() -> None:
    """``passerelle check`` shows the horizon that is too long as an error."""
    with make_world(start=False) as world:
        file = world.uk / SETTINGS_FILE
        file.write_text(file.read_text().replace("# max_age_s = 604800", "max_age_s = 2000000"))
        (finding,) = check_settings(world.uk)
    assert finding.level is Level.ERROR
    assert "max_age_s" in finding.text


def test_the_waits_of_pull_are_ordered() -> None:
    """A cap below the first wait is refused."""
    with pytest.raises(ConfigError, match="longest_wait_s must not be below interval_s"):
        make_settings({"pull": {"interval_s": 10, "longest_wait_s": 5}})


def test_an_agreement_of_ones_own() -> None:
    """``as4.agreement`` names the file that replaces the shipped one; a wrong path says what to correct."""
    text = agreement_text(uk_to_fr=PULLED_UK, fr_to_uk=PULLED_FR)
    with make_world(start=False, agreement=text) as world:
        access_point = Instance.load(world.uk).make_access_point()
        assert access_point.outgoing.pulled
        assert access_point.outgoing.mpc == UK_CHANNEL
        (world.uk / "agreement.toml").unlink()
        with pytest.raises(ConfigError, match=r"as4.agreement: agreement.toml cannot be read"):
            Instance.load(world.uk)
        Path(world.uk / "agreement.toml").write_text("[agreement")
        with pytest.raises(ConfigError, match="not valid TOML"):
            Instance.load(world.uk)
