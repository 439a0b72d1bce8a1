"""Metrics and traces as configured: what is refused, and that OpenTelemetry is only needed when asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gateway.config import make_settings
from gateway.config_telemetry import Tracing
from gateway.core.errors import ConfigError
from gateway.tracing import make_tracing

_BLOCKED = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {'opentelemetry', 'requests'}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
import gateway.bootstrap, gateway.cli.main
from gateway.config_telemetry import Tracing
from gateway.core.errors import ConfigError
from gateway.tracing import make_tracing
assert make_tracing(Tracing()) is None
try:
    make_tracing(Tracing(endpoint='https://otel.example/v1/traces'))
except ConfigError as exc:
    assert 'passerelle[tracing]' in exc.detail
else:
    raise SystemExit('no error')
assert 'opentelemetry' not in sys.modules
"""


@pytest.mark.parametrize(
    "values",
    [
        {"tracing": {"endpoint": "http://otel.example/v1/traces"}},
        {"tracing": {"endpoint": "ftp://otel.example/v1/traces"}},
        {"tracing": {"endpoint": "https://user:secret@otel.example/"}},
        {"tracing": {"sample": 1.5}},
        {"metrics": {"host": "192.0.2.1", "port": 9464}},
        {"metrics": {"cache_s": 1}},
    ],
)
def test_what_is_unsafe_or_senseless_is_refused(values: dict[str, dict[str, object]]) -> None:
    """Plain http beyond this machine, shares above one, figures read more often than every five seconds."""
    with pytest.raises(ConfigError):
        make_settings(values)


def test_without_the_extra_everything_else_works() -> None:
    """The gateway imports and runs without OpenTelemetry; asked for traces, it says what to install."""
    done = subprocess.run([sys.executable, "-c", _BLOCKED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_without_an_endpoint_there_is_no_tracing() -> None:
    """Off is the default."""
    assert make_tracing(Tracing()) is None
    assert make_settings({}).tracing.endpoint is None
