"""Canonical model ⇄ French elements, as data: one table that both ``read`` and ``write`` follow.

Every entry of a ``Record`` is exactly one child element, in this order; "not applicable" (None) is
``xsi:nil="true"`` on it. Names of elements and types are those of ``passerelle-fr-v1.xsd``; a test
proves that table and schema agree. French code values come from ``contracts/codelists``.
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.fr.shapes import Choice, Code, Count, Detail, Field, Items, Kind, Record, Simple, Special, Str
from contracts import codes, model
from contracts.codelists import iso_by_cog, to_french
from contracts.codes import MessageType

NAMESPACE = "urn:passerelle:fr:v1"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
NIL = f"{{{XSI}}}nil"

NAME_MAX = 40
"""Longest transliterated name, in characters (types NomTranslittere and facets of the XSD)."""
PERSONS_MAX = 20
LIST_MAX = 50
ICAO_CODES = frozenset({"XXA", "XXB", "XXC", "XXX"})
"""ICAO 9303 stateless, refugee, other refugee, unspecified: no INSEE code, so a field of their own."""
PRECISIONS: Mapping[str, str] = {"day": "jour", "month": "mois", "year": "annee", "unknown": "inconnue"}

TEXT, SHORT = Str("Texte"), Str("TexteCourt")
UUID, CASE, CONTENT_ID = Str("Uuid"), Str("ReferenceDossier"), Str("IdentifiantContenu")
PLACE, FLIGHT, EVENT = Str("CodeLieu"), Str("NumeroVol"), Str("CodeEvenement")
PERSON_COUNT = Count("NombrePersonnes")


def _optional(name: str, tag: str, kind: Kind) -> Field:
    return Field(name, tag, kind, nillable=True)


HEADER: tuple[Field, ...] = (
    Field("message_id", "identifiant", UUID),
    Field("reference", "reference", CASE),
    Field("conversation_id", "conversation", UUID),
    Field("issued_at", "emisLe", Simple.INSTANT),
    _optional("in_reply_to", "enReponseA", UUID),
)
HEADER_TAG = "Entete"

OTHER_NAME = Record(
    model.OtherName,
    "AutreIdentite",
    (Field("kind", "nature", Code(codes.NameKind)), Field("name", "identite", Special.NAME)),
)
DOCUMENT = Record(
    model.IdentityDocument,
    "DocumentIdentite",
    (
        Field("type", "nature", Code(codes.DocumentType)),
        Field("number", "numero", SHORT),
        _optional("issuing_country", "paysDelivrance", Special.COUNTRY),
        _optional("issuing_authority", "autoriteDelivrance", SHORT),
        _optional("issued_on", "delivreLe", Simple.DAY),
        _optional("expires_on", "expireLe", Simple.DAY),
    ),
)
PERSON = Record(
    model.Person,
    "Personne",
    (
        Field("role", "role", Code(codes.PersonRole)),
        Field("name", "identite", Special.NAME),
        Field("other_names", "autresIdentites", Items("autreIdentite", OTHER_NAME, 20)),
        Field("birth_date", "dateNaissance", Special.BIRTH_DATE),
        _optional("birth_place", "lieuNaissance", SHORT),
        _optional("birth_country", "paysNaissance", Special.COUNTRY),
        Field("sex", "sexe", Special.SEX),
        Field("nationalities", "nationalites", Items("nationalite", Special.COUNTRY, 8, 1)),
        Field("former_nationalities", "anciennesNationalites", Items("nationalite", Special.COUNTRY, 8)),
        Field("languages", "langues", Items("langue", Str("CodeLangue"), 12)),
        _optional("civil_status", "situationFamiliale", Code(codes.CivilStatus)),
        Field("documents", "documents", Items("document", DOCUMENT, 20)),
    ),
)
SERVICE = Record(
    model.Service, "Service", (Field("code", "code", Str("CodeService")), Field("name", "libelle", SHORT))
)
ARRIVAL = Record(
    model.Arrival,
    "Arrivee",
    (
        Field("at", "arriveeLe", Simple.INSTANT),
        Field("criterion", "critere", Code(codes.Art3Criterion)),
        _optional("small_boat_event", "evenement", EVENT),
        _optional("place", "lieu", SHORT),
    ),
)
EVIDENCE = Record(
    model.Evidence,
    "ElementPreuve",
    (
        Field("list", "liste", Code(codes.EvidenceList)),
        Field("kind", "nature", Code(codes.EvidenceKind)),
        _optional("attachment", "pieceJointe", CONTENT_ID),
    ),
)
ATTACHMENT = Record(
    model.Attachment,
    "PieceJointe",
    (
        Field("content_id", "identifiantContenu", CONTENT_ID),
        Field("purpose", "objet", Code(codes.AttachmentPurpose)),
        Field("file_name", "nomFichier", SHORT),
        Field("media_type", "typeMedia", Str("TypeMedia")),
        Field("size", "taille", Count("TailleOctets")),
        Field("sha256", "empreinteSha256", Str("Sha256")),
    ),
)
CLAIM = Record(
    model.ClaimStatement,
    "DemandeProtection",
    (
        Field("protection_claim", "etat", Code(codes.ProtectionClaim)),
        _optional("decided_at", "decideeLe", Simple.INSTANT),
    ),
)
CONFIRMATIONS = Record(
    model.Art4Confirmations,
    "ConfirmationsArticle4",
    (
        Field("adult_or_accompanied_minor", "majeurOuMineurAccompagne", Simple.FLAG),
        Field("entered_directly_from_france", "entreeDirecteDepuisFrance", Simple.FLAG),
        Field("no_outstanding_protection_claim", "aucuneDemandeProtectionPendante", Simple.FLAG),
        Field("no_outstanding_human_rights_claim", "aucunGriefDroitsHommePendant", Simple.FLAG),
        Field("no_suspensive_appeal", "aucunRecoursSuspensif", Simple.FLAG),
        Field("no_injunction", "aucuneInjonction", Simple.FLAG),
    ),
)
FAMILY = Record(
    model.FamilyLink,
    "LienFamilial",
    (
        Field("family_reference", "referenceFamille", Str("ReferenceFamille")),
        Field("main_applicant", "demandeurPrincipal", Simple.FLAG),
    ),
)
TRAVEL_DOCUMENT = Record(
    model.TravelDocument,
    "TitreVoyage",
    (
        Field("type", "nature", Code(codes.DocumentType)),
        Field("number", "numero", SHORT),
        _optional("expires_on", "expireLe", Simple.DAY),
    ),
)

_PERSONS = Items("personne", PERSON, PERSONS_MAX, 1)
_ATTACHMENTS = Items("pieceJointe", ATTACHMENT, LIST_MAX)

_BODIES: dict[MessageType, tuple[Field | Choice, ...]] = {
    MessageType.READMISSION_REQUEST: (
        Field("priority", "prioritaire", Simple.FLAG),
        Field("requesting_service", "serviceRequerant", SERVICE),
        Field("receiving_service", "serviceRequis", SERVICE),
        Field("handling_service", "serviceInstructeur", SERVICE),
        _optional("home_office_reference", "referenceHomeOffice", Str("ReferenceHomeOffice")),
        _optional("unique_application_number", "numeroUniqueDemande", Str("NumeroUniqueDemande")),
        Field("persons", "personnes", _PERSONS),
        _optional("family", "famille", FAMILY),
        Field("arrival", "arrivee", ARRIVAL),
        Field("claim", "demandeProtection", CLAIM),
        Field("confirmations", "confirmations", CONFIRMATIONS),
        Field("evidence", "preuves", Items("preuve", EVIDENCE, LIST_MAX)),
        _optional("proposed_place", "lieuPropose", PLACE),
        Field("attachments", "piecesJointes", _ATTACHMENTS),
    ),
    MessageType.ACKNOWLEDGEMENT: (
        Field("of_message", "messageVise", UUID),
        Choice(
            "status",
            codes.AckStatus,
            {codes.AckStatus.REJECTED: Detail("code", "motif", Code(codes.AckCode))},
        ),
        Field("at", "traiteLe", Simple.INSTANT),
    ),
    MessageType.READMISSION_DECISION: (
        Choice(
            "decision",
            codes.ReadmissionDecisionCode,
            {
                codes.ReadmissionDecisionCode.REFUSED: Detail("ground", "motif", Code(codes.RefusalGround)),
                codes.ReadmissionDecisionCode.EXTENSION: Detail("extended_until", "jusquAu", Simple.DAY),
                codes.ReadmissionDecisionCode.INFORMATION_NEEDED: Detail(
                    "information_needed", "element", Code(codes.InformationNeeded), items=True
                ),
            },
        ),
        Field("decided_at", "decideLe", Simple.INSTANT),
    ),
    MessageType.SUPPLEMENTARY_DOCUMENT: (
        _optional("answers", "repondA", Code(codes.InformationNeeded)),
        Field("attachments", "piecesJointes", Items("pieceJointe", ATTACHMENT, LIST_MAX, 1)),
    ),
    MessageType.TRANSFER_NOTICE: (
        Field("mode", "mode", Code(codes.TransferMode)),
        _optional("carrier", "transporteur", SHORT),
        _optional("flight", "vol", FLIGHT),
        Field("departure_place", "lieuDepart", PLACE),
        Field("departure_at", "departLe", Simple.INSTANT),
        Field("arrival_place", "lieuArrivee", PLACE),
        Field("arrival_at", "arriveeLe", Simple.INSTANT),
        Field("escort", "escorte", Code(codes.EscortType)),
        Field("escort_count", "nombreEscorteurs", Count("NombreEscorteurs")),
        Field("needs", "besoins", Items("besoin", Code(codes.TransferNeed), 8)),
        Field("security_measures", "mesuresSecurite", Simple.FLAG),
        Field("earlier_boarding_refusals", "refusEmbarquementAnterieurs", Count("NombreRefus")),
        _optional("travel_document", "titreVoyage", TRAVEL_DOCUMENT),
        Field("confirmations", "confirmations", CONFIRMATIONS),
    ),
    MessageType.TRANSFER_CONFIRMATION: (
        Choice(
            "result",
            codes.TransferConfirmationCode,
            {
                codes.TransferConfirmationCode.ALTERNATIVE_PROPOSED: Detail(
                    "reason", "motif", Code(codes.TransferReason), required=False
                ),
                codes.TransferConfirmationCode.DECLINED: Detail(
                    "reason", "motif", Code(codes.TransferReason)
                ),
            },
        ),
        _optional("place", "lieu", PLACE),
        _optional("at", "prevuLe", Simple.INSTANT),
        _optional("flight", "vol", FLIGHT),
    ),
    MessageType.TRANSFER_OUTCOME: (
        Choice(
            "outcome",
            codes.TransferOutcomeCode,
            {codes.TransferOutcomeCode.FAILED: Detail("reason", "motif", Code(codes.TransferReason))},
        ),
        Field("at", "constateLe", Simple.INSTANT),
        Field("persons_transferred", "nombrePersonnes", PERSON_COUNT),
    ),
    MessageType.TRANSFER_RECEIPT: (
        Field("taken_charge_at", "prisEnChargeLe", Simple.INSTANT),
        Field("place", "lieu", PLACE),
        _optional("flight", "vol", FLIGHT),
        Field("persons_received", "nombrePersonnes", PERSON_COUNT),
    ),
    MessageType.WITHDRAWAL: (
        Field("reason", "motif", Code(codes.WithdrawalReason)),
        Field("at", "retireLe", Simple.INSTANT),
    ),
    MessageType.CORRECTION: (
        Field("corrects", "messageVise", UUID),
        _optional("persons", "personnes", _PERSONS),
        _optional("arrival", "arrivee", ARRIVAL),
    ),
    MessageType.STATUS_UPDATE: (
        Field("code", "statut", Code(codes.StatusUpdateCode)),
        Field("since", "depuis", Simple.INSTANT),
    ),
    MessageType.NOMINATION: (
        Field("priority", "prioritaire", Simple.FLAG),
        Field("nominating_service", "serviceProposant", SERVICE),
        Field("receiving_service", "serviceRequis", SERVICE),
        _optional("expression_of_interest", "manifestationInteret", Str("ManifestationInteret")),
        _optional("gwf", "numeroGwf", Str("NumeroGwf")),
        Field("persons", "personnes", _PERSONS),
        _optional("family", "famille", FAMILY),
        _optional("located_in_france_at", "localiseEnFranceLe", Simple.INSTANT),
        _optional("biometrics_enrolled_at", "biometrieEnregistreeLe", Simple.INSTANT),
        _optional("biometrics_reference", "referenceBiometrie", Str("ReferenceBiometrie")),
        Field("security_checks", "controlesSecurite", Code(codes.SecurityChecks)),
        _optional("photo", "photographie", CONTENT_ID),
        Field("attachments", "piecesJointes", _ATTACHMENTS),
    ),
    MessageType.NOMINATION_RESPONSE: (
        Choice(
            "response",
            codes.NominationResponseCode,
            {codes.NominationResponseCode.OBJECTION: Detail("ground", "motif", Code(codes.ObjectionGround))},
        ),
        Field("decided_at", "decideLe", Simple.INSTANT),
    ),
    MessageType.NOMINATION_OUTCOME: (
        Choice(
            "outcome",
            codes.NominationOutcomeCode,
            {
                codes.NominationOutcomeCode.VISA_GRANTED: Detail(
                    "visa_valid_until", "valableJusquAu", Simple.DAY
                )
            },
        ),
        Field("decided_at", "decideLe", Simple.INSTANT),
    ),
    MessageType.ADMISSION_OUTCOME: (
        Field("outcome", "resultat", Code(codes.AdmissionOutcomeCode)),
        Field("at", "constateLe", Simple.INSTANT),
        Field("persons_admitted", "nombrePersonnes", PERSON_COUNT),
    ),
}

ISO_BY_COG: Mapping[str, str] = iso_by_cog()
"""INSEE code → ISO alpha-3 (contracts.codelists.COUNTRIES_VERSION); what is not in it fails closed."""

BODIES: Mapping[MessageType, Record] = {
    kind: Record(model.BODIES[kind], f"Type{to_french(MessageType)[kind]}", entries)
    for kind, entries in _BODIES.items()
}
