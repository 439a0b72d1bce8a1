"""Keys of an instance: making, loading, listing and rotating them."""

from gateway.keys.instance import (
    FR,
    UK,
    Identity,
    KeyRow,
    add_profile,
    generate_instance,
    generate_pair,
    install_trust,
    list_keys,
    rotate,
)
from gateway.keys.keyring import KeyRing, load_keyring

__all__ = [
    "KeyRing",
    "load_keyring",
    "Identity",
    "UK",
    "FR",
    "generate_instance",
    "generate_pair",
    "install_trust",
    "KeyRow",
    "list_keys",
    "rotate",
    "add_profile",
]
