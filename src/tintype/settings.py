"""Settings: the ``[tintype]`` section of Luigi's configuration, read when asked, never at import."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal

from tintype.errors import SettingsError

DEFAULT_MAX_IMAGE_PIXELS = 178_956_970
"""Pixels an image may have: the number at which Pillow itself refuses a decompression bomb (half a gigabyte of RGB)."""

TRIGGERS = ("version", "parameters", "inputs", "code")
"""The kinds of difference that have a stage built again, and that can be switched off."""

Progress = Literal["auto", "bar", "log", "none"]


@dataclass(frozen=True)
class Settings:
    """What holds for every stage of a process.

    Examples
    --------
    In ``luigi.cfg``::

        [tintype]
        n_jobs = 8
        durable = false
    """

    n_jobs: int
    """Files worked on at once where a stage does not say; by default the number of usable cores."""
    durable: bool = True
    """Make a directory durable (syncfs, fsync) before it is published."""
    progress: Progress = "auto"
    """``bar`` on a terminal and ``log`` lines elsewhere (``auto``), or one of them, or ``none``."""
    triggers: tuple[str, ...] = TRIGGERS
    """What has a stage built again when it differs, where the stage does not say: any of ``version``, ``parameters``,
    ``inputs`` and ``code``, with commas between."""
    track_versions: tuple[str, ...] = ()
    """Distributions, such as ``scikit-image``, of which another installed version counts as other code."""
    max_image_pixels: int = DEFAULT_MAX_IMAGE_PIXELS
    """Images with more pixels (rows times columns) are errors."""
    s3_endpoint: str | None = None
    """URL of the S3 service; None where boto3's own configuration says, in the end Amazon's."""
    s3_region: str | None = None
    """Region of the S3 service; None where boto3's own configuration says."""
    s3_profile: str | None = None
    """Profile of ``~/.aws/config`` that S3 is asked with; None where boto3's own configuration says."""
    s3_anonymous: bool = False
    """Ask S3 without credentials, for public buckets."""
    s3_requester_pays: bool = False
    """Agree to pay for what is fetched from buckets of the kind where the requester pays."""
    reports_url: str | None = None
    """Where a web server shows ``<base_dir>/reports``: luigid's page then leads to a stage's report there. A browser
    follows no link from a web page to a file, so without it the link has to be copied."""


def count_usable_cores() -> int:
    """Return the number of cores that this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_triggers() -> tuple[str, ...]:
    """Read ``[tintype] triggers`` alone: it is asked for with each stage, whenever Luigi asks what is complete."""
    from luigi import configuration

    return _read_names(configuration.get_config(), "triggers", TRIGGERS, TRIGGERS)


def read_track_versions() -> tuple[str, ...]:
    """Read ``[tintype] track_versions`` alone."""
    from luigi import configuration

    return _read_names(configuration.get_config(), "track_versions", ())


def _read_names(config: Any, name: str, default: tuple[str, ...], known: tuple[str, ...] = ()) -> tuple[str, ...]:
    text = str(config.get("tintype", name, ",".join(default)))
    names = tuple(part.strip() for part in text.split(",") if part.strip() and part.strip() != "none")
    unknown = sorted(set(names) - set(known)) if known else []
    if unknown:
        raise SettingsError(
            f"[tintype] {name} = {text!r} in Luigi's configuration: {unknown[0]!r} is none of {', '.join(known)}"
        )
    return names


def read_settings() -> Settings:
    """Read the ``[tintype]`` section of Luigi's configuration as it is now.

    Raises
    ------
    SettingsError
        When a value cannot be used; the message names the setting, the value and what would do.
    """
    from luigi import configuration

    config = configuration.get_config()

    def read_int(name: str, default: int) -> int:
        text = str(config.get("tintype", name, default))
        try:
            value = int(text)
        except ValueError:
            value = 0
        if value < 1:
            raise SettingsError(
                f"[tintype] {name} = {text!r} in Luigi's configuration: give a whole number, at least 1"
            )
        return value

    def read_choice(name: str, default: str, choices: dict[str, str]) -> str:
        text = str(config.get("tintype", name, default)).strip().lower()
        if text not in choices:
            raise SettingsError(
                f"[tintype] {name} = {text!r} in Luigi's configuration: give one of {', '.join(choices)}"
            )
        return choices[text]

    def read_text(name: str) -> str | None:
        return str(config.get("tintype", name, "")).strip() or None

    truth = {"true": "true", "false": "false", "yes": "true", "no": "false", "1": "true", "0": "false"}
    progress: dict[str, Progress] = {"auto": "auto", "bar": "bar", "log": "log", "none": "none"}
    return Settings(
        n_jobs=read_int("n_jobs", count_usable_cores()),
        durable=read_choice("durable", "true", truth) == "true",
        progress=progress[read_choice("progress", "auto", {name: name for name in progress})],
        triggers=_read_names(config, "triggers", TRIGGERS, TRIGGERS),
        track_versions=_read_names(config, "track_versions", ()),
        max_image_pixels=read_int("max_image_pixels", DEFAULT_MAX_IMAGE_PIXELS),
        s3_endpoint=read_text("s3_endpoint"),
        s3_region=read_text("s3_region"),
        s3_profile=read_text("s3_profile"),
        s3_anonymous=read_choice("s3_anonymous", "false", truth) == "true",
        s3_requester_pays=read_choice("s3_requester_pays", "false", truth) == "true",
        reports_url=read_text("reports_url"),
    )
