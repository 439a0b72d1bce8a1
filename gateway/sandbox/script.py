"""What the simulated ministry does, as data: a TOML script of scenarios.

A case's scenario is chosen by ``receiving_service.code`` of the message that opens it: that code exists in
both worlds and is no personal datum. Codes without an entry play ``default``.

    default = "accept"
    [services]
    "DGEF-REFUS" = "refuse"
    [scenarios.refuse]
    decision = "refused"
    ground = "evidence_insufficient"
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contracts import codes
from gateway.core.errors import ConfigError

Seconds = Annotated[float, Field(ge=0, le=86_400)]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Scenario(_Closed):
    """How one case goes. Times in seconds."""

    silent: bool = False
    """Only the AS4 receipt: no acknowledgement, no decision."""
    reject: codes.AckCode | None = None
    """The business system rejects the opening message with this code, and does nothing more."""
    decision: codes.ReadmissionDecisionCode = codes.ReadmissionDecisionCode.ACCEPTED
    ground: codes.RefusalGround = codes.RefusalGround.EVIDENCE_INSUFFICIENT
    information: tuple[codes.InformationNeeded, ...] = (codes.InformationNeeded.MEDICAL_CERTIFICATE,)
    confirmation: codes.TransferConfirmationCode = codes.TransferConfirmationCode.CONFIRMED
    response: codes.NominationResponseCode = codes.NominationResponseCode.NO_OBJECTION
    objection: codes.ObjectionGround = codes.ObjectionGround.RESTRICTION_LIST
    late_s: Seconds = 0
    """The decision, confirmation or response comes this much later than the acknowledgement."""
    hostile: tuple[Literal["personal_data", "agdref", "garbage"], ...] = ()
    """Wrong messages sent before the decision; the gateway must refuse every one."""
    down_requests: Annotated[int, Field(ge=0)] = 0
    """HTTP 503 for so many tries of the case's opening message."""
    lose_receipts: Annotated[int, Field(ge=0)] = 0
    """So many tries of the opening message are taken in, but the connection breaks before the receipt."""


BUILT_IN: dict[str, dict[str, Any]] = {
    "accept": {},
    "refuse": {"decision": "refused"},
    "ask": {"decision": "information_needed"},
    "extend": {"decision": "extension"},
    "silent": {"silent": True},
    "reject": {"reject": "not_readable"},
    "late": {"late_s": 2.0},
    "down": {"down_requests": 2},
    "lost-receipt": {"lose_receipts": 1},
    "personal-data": {"hostile": ("personal_data", "agdref")},
    "garbage": {"hostile": ("garbage",)},
    "decline": {"confirmation": "declined"},
    "object": {"response": "objection"},
}
"""Scenarios that need no entry in the file; an entry of the same name replaces one."""

DEFAULT_SERVICES: dict[str, str] = {
    "DGEF-REFUS": "refuse",
    "DGEF-INFO": "ask",
    "DGEF-PROLONG": "extend",
    "DGEF-SILENCE": "silent",
    "DGEF-REJET": "reject",
    "DGEF-TARD": "late",
    "DGEF-PANNE": "down",
    "DGEF-PERDU": "lost-receipt",
    "DGEF-RGPD": "personal-data",
    "DGEF-ERREUR": "garbage",
    "DGEF-REPORT": "decline",
    "DGEF-OBJECTION": "object",
}


class Script(_Closed):
    """The whole script; ``reply_delay_s`` holds back every answer a little, as people do."""

    default: str = "accept"
    reply_delay_s: Seconds = 0
    services: dict[str, str] = DEFAULT_SERVICES
    scenarios: dict[str, Scenario] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_exist(self) -> Script:
        for name in (self.default, *self.services.values()):
            self.scenario(name)
        return self

    def scenario(self, name: str) -> Scenario:
        """The scenario of that name. Raises ValueError when there is none."""
        if name in self.scenarios:
            return self.scenarios[name]
        if name in BUILT_IN:
            return Scenario(**BUILT_IN[name])
        raise ValueError(f"there is no scenario {name!r}")

    def name_for(self, service_code: str) -> str:
        """Name of the scenario that a case with this receiving service plays."""
        return self.services.get(service_code, self.default)


def parse_script(values: dict[str, Any]) -> Script:
    """The script from plain values. Raises ConfigError."""
    try:
        return Script(**values)
    except ValidationError as exc:
        where = "; ".join(".".join(map(str, e["loc"])) + ": " + e["msg"] for e in exc.errors())
        raise ConfigError(f"the sandbox script is wrong: {where}") from exc


def load_script(path: Path) -> Script:
    """The script in a TOML file; the built-in one when there is no file. Raises ConfigError."""
    if not path.exists():
        return Script()
    try:
        return parse_script(tomllib.loads(path.read_text("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError("the sandbox script is not TOML; correct the file") from exc
