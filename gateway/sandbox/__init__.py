"""The simulated French ministry: its own process, folder, keys and memory, real AS4 over HTTPS."""

from gateway.sandbox.setup import (
    RunningSandbox,
    SandboxSettings,
    init,
    run_sandbox,
    serving,
    trust_each_other,
)

__all__ = ["RunningSandbox", "SandboxSettings", "init", "run_sandbox", "serving", "trust_each_other"]
