"""One setting changed in passerelle.toml, and nothing else."""

from __future__ import annotations

import tomllib

import pytest

from gateway.config import settings_text
from gateway.core.errors import ConfigError
from gateway.partners.settings_edit import with_setting

URL = "https://as4.ministere.example/as4"


def test_a_commented_default_is_set_in_its_place() -> None:
    """The line keeps its explanation; every other line stays as it was."""
    before = settings_text({})
    after = with_setting(before, "france", "url", URL)
    changed = [(a, b) for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b]
    ((old, new),) = changed
    assert new == f'url = "{URL}"  # the https address of the access point'
    assert old.startswith("# url")
    assert tomllib.loads(after) == {**tomllib.loads(before), "france": {"url": URL}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f'[france]\nurl = "{URL}"\n'),
        ("[as4]\nport = 1", f'[as4]\nport = 1\n\n[france]\nurl = "{URL}"\n'),
        ('[france]\nurl = "https://old.example/as4"  # ours\n', f'[france]\nurl = "{URL}"  # ours\n'),
        (
            "[france] # them\nconnections = 2\n[as4]\n",
            f'[france] # them\nurl = "{URL}"\nconnections = 2\n[as4]\n',
        ),
        (
            "[france]\n# url = \"https://x.example\"\nurl = 'https://y.example'\n",
            f'[france]\n# url = "https://x.example"\nurl = "{URL}"\n',
        ),
    ],
    ids=["empty", "no-section", "set", "no-line", "set-below-its-comment"],
)
def test_the_edit_touches_one_line(before: str, after: str) -> None:
    """Wherever the setting stands, or does not."""
    assert with_setting(before, "france", "url", URL) == after


@pytest.mark.parametrize(
    "before",
    [
        'france = { url = "https://old.example/as4" }\n',
        'france.url = "https://old.example/as4"\n',
        '[france]\nurl = """https://old.example/as4"""\n',
        "[france\n",
        '[uk_api]\npublic_url = """\n[france]\nurl = "x"\n"""\n[france]\nurl = "https://old.example/as4"\n',
    ],
    ids=["inline", "dotted", "multi-line", "broken", "section-inside-a-string"],
)
def test_what_cannot_be_edited_safely_is_left_to_the_operator(before: str) -> None:
    """Nothing is guessed: the error shows the very line to set."""
    with pytest.raises(ConfigError) as caught:
        with_setting(before, "france", "url", URL)
    assert caught.value.detail == (
        f'set this line in passerelle.toml, section france, yourself: url = "{URL}"'
    )


def test_a_wrong_value_is_refused_by_the_settings() -> None:
    """The edited file must be one that the gateway would start with."""
    with pytest.raises(ConfigError, match="plain http is allowed on loopback only"):
        with_setting("", "france", "url", "http://as4.ministere.example/as4")
