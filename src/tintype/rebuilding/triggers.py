"""Settings of Luigi's configuration that hold for one block, and are afterwards as they were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from luigi import configuration

from tintype.errors import SettingsError
from tintype.settings import TRIGGERS, read_settings


@contextmanager
def triggers_off(ignore: str | Iterable[str]) -> Iterator[None]:
    """Let some kinds of difference not count until the end of the block, here and in the workers that Luigi forks.

    A stage with ``triggers`` of its own keeps them.

    Parameters
    ----------
    ignore
        Any of ``version``, ``parameters``, ``inputs`` and ``code``, also with commas between.

    Raises
    ------
    SettingsError
        When one is not known.
    """
    names = {name.strip() for text in ([ignore] if isinstance(ignore, str) else ignore) for name in text.split(",")}
    names.discard("")
    unknown = sorted(names - set(TRIGGERS))
    if unknown:
        raise SettingsError(f"{unknown[0]!r} cannot be ignored: give any of {', '.join(TRIGGERS)}")
    if not names:
        yield
        return
    counting = [name for name in read_settings().triggers if name not in names]
    with setting("tintype", "triggers", ",".join(counting) or "none"):
        yield


@contextmanager
def setting(section: str, name: str, value: str) -> Iterator[None]:
    """Set one value of Luigi's configuration until the end of the block."""
    config = configuration.get_config()
    known = config.has_option(section, name)
    before = config.get(section, name) if known else None
    config.set(section, name, value)
    try:
        yield
    finally:
        if known:
            config.set(section, name, before)
        elif hasattr(config, "remove_option"):
            config.remove_option(section, name)
        else:  # TOML
            del config.data[section][name]
