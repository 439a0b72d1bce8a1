"""Why a sign-in at the provider did not end well: a closed list, with what helps, for log, page and command.

The person who signs in reads one sentence; whoever runs the gateway needs the cause. No text holds anything
that the provider or the browser sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from gateway.core.errors import PasserelleError
from gateway.core.words import Words


class Cause(StrEnum):
    """What went wrong, as it stands in the log."""

    # the way to the provider
    NO_ADDRESS = "no_address"
    NO_CONNECTION = "no_connection"
    TIMED_OUT = "timed_out"
    TLS = "tls"
    CERTIFICATE_CA = "certificate_ca"
    CERTIFICATE_NAME = "certificate_name"
    CERTIFICATE_DATE = "certificate_date"
    FAULT = "fault"
    # what it publishes
    NO_METADATA = "no_metadata"
    ANSWER = "answer"
    ISSUER = "issuer"
    PLAIN_HTTP = "plain_http"
    # there and back
    BROWSER = "browser"
    OTHER_PROVIDER = "other_provider"
    DENIED = "denied"
    SCOPES = "scopes"
    CLIENT = "client"
    CODE = "code"
    REFUSED = "refused"
    # the ID token
    ALGORITHM = "algorithm"
    KEY = "key"
    SIGNATURE = "signature"
    AUDIENCE = "audience"
    CLOCK = "clock"
    NONCE = "nonce"
    CLAIM = "claim"
    # the person
    NO_ROLE = "no_role"
    ROLES = "roles"
    SIDE = "side"
    NAME = "name"
    NAME_TAKEN = "name_taken"
    NO_ACCOUNT = "no_account"
    DISABLED = "disabled"


class OidcFault(PasserelleError):
    """A sign-in at the provider that did not end well."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(CAUSES[cause].en)
        self.cause = cause


class OidcAway(OidcFault):
    """The provider gave no answer that could be judged."""

    code = "signin.oidc_away"
    http_status = 503
    retry_helps = True


class OidcRefused(OidcFault):
    """The provider, or somebody in its name, gave an answer that proves nothing."""

    code = "signin.oidc_refused"
    http_status = 401


class OidcNoAccount(OidcFault):
    """Somebody whom the provider knows and we do not."""

    code = "signin.oidc_no_account"
    http_status = 403


class UnknownKey(OidcRefused):
    """The token names a key that the JWKS at hand does not hold: fetch it again, once."""

    def __init__(self) -> None:
        super().__init__(Cause.KEY)


