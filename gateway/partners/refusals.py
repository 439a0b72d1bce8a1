"""Why something a partner gave us is refused: one table, each with its cure, in English and French.

Texts name files, dates, lengths and distinguished names of certificates; never anything secret.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from contracts.ports import Problem
from gateway.core.errors import PartnerRefused
from gateway.partners.text import printable

TEXTS: Final = MappingProxyType[str, tuple[str, str]](
    {
        "not_a_certificate": (
            "this is no certificate in PEM, DER or PKCS#7; ask the partner for one of these",
            "ce n'est pas un certificat PEM, DER ou PKCS#7 ; demandez-en un au partenaire",
        ),
        "private_key": (
            (
                "the file holds a private key, so this key is no longer secret; delete the file and ask "
                "the partner for a certificate over a new key"
            ),
            (
                "le fichier contient une clé privée, qui n'est donc plus secrète ; effacez le fichier et "
                "demandez au partenaire un certificat sur une nouvelle clé"
            ),
        ),
        "request": (
            "this is a certificate request, not a certificate; ask the partner for what its CA issued",
            (
                "c'est une demande de certificat ; demandez au partenaire le certificat délivré par son "
                "autorité"
            ),
        ),
        "too_large": (
            "the file is larger than {limit} bytes; give the certificate alone",
            "le fichier dépasse {limit} octets ; donnez le certificat seul",
        ),
        "unreadable": (
            "the file cannot be read; correct the name or its permissions",
            "le fichier ne peut être lu ; corrigez le nom ou les droits",
        ),
        "malformed": (
            "the certificate is malformed ({why}); ask the partner for one of its CA",
            "le certificat est mal formé ({why}) ; demandez au partenaire celui de son autorité",
        ),
        "several": (
            "{count} certificates may {purpose}; give the one that the partner uses now",
            "{count} certificats conviennent ({purpose}) ; donnez celui que le partenaire emploie",
        ),
        "is_ca": (
            "this is the certificate of a CA, not of the access point; give it with --ca",
            "c'est le certificat d'une autorité, non du point d'accès ; donnez-le avec --ca",
        ),
        "not_a_ca": (
            "this is not the certificate of a CA; give the CA that issued the partner's certificate",
            "ce n'est pas le certificat d'une autorité ; donnez celui de l'autorité émettrice",
        ),
        "wrong_usage": (
            (
                "the key usage does not allow to {purpose}; ask the partner for its certificate for that "
                "purpose"
            ),
            (
                "l'usage de clé ne convient pas ({purpose}) ; demandez au partenaire le certificat prévu "
                "pour cela"
            ),
        ),
        "no_encryption": (
            "nothing to encrypt to: the certificate only signs; give --encryption-certificate too",
            ("rien pour chiffrer : ce certificat ne fait que signer ; donnez aussi --encryption-certificate"),
        ),
        "no_signing": (
            "no certificate that signs is given or installed; give it with --certificate",
            "aucun certificat de signature n'est donné ni installé ; donnez-le avec --certificate",
        ),
        "key_type": (
            ("the key is {key}; the agreed P-Modes need {wanted}; ask for a certificate over such a key"),
            ("la clé est {key} ; les P-Modes convenus demandent {wanted} ; demandez un tel certificat"),
        ),
        "weak_key": (
            (
                "the RSA key has {bits} bits; at least {least} are needed; ask for a certificate over a "
                "longer key"
            ),
            (
                "la clé RSA a {bits} bits ; il en faut {least} ; demandez un certificat sur une clé plus "
                "longue"
            ),
        ),
        "weak_signature": (
            "the CA signed this certificate with {hash}; ask for one signed with SHA-256 or better",
            ("l'autorité a signé ce certificat avec {hash} ; demandez-en un signé avec SHA-256 au moins"),
        ),
        "expired": (
            "the certificate expired on {until}; ask the partner for its current one",
            "le certificat a expiré le {until} ; demandez au partenaire le certificat actuel",
        ),
        "not_yet_valid": (
            (
                "the certificate is valid from {start} only, and none is valid until then; wait, or ask "
                "for one that is valid now"
            ),
            (
                "le certificat ne vaut qu'à partir du {start}, et aucun ne vaut jusque-là ; attendez, ou "
                "demandez-en un déjà valable"
            ),
        ),
        "revoked": (
            "the certificate is on a revocation list of its CA; ask the partner for a new one",
            "le certificat est révoqué par son autorité ; demandez-en un nouveau au partenaire",
        ),
        "no_chain": (
            (
                "it does not chain to an anchor; its issuer is {issuer}; give that CA (and those above "
                "it) with --ca"
            ),
            "aucune ancre ne mène à lui ; l'émetteur est {issuer} ; donnez cette autorité avec --ca",
        ),
        "ours": (
            "this is our own certificate or key ({place}); ask the partner for its own",
            "c'est notre propre certificat ou clé ({place}) ; demandez au partenaire le sien",
        ),
        "other_party": (
            (
                "this certificate or its key belongs to another party already ({place}); ask the partner "
                "for its own"
            ),
            (
                "ce certificat ou sa clé est déjà à une autre partie ({place}) ; demandez au partenaire "
                "le sien"
            ),
        ),
        "no_ski": (
            (
                "it has no subject key identifier, and the partner refers to keys by it; ask for a "
                "certificate that has one, or agree on another --key-reference"
            ),
            (
                "il n'a pas d'identifiant de clé (SKI), que le partenaire emploie ; demandez un "
                "certificat qui en a un, ou convenez d'un autre --key-reference"
            ),
        ),
        "metadata": (
            "the metadata cannot be used: {why}; docs/partners/README.md shows the format",
            "les métadonnées sont inutilisables : {why} ; voyez docs/partners/README.md",
        ),
        "metadata_party": (
            "the metadata is of party {given}, the agreement names {wanted}; correct one of the two",
            "les métadonnées sont de {given}, l'accord nomme {wanted} ; corrigez l'un ou l'autre",
        ),
        "url": (
            "the address is refused: {why}",
            "l'adresse est refusée : {why}",
        ),
        "url_differs": (
            "the address is {given}, but {present} is set; give --replace to change it",
            "l'adresse est {given}, mais {present} est réglée ; donnez --replace pour la changer",
        ),
        "fingerprint": (
            (
                "its SHA-256 fingerprint is not the one that was confirmed; do not install it, call the "
                "partner again"
            ),
            (
                "son empreinte SHA-256 n'est pas celle qui a été confirmée ; ne l'installez pas, rappelez"
                " le partenaire"
            ),
        ),
        "fingerprint_missing": (
            ("its fingerprint was not confirmed; give --fingerprint as the partner read it on the phone"),
            "son empreinte n'a pas été confirmée ; donnez --fingerprint tel que lu au téléphone",
        ),
        "fingerprint_form": (
            "a --fingerprint is 64 hexadecimal digits (SHA-256); type it again",
            "--fingerprint compte 64 chiffres hexadécimaux (SHA-256) ; retapez-le",
        ),
        "fingerprint_unknown": (
            "a --fingerprint is of none of the certificates given; check which file it belongs to",
            (
                "un --fingerprint ne correspond à aucun certificat donné ; cherchez à quel fichier il "
                "appartient"
            ),
        ),
        "nothing": (
            "nothing is given; give --certificate, --metadata, --ca or --url",
            "rien n'est donné ; donnez --certificate, --metadata, --ca ou --url",
        ),
    }
)
"""Code (without ``partner.``) → text in English, in French; ``{…}`` are filled in."""


def problem(code: str, source: str, **values: object) -> Problem:
    """One refusal; ``source`` names the file (or option) as the operator gave it. Raises KeyError."""
    english, french = TEXTS[code]
    return Problem(
        path=source,
        code=f"partner.{code}",
        message_en=printable(english.format(**values)),
        message_fr=printable(french.format(**values)),
    )


def refuse(code: str, source: str, **values: object) -> PartnerRefused:
    """The error of one refusal, to be raised."""
    return refused((problem(code, source, **values),))


def refused(problems: tuple[Problem, ...]) -> PartnerRefused:
    """The error of several refusals, to be raised."""
    return PartnerRefused("refused, nothing was changed", problems=problems)
