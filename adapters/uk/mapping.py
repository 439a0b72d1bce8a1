"""Tables of the UK side. Codes are the canonical ones; only the shapes listed here differ.

A path is a tuple of keys below ``body``; ``EACH`` stands for every item of a list. Tests prove that the
tables name exactly the instants and birth dates of the canonical model.
"""

from __future__ import annotations

from typing import Final

from contracts.codes import MessageType

Path = tuple[str, ...]

EACH: Final = "*"

HEADER_INSTANTS: Final[tuple[str, ...]] = ("issued_at",)

INSTANTS: Final[dict[MessageType, tuple[Path, ...]]] = {
    MessageType.READMISSION_REQUEST: (("arrival", "at"), ("claim", "decided_at")),
    MessageType.ACKNOWLEDGEMENT: (("at",),),
    MessageType.READMISSION_DECISION: (("decided_at",),),
    MessageType.SUPPLEMENTARY_DOCUMENT: (),
    MessageType.TRANSFER_NOTICE: (("departure_at",), ("arrival_at",)),
    MessageType.TRANSFER_CONFIRMATION: (("at",),),
    MessageType.TRANSFER_OUTCOME: (("at",),),
    MessageType.TRANSFER_RECEIPT: (("taken_charge_at",),),
    MessageType.WITHDRAWAL: (("at",),),
    MessageType.CORRECTION: (("arrival", "at"),),
    MessageType.STATUS_UPDATE: (("since",),),
    MessageType.NOMINATION: (("located_in_france_at",), ("biometrics_enrolled_at",)),
    MessageType.NOMINATION_RESPONSE: (("decided_at",),),
    MessageType.NOMINATION_OUTCOME: (("decided_at",),),
    MessageType.ADMISSION_OUTCOME: (("at",),),
}
"""Where instants stand: any offset on the wire, UTC in whole milliseconds in the model."""

BIRTH_DATES: Final[dict[MessageType, tuple[Path, ...]]] = {
    MessageType.READMISSION_REQUEST: (("persons", EACH, "birth_date"),),
    MessageType.CORRECTION: (("persons", EACH, "birth_date"),),
    MessageType.NOMINATION: (("persons", EACH, "birth_date"),),
}
"""Where birth dates stand: ``{"precision", "value"}`` on the wire, year, month and day in the model."""

BIRTH_DATE_PARTS: Final[dict[str, int]] = {"unknown": 0, "year": 1, "month": 2, "day": 3}
"""How many of year, month, day each precision has."""

MALFORMED: Final = "malformed_json"
"""Problem code of bytes that are no strict JSON at all; every other code is a JSON Schema keyword."""

MUST_BE_NULL: Final = "type: null"
MUST_NOT_BE_NULL: Final = "type: not null"
"""Two cases of the keyword ``type`` that deserve their own words."""

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "additionalProperties": (
        "this field is not part of the contract",
        "ce champ ne fait pas partie du contrat",
    ),
    "anyOf": ("the value matches none of the allowed forms", "la valeur ne correspond à aucune forme admise"),
    "const": (
        "the value must be the one that the contract fixes",
        "la valeur doit être celle que fixe le contrat",
    ),
    "enum": ("the value is not in the code list", "la valeur ne figure pas dans la liste de codes"),
    "format": (
        "this is not a valid calendar date or time",
        "ce n'est pas une date ou une heure valable du calendrier",
    ),
    "maxItems": ("too many items", "trop d'éléments"),
    "maxLength": ("the text is too long", "le texte est trop long"),
    "maximum": ("the number is too large", "le nombre est trop grand"),
    "minItems": ("too few items", "trop peu d'éléments"),
    "minLength": ("the text is too short", "le texte est trop court"),
    "minimum": ("the number is too small", "le nombre est trop petit"),
    "oneOf": ("the value matches none of the allowed forms", "la valeur ne correspond à aucune forme admise"),
    "pattern": ("the value does not have the required form", "la valeur n'a pas la forme requise"),
    "required": ("this field is missing", "ce champ manque"),
    "type": ("the value has the wrong type", "la valeur n'est pas du bon type"),
    MUST_BE_NULL: (
        "the value must be null (not applicable) here",
        "la valeur doit être null (sans objet) ici",
    ),
    MUST_NOT_BE_NULL: (
        "the value must be given here: null (not applicable) is not allowed",
        "la valeur doit être donnée ici : null (sans objet) n'est pas admis",
    ),
    "uniqueItems": ("an item occurs twice", "un élément figure deux fois"),
}
"""Why, in English and French, by JSON Schema keyword; never with a value of the document."""

OTHER_TEXT: Final = ("the value breaks the contract", "la valeur enfreint le contrat")
