"""Every field of the canonical model: its words on both sides, and how it is shown while it is masked.

A test proves that no field of the model is missing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from gateway.core.words import Words


class Mask(StrEnum):
    SHOW = "show"
    """Says nothing about a person by itself: codes of the procedure, services, counts."""
    HIDE = "hide"
    """Names, places of birth, health, languages: nothing is shown."""
    YEAR = "year"
    """Dates of a person: the year tells adults from minors and valid from expired documents."""
    LAST = "last"
    """Numbers: the last two characters, to be compared on the telephone."""


_ROWS: Final = """
adult_or_accompanied_minor|SHOW|Adult or accompanied minor|Majeur ou mineur accompagné
answers|SHOW|Answers|Répond à
arrival|SHOW|Arrival in the UK|Arrivée au Royaume-Uni
arrival_at|SHOW|Arrival|Arrivée
arrival_place|SHOW|Place of arrival|Lieu d'arrivée
at|SHOW|Date and time|Date et heure
attachment|HIDE|Attachment|Pièce jointe
attachments|SHOW|Attachment|Pièce jointe
biometrics_enrolled_at|HIDE|Biometrics enrolled|Relevé biométrique
biometrics_reference|LAST|Biometrics reference|Référence biométrique
birth_country|HIDE|Country of birth|Pays de naissance
birth_date|YEAR|Date of birth|Date de naissance
birth_place|HIDE|Place of birth|Lieu de naissance
carrier|SHOW|Carrier|Transporteur
civil_status|HIDE|Civil status|Situation de famille
claim|SHOW|Protection claim|Demande de protection
code|SHOW|Code|Code
confirmations|SHOW|Confirmations (Art 4)|Confirmations (art. 4)
content_id|HIDE|Part|Partie
corrects|SHOW|Corrects message|Rectifie le message
criterion|SHOW|Criterion (Art 3)|Critère (art. 3)
decided_at|SHOW|Decided|Décision du
decision|SHOW|Decision|Décision
departure_at|SHOW|Departure|Départ
departure_place|SHOW|Place of departure|Lieu de départ
documents|SHOW|Document|Document
earlier_boarding_refusals|HIDE|Earlier refusals to board|Refus d'embarquement antérieurs
entered_directly_from_france|SHOW|Entered directly from France|Entré directement depuis la France
escort|HIDE|Escort|Escorte
escort_count|HIDE|Number of escorts|Nombre d'escorteurs
evidence|SHOW|Evidence|Élément de preuve
expires_on|YEAR|Expires|Expire le
expression_of_interest|LAST|Expression of interest|Manifestation d'intérêt
extended_until|SHOW|Extended until|Prolongé jusqu'au
family|SHOW|Family|Famille
family_name|HIDE|Family name|Nom
family_reference|LAST|Family reference|Référence familiale
file_name|HIDE|File name|Nom du fichier
flight|SHOW|Flight|Vol
former_nationalities|HIDE|Former nationalities|Anciennes nationalités
given_names|HIDE|Given names|Prénoms
ground|SHOW|Ground|Motif
gwf|LAST|GWF number|Numéro GWF
handling_service|SHOW|Handling service|Service chargé du dossier
home_office_reference|LAST|Home Office reference|Référence du Home Office
information_needed|SHOW|Information needed|Informations demandées
issued_on|YEAR|Issued|Délivré le
issuing_authority|HIDE|Issuing authority|Autorité de délivrance
issuing_country|HIDE|Issuing country|Pays de délivrance
kind|SHOW|Kind|Nature
languages|HIDE|Languages|Langues
list|SHOW|List|Liste
located_in_france_at|HIDE|Located in France|Localisé en France
main_applicant|SHOW|Main applicant|Demandeur principal
media_type|SHOW|Media type|Type de fichier
mode|SHOW|Means of transfer|Mode de remise
name|HIDE|Name|Nom
nationalities|HIDE|Nationalities|Nationalités
needs|HIDE|Needs during the transfer|Besoins pendant la remise
no_injunction|SHOW|No injunction|Pas d'injonction
no_outstanding_human_rights_claim|SHOW|No outstanding human rights claim|Pas de recours (droits humains)
no_outstanding_protection_claim|SHOW|No outstanding protection claim|Pas de demande de protection en cours
no_suspensive_appeal|SHOW|No suspensive appeal|Pas de recours suspensif
nominating_service|SHOW|Nominating service|Service proposant
number|LAST|Number|Numéro
of_message|SHOW|Of message|Du message
other_names|HIDE|Other name|Autre nom
outcome|SHOW|Outcome|Issue
persons|SHOW|Person|Personne
persons_admitted|SHOW|Persons admitted|Personnes admises
persons_received|SHOW|Persons taken in charge|Personnes prises en charge
persons_transferred|SHOW|Persons transferred|Personnes remises
photo|HIDE|Photograph|Photographie
place|SHOW|Place|Lieu
priority|SHOW|Priority|Priorité
proposed_place|SHOW|Proposed place|Lieu proposé
protection_claim|SHOW|State of the claim|État de la demande
purpose|HIDE|Purpose|Objet
reason|SHOW|Reason|Motif
receiving_service|SHOW|Receiving service|Service destinataire
requesting_service|SHOW|Requesting service|Service requérant
response|SHOW|Response|Réponse
result|SHOW|Result|Résultat
role|SHOW|Role|Qualité
security_checks|HIDE|Security checks|Contrôles de sécurité
security_measures|HIDE|Security measures|Mesures de sécurité
sex|HIDE|Sex|Sexe
sha256|HIDE|SHA-256|SHA-256
since|SHOW|Since|Depuis
size|SHOW|Size in bytes|Taille en octets
small_boat_event|LAST|Small boat event|Événement maritime
status|SHOW|Status|Statut
taken_charge_at|SHOW|Taken in charge|Prise en charge
travel_document|SHOW|Travel document|Document de voyage
type|HIDE|Type|Type
unique_application_number|LAST|Unique application number|Numéro unique de demande
visa_valid_until|SHOW|Visa valid until|Visa valable jusqu'au
year|YEAR|Year|Année
month|HIDE|Month|Mois
day|HIDE|Day|Jour
"""


def _table() -> dict[str, tuple[Words, Mask]]:
    rows = [line.split("|") for line in _ROWS.strip().splitlines()]
    return {name: (Words(en, fr), Mask[mask]) for name, mask, en, fr in rows}


FIELDS: Final[Mapping[str, tuple[Words, Mask]]] = _table()