CAUSES: Final[Mapping[Cause, Words]] = MappingProxyType(
    {
        Cause.NO_ADDRESS: Words(
            "The provider's host name has no address. Check oidc.issuer and this machine's name server.",
            "Le nom d’hôte du fournisseur d’identité n’a pas d’adresse. Vérifier oidc.issuer et le serveur "
            "DNS de cette machine.",
        ),
        Cause.NO_CONNECTION: Words(
            "The provider takes no connection. Check host and port in oidc.issuer, that it runs, and the "
            "firewalls in between.",
            "Le fournisseur d’identité n’accepte pas la connexion. Vérifier l’hôte et le port dans "
            "oidc.issuer, qu’il fonctionne, et les pare-feu entre les deux.",
        ),
        Cause.TIMED_OUT: Words(
            "The provider did not answer within oidc.timeout_s. Check its load and the firewalls in between.",
            "Le fournisseur d’identité n’a pas répondu dans le délai oidc.timeout_s. Vérifier sa charge et "
            "les pare-feu entre les deux.",
        ),
        Cause.TLS: Words(
            "No TLS connection to the provider. It must offer TLS 1.2 or newer (tls.minimum) at that port.",
            "Pas de connexion TLS avec le fournisseur d’identité. Il doit proposer TLS 1.2 ou une version "
            "plus récente (tls.minimum) sur ce port.",
        ),
        Cause.CERTIFICATE_CA: Words(
            "The provider's TLS certificate is from a CA that is not trusted here. Put that CA into the "
            "folder of oidc.anchors.",
            "Le certificat TLS du fournisseur d’identité est émis par une autorité qui n’est pas reconnue "
            "ici. Placer cette autorité dans le dossier de oidc.anchors.",
        ),
        Cause.CERTIFICATE_NAME: Words(
            "The provider's TLS certificate is for another host name. Use its name in oidc.issuer, or have "
            "the certificate replaced.",
            "Le certificat TLS du fournisseur d’identité porte un autre nom d’hôte. Utiliser ce nom dans "
            "oidc.issuer, ou faire remplacer le certificat.",
        ),
        Cause.CERTIFICATE_DATE: Words(
            "The provider's TLS certificate is not valid today. The provider renews it; check this "
            "machine's clock too.",
            "Le certificat TLS du fournisseur d’identité n’est pas valable aujourd’hui. Le fournisseur le "
            "renouvelle ; vérifier aussi l’horloge de cette machine.",
        ),
        Cause.FAULT: Words(
            "The provider reports a fault of its own, or too many requests. Its log says why.",
            "Le fournisseur d’identité signale une panne de son côté, ou trop de requêtes. Son journal dit "
            "pourquoi.",
        ),
        Cause.NO_METADATA: Words(
            "There is no provider at oidc.issuer: /.well-known/openid-configuration is not there. Correct "
            "the path (Keycloak: /realms/NAME).",
            "Aucun fournisseur d’identité à l’adresse oidc.issuer : /.well-known/openid-configuration est "
            "absent. Corriger le chemin (Keycloak : /realms/NOM).",
        ),
        Cause.ANSWER: Words(
            "The provider's answer cannot be read as OpenID Connect. Check that oidc.issuer is a provider "
            "and that no proxy answers in its place.",
            "La réponse du fournisseur d’identité n’est pas lisible selon OpenID Connect. Vérifier que "
            "oidc.issuer désigne un fournisseur et qu’aucun mandataire ne répond à sa place.",
        ),
        Cause.ISSUER: Words(
            "The provider names itself otherwise than oidc.issuer. Write its issuer exactly as its metadata "
            "say: scheme, host, port, path, last slash.",
            "Le fournisseur d’identité se désigne autrement que oidc.issuer. Reprendre son émetteur "
            "exactement comme ses métadonnées l’indiquent : schéma, hôte, port, chemin, barre finale.",
        ),
        Cause.PLAIN_HTTP: Words(
            "The provider names an address without https in its metadata. Have its public address corrected.",
            "Le fournisseur d’identité indique dans ses métadonnées une adresse sans https. Faire corriger "
            "son adresse publique.",
        ),
        Cause.BROWSER: Words(
            "The sign-in was begun in another browser, took longer than ten minutes, or its answer was used "
            "before. Nothing to correct.",
            "La connexion a été commencée dans un autre navigateur, a duré plus de dix minutes, ou sa "
            "réponse a déjà servi. Rien à corriger.",
        ),
        Cause.OTHER_PROVIDER: Words(
            "The answer names another provider than oidc.issuer, or none. It was not used.",
            "La réponse désigne un autre fournisseur d’identité que oidc.issuer, ou n’en désigne aucun. "
            "Elle n’a pas été utilisée.",
        ),
        Cause.DENIED: Words(
            "The provider sent the person back without signing them in. Its log says why.",
            "Le fournisseur d’identité a renvoyé la personne sans la connecter. Son journal dit pourquoi.",
        ),
        Cause.SCOPES: Words(
            "The provider does not give one of oidc.scopes to our client. Correct the setting, or allow the "
            "scope there.",
            "Le fournisseur d’identité n’accorde pas à notre client l’une des valeurs de oidc.scopes. "
            "Corriger le paramètre, ou autoriser cette portée chez lui.",
        ),
        Cause.CLIENT: Words(
            "The provider refuses our client id or secret. Compare oidc.client_id and the file of "
            "oidc.client_secret_file with the client there.",
            "Le fournisseur d’identité refuse notre identifiant de client ou notre secret. Comparer "
            "oidc.client_id et le fichier de oidc.client_secret_file avec le client déclaré chez lui.",
        ),
        Cause.CODE: Words(
            "The provider does not take the code back that it gave: it is too old, was used before, or "
            "belongs to another sign-in.",
            "Le fournisseur d’identité n’accepte pas le code qu’il a remis : trop ancien, déjà utilisé, ou "
            "d’une autre connexion.",
        ),
        Cause.REFUSED: Words(
            "The provider refused the request of the gateway. Its log says why.",
            "Le fournisseur d’identité a refusé la requête de la passerelle. Son journal dit pourquoi.",
        ),
        Cause.ALGORITHM: Words(
            "The provider signs ID tokens with an algorithm that oidc.algorithms does not hold. Change it "
            "for our client there.",
            "Le fournisseur d’identité signe les jetons d’identité avec un algorithme absent de "
            "oidc.algorithms. Le changer chez lui pour notre client.",
        ),
        Cause.KEY: Words(
            "The provider does not publish the key that signed the ID token, or not clearly which one it is.",
            "Le fournisseur d’identité ne publie pas la clé qui a signé le jeton d’identité, ou n’indique "
            "pas clairement laquelle.",
        ),
        Cause.SIGNATURE: Words(
            "The signature of the ID token does not verify. If it happens again, tell the security team.",
            "La signature du jeton d’identité n’est pas valable. Si cela se reproduit, prévenir l’équipe de "
            "sécurité.",
        ),
        Cause.AUDIENCE: Words(
            "The ID token is for another client. Compare oidc.client_id with the client at the provider.",
            "Le jeton d’identité est destiné à un autre client. Comparer oidc.client_id avec le client "
            "déclaré chez le fournisseur d’identité.",
        ),
        Cause.CLOCK: Words(
            "The times in the ID token are more than a minute off this machine's clock. Set both clocks "
            "(NTP).",
            "Les heures du jeton d’identité s’écartent de plus d’une minute de l’horloge de cette machine. "
            "Mettre les deux à l’heure (NTP).",
        ),
        Cause.NONCE: Words(
            "The ID token belongs to another sign-in. If it happens again, tell the security team.",
            "Le jeton d’identité appartient à une autre connexion. Si cela se reproduit, prévenir l’équipe "
            "de sécurité.",
        ),
        Cause.CLAIM: Words(
            "The ID token lacks a claim that OpenID Connect demands, or one has a wrong value.",
            "Il manque au jeton d’identité une donnée exigée par OpenID Connect, ou l’une d’elles a une "
            "valeur incorrecte.",
        ),
        Cause.NO_ROLE: Words(
            "The ID token has no value in oidc.roles_claim that oidc.roles maps. Give the person the group "
            "at the provider, and have the claim added to the ID token.",
            "Le jeton d’identité n’a dans oidc.roles_claim aucune valeur prévue par oidc.roles. Donner le "
            "groupe à la personne chez le fournisseur d’identité, et faire ajouter la donnée au jeton.",
        ),
        Cause.ROLES: Words(
            "The provider gives the person roles that exclude each other (administrator and one that sends).",
            "Le fournisseur d’identité donne à la personne des rôles incompatibles (administrateur et un "
            "rôle qui envoie).",
        ),
        Cause.SIDE: Words(
            "The ID token does not say once, in oidc.side_claim, which side the person is of (oidc.sides).",
            "Le jeton d’identité n’indique pas une seule fois, dans oidc.side_claim, le côté de la personne "
            "(oidc.sides).",
        ),
        Cause.NAME: Words(
            "The claim oidc.name_claim has no name that an account can have: lower case letters, digits and "
            ". _ @ -, 64 at the most.",
            "La donnée oidc.name_claim ne contient pas de nom utilisable pour un compte : minuscules, "
            "chiffres et . _ @ -, 64 au plus.",
        ),
        Cause.NAME_TAKEN: Words(
            "An account with this name is there already and belongs to somebody else. It was not opened.",
            "Un compte de ce nom existe déjà et appartient à quelqu’un d’autre. Il n’a pas été ouvert.",
        ),
        Cause.NO_ACCOUNT: Words(
            "There is no account for this person, and none is made by itself: passerelle users add NAME "
            "--oidc-subject SUBJECT, or oidc.roles with oidc.create_accounts.",
            "Cette personne n’a pas de compte, et aucun n’est créé automatiquement : passerelle users add "
            "NOM --oidc-subject SUJET, ou oidc.roles avec oidc.create_accounts.",
        ),
        Cause.DISABLED: Words(
            "The account is disabled here. An administrator may enable it on the page Users.",
            "Le compte est désactivé ici. Un administrateur peut le réactiver à la page Utilisateurs.",
        ),
    }
)
"""What was seen and what helps. Settings are named as they are written."""
