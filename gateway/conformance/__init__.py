"""Conformance runs against a partner's access point, for a test day (docs/conformance.md).

``run_conformance(target)`` sends good and bad AS4 messages, judges each answer and gives a ``Report``;
``gateway.conformance.report`` writes it as JSON, HTML or Markdown in English or French.
"""

from gateway.conformance.model import Report, Result, Target, Verdict
from gateway.conformance.runner import run_conformance

__all__ = ["Report", "Result", "Target", "Verdict", "run_conformance"]
