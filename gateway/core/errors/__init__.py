"""The one error tree. Each class carries its wire code on either side, whether a retry helps, whose side.

Library errors are translated once, at the border, ``from`` their cause. No text of an error ever holds
a value out of a message (no personal data). An exception outside this tree (and ``contracts.ports``)
is a bug.

``base`` what all share · ``as4`` refusals of AS4 messages · ``delivery`` attempts that failed ·
``api`` problems of the UK API · ``running`` the gateway itself. All are imported from here.
"""

# ruff: noqa: F403 — one tree for its users: a new error stands in one place, its own module
from gateway.core.errors.api import *
from gateway.core.errors.as4 import *
from gateway.core.errors.base import *
from gateway.core.errors.delivery import *
from gateway.core.errors.running import *
