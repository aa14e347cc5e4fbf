"""Behaviour of tintype.settings."""

import os
import subprocess
import sys
from dataclasses import FrozenInstanceError

import pytest
from luigi import configuration

from tintype.errors import SettingsError
from tintype.settings import DEFAULT_MAX_IMAGE_PIXELS, Settings, count_usable_cores, read_settings


@pytest.fixture
def configure():
    """Return a function that puts a value into the [tintype] section."""
    return lambda name, value: configuration.get_config().set("tintype", name, value)


def test_without_a_section_there_are_defaults():
    assert read_settings() == Settings(
        n_jobs=count_usable_cores(), durable=True, progress="auto", max_image_pixels=DEFAULT_MAX_IMAGE_PIXELS
    )


def test_each_setting_is_read(configure):
    for name, value in {"n_jobs": "7", "durable": "false", "progress": "log", "max_image_pixels": "1000"}.items():
        configure(name, value)
    assert read_settings() == Settings(n_jobs=7, durable=False, progress="log", max_image_pixels=1000)


def test_a_setting_is_read_when_it_is_asked_for(configure):
    before = read_settings()
    configure("n_jobs", str(before.n_jobs + 1))
    assert read_settings().n_jobs == before.n_jobs + 1


@pytest.mark.parametrize(
    ("text", "durable"),
    [("true", True), ("True", True), ("YES", True), ("1", True), ("false", False), (" no ", False), ("0", False)],
)
def test_truth_is_written_in_the_usual_ways(configure, text, durable):
    configure("durable", text)
    assert read_settings().durable is durable


@pytest.mark.parametrize("progress", ["auto", "bar", "log", "none", "LOG"])
def test_progress_is_one_of_four(configure, progress):
    configure("progress", progress)
    assert read_settings().progress == progress.lower()


@pytest.mark.parametrize("name", ["n_jobs", "max_image_pixels"])
@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "", "1e6"])
def test_a_number_that_cannot_be_used_is_refused_with_its_name_and_value(configure, name, text):
    configure(name, text)
    with pytest.raises(SettingsError, match=rf"\[tintype\] {name} = '{text}' .*: give a whole number, at least 1"):
        read_settings()


@pytest.mark.parametrize(
    ("name", "text", "choices"),
    [
        ("durable", "perhaps", "true, false, yes, no, 1, 0"),
        ("durable", "", "true, false"),
        ("progress", "loud", "auto, bar, log, none"),
    ],
)
def test_a_choice_that_is_none_is_refused_with_those_there_are(configure, name, text, choices):
    configure(name, text)
    with pytest.raises(SettingsError, match=rf"\[tintype\] {name} = '{text}' in Luigi's .*: give one of {choices}"):
        read_settings()


def test_settings_do_not_change():
    with pytest.raises(FrozenInstanceError, match="n_jobs"):
        read_settings().n_jobs = 2  # type: ignore[misc]


def test_luigi_cfg_is_where_settings_come_from(tmp_path):
    (tmp_path / "luigi.cfg").write_text("[tintype]\nn_jobs = 3\nprogress = none\n")
    code = "from tintype.settings import read_settings; s = read_settings(); print(s.n_jobs, s.progress)"
    shown = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (shown.stdout, shown.stderr) == ("3 none\n", "")


def test_usable_cores_are_those_of_this_process_and_at_least_one(monkeypatch):
    assert 1 <= count_usable_cores() <= (os.cpu_count() or 1)
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert count_usable_cores() == 1
