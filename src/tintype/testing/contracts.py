"""What every directory target must show, wherever its directory lives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from tintype.errors import ManifestError
from tintype.manifest.reader import Manifest
from tintype.targets.verification import Verification

FILES: Mapping[str, bytes] = {"a.txt": b"first", "letters/b.txt": b"second", "letters/\u00e9 'c'.txt": b""}
"""Three files: one in a folder, and one without a byte whose name is not plain."""


class AnyDirectoryTarget(Protocol):
    """What the contract asks of a target."""

    def exists(self) -> bool:
        """Return whether the directory is published."""

    def manifest(self) -> Manifest:
        """Return the directory's manifest."""

    def files(self) -> Iterator[Any]:
        """Yield the place of each file the manifest names, in its order."""

    def read(self, load_func: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the place and the data of each file, loading it when it is asked for."""

    def verify(self, *, deep: bool = False) -> Verification:
        """Compare what lies in the directory with its manifest."""

    def remove(self) -> None:
        """Remove the directory."""


class DirectoryTargetContract(ABC):
    """The tests of a directory target; subclass it in a test module as ``class TestMyTarget`` and give the hooks.

    pytest collects the subclass and gives each test a ``tmp_path`` of its own.

    Examples
    --------
    ::

        class TestLocalTarget(DirectoryTargetContract):
            def open_target(self, tmp_path):
                return DirectoryTarget(tmp_path / "interim" / "Letters")

            ...
    """

    @abstractmethod
    def open_target(self, tmp_path: Path) -> AnyDirectoryTarget:
        """Return the same target for the same `tmp_path`; nothing is published there at first."""

    @abstractmethod
    def fill(self, tmp_path: Path, files: Mapping[str, bytes], *, publish: bool) -> None:
        """Build the target's directory of `files`, by relative path, in their order; with `publish` to the end."""

    @abstractmethod
    def put(self, tmp_path: Path, outpath: str, data: bytes) -> None:
        """Write a file into the published directory behind the target's back."""

    @abstractmethod
    def take(self, tmp_path: Path, outpath: str) -> None:
        """Remove a file from the published directory behind the target's back."""

    @abstractmethod
    def outpath_of(self, tmp_path: Path, place: Any) -> str:
        """Return the relative path of what ``files()`` yields."""

    @abstractmethod
    def load(self, place: Any) -> bytes:
        """Return the bytes of what ``files()`` yields."""

    def _contents(self, tmp_path: Path) -> dict[str, bytes]:
        """Return the bytes of each file by its relative path."""
        pairs = self.open_target(tmp_path).read(self.load)
        return {self.outpath_of(tmp_path, place): data for place, data in pairs}

    def test_what_was_never_built_does_not_exist(self, tmp_path: Path) -> None:
        """Nothing is there, and asking makes nothing."""
        assert not self.open_target(tmp_path).exists()
        assert not self.open_target(tmp_path).exists()

    def test_what_was_never_built_has_no_manifest_and_says_what_to_do(self, tmp_path: Path) -> None:
        """Every way to read it is one sentence."""
        target = self.open_target(tmp_path)
        for read in (
            target.manifest,
            lambda: list(target.files()),
            lambda: list(target.read(self.load)),
            target.verify,
        ):
            message = "it could be read"
            try:
                read()
            except ManifestError as error:
                message = str(error)
            assert "is not published: build its stage first" in message

    def test_what_is_half_built_does_not_exist(self, tmp_path: Path) -> None:
        """A directory exists whole or not at all."""
        self.fill(tmp_path, FILES, publish=False)
        assert not self.open_target(tmp_path).exists()

    def test_zero_one_and_many_files_are_published(self, tmp_path: Path) -> None:
        """The manifest, the files and their bytes are those that were given, in their order."""
        for n_files in (0, 1, 3):
            files = dict(list(FILES.items())[:n_files])
            self.fill(tmp_path, files, publish=True)
            target = self.open_target(tmp_path)
            assert target.exists()
            assert len(target.manifest()) == n_files
            assert [row["outpath"] for row in target.manifest().rows()] == list(files)
            assert [row["size_bytes"] for row in target.manifest().rows()] == [len(data) for data in files.values()]
            assert [self.outpath_of(tmp_path, place) for place in target.files()] == list(files)
            assert self._contents(tmp_path) == files
            assert target.verify(deep=True).ok
            target.remove()

    def test_files_are_loaded_when_they_are_asked_for(self, tmp_path: Path) -> None:
        """One file is in hand at a time."""
        self.fill(tmp_path, FILES, publish=True)
        loaded: list[str] = []

        def load(place: Any) -> bytes:
            loaded.append(self.outpath_of(tmp_path, place))
            return self.load(place)

        pairs = self.open_target(tmp_path).read(load)
        assert loaded == []
        for n_asked in range(1, 4):
            next(pairs)
            assert loaded == list(FILES)[:n_asked]

    def test_a_load_function_skips_a_file_by_none(self, tmp_path: Path) -> None:
        """And data that is empty is data."""
        self.fill(tmp_path, FILES, publish=True)

        def load(place: Any) -> bytes | None:
            return None if self.outpath_of(tmp_path, place) == "a.txt" else self.load(place)

        assert [data for _, data in self.open_target(tmp_path).read(load)] == [b"second", b""]

    def test_a_directory_is_replaced_whole(self, tmp_path: Path) -> None:
        """No file of the old one stays, and the old one is there until the new one is."""
        self.fill(tmp_path, FILES, publish=True)
        self.fill(tmp_path, {"a.txt": b"new"}, publish=False)
        assert self._contents(tmp_path) == FILES
        self.fill(tmp_path, {"a.txt": b"new"}, publish=True)
        assert self._contents(tmp_path) == {"a.txt": b"new"}
        assert self.open_target(tmp_path).verify(deep=True) == Verification(1)

    def test_a_missing_file_is_found(self, tmp_path: Path) -> None:
        """By its relative path."""
        self.fill(tmp_path, FILES, publish=True)
        self.take(tmp_path, "letters/b.txt")
        assert self.open_target(tmp_path).verify() == Verification(3, missing=("letters/b.txt",))
        assert not self.open_target(tmp_path).verify().ok

    def test_a_file_of_another_size_is_found(self, tmp_path: Path) -> None:
        """Without reading it."""
        self.fill(tmp_path, FILES, publish=True)
        self.put(tmp_path, "a.txt", b"first and more")
        assert self.open_target(tmp_path).verify() == Verification(3, changed=("a.txt",))

    def test_a_file_with_other_bytes_of_the_same_size_is_found_when_bytes_are_compared(self, tmp_path: Path) -> None:
        """Only then: sizes alone do not tell."""
        self.fill(tmp_path, FILES, publish=True)
        self.put(tmp_path, "a.txt", b"FIRST")
        assert self.open_target(tmp_path).verify().ok
        assert self.open_target(tmp_path).verify(deep=True) == Verification(3, changed=("a.txt",))

    def test_a_file_that_the_manifest_does_not_name_is_found(self, tmp_path: Path) -> None:
        """In any folder."""
        self.fill(tmp_path, FILES, publish=True)
        self.put(tmp_path, "letters/d.txt", b"more")
        self.put(tmp_path, ".hidden", b"")
        assert self.open_target(tmp_path).verify() == Verification(3, extra=(".hidden", "letters/d.txt"))

    def test_verifying_changes_nothing(self, tmp_path: Path) -> None:
        """A damaged directory stays published: what to do with it is its owner's to say."""
        self.fill(tmp_path, FILES, publish=True)
        self.put(tmp_path, "letters/d.txt", b"more")
        assert self.open_target(tmp_path).verify(deep=True) == self.open_target(tmp_path).verify(deep=True)
        assert self.open_target(tmp_path).exists()
        assert self._contents(tmp_path) == FILES

    def test_what_is_removed_does_not_exist_and_can_be_built_again(self, tmp_path: Path) -> None:
        """Removing what is not there is harmless."""
        target = self.open_target(tmp_path)
        target.remove()
        self.fill(tmp_path, FILES, publish=True)
        target.remove()
        assert not target.exists()
        target.remove()
        self.fill(tmp_path, {"a.txt": b"new"}, publish=True)
        assert self._contents(tmp_path) == {"a.txt": b"new"}
