"""Writes ``docs/configuration.md`` from the settings: ``python -m gateway.config_page``."""

from __future__ import annotations

from pathlib import Path

from gateway.config import ENV_PREFIX, SETTINGS_FILE, Settings, section_of, toml_value
from gateway.variables import FOLDER_VARIABLE

PAGE = Path("docs/configuration.md")
_INTRODUCTION = f"""# Settings

Written by `python -m gateway.config_page` from `gateway/config_sections.py`; a test keeps it current.

An instance reads `{SETTINGS_FILE}` in its folder. Every setting is also an environment variable, which wins
over the file: `{ENV_PREFIX}FRANCE__URL` sets `url` in section `[france]`. An unknown name is refused, in the
file and in the environment, and so is a wrong value; the error names the setting and the cure. What weakens
the gateway is called `unsafe_…` and is off; `passerelle check` warns while one is on.

Names that end in `_s` are seconds, names that end in `_bytes` are bytes. Paths are relative to the instance
folder. Restart the gateway and its workers after a change. `{FOLDER_VARIABLE}` is no setting: it names the
folder, as `-C` does.
"""


def configuration_page() -> str:
    """The whole page, Markdown: one table for each section."""
    parts = [_INTRODUCTION]
    for name, field in Settings.model_fields.items():
        section = section_of(field.annotation)
        parts.append(f"## [{name}]\n\n{(section.__doc__ or '').strip()}\n")
        rows = ["| setting | default | meaning |", "|---|---|---|"]
        for key, setting in section.model_fields.items():
            value = "none" if setting.default is None else f"`{toml_value(setting.default)}`"
            meaning = (setting.description or "").replace("|", "\\|")
            rows.append(f"| `{key}` | {value} | {meaning} |")
        parts.append("\n".join(rows) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(configuration_page(), "utf-8")
