"""Options that several commands share, given to a command as the one value that is made of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

Command = Callable[..., None]


def taking(name: str, make: Callable[..., Any]) -> Callable[[Command], Command]:
    """The options of ``make`` take the place of the parameter ``name`` of the command, which gets what
    ``make`` returns for them."""
    options = inspect.signature(make, eval_str=True).parameters

    def around(command: Command) -> Command:
        def wrapped(**values: Any) -> None:
            made = make(**{option: values.pop(option) for option in options})
            command(**values, **{name: made})

        kept: list[inspect.Parameter] = []
        for parameter in inspect.signature(command, eval_str=True).parameters.values():
            kept += options.values() if parameter.name == name else [parameter]
        kept = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in kept]
        for about in ("__module__", "__name__", "__qualname__", "__doc__"):
            setattr(wrapped, about, getattr(command, about))
        wrapped.__signature__ = inspect.Signature(kept)  # type: ignore[attr-defined]  # typer reads it
        wrapped.__annotations__ = {p.name: p.annotation for p in kept}
        return wrapped

    return around
