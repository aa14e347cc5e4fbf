"""Behaviour of tintype.interim.kept_files that stages which keep files share."""

import pytest

from tintype.interim.kept_files import FileAbove, FilesAbove


@pytest.mark.parametrize("n_files", [0, 1, 3])
def test_the_files_above_are_a_sequence_whose_items_are_made_when_they_are_asked_for(n_files):
    names = ["a/1.jpg", "b/2.jpg", "c/3.jpg"][:n_files]
    digests = ["00", None, "22"][:n_files]
    expected = [FileAbove(f"/data/{name}", digest) for name, digest in zip(names, digests, strict=True)]
    files = FilesAbove("/data/", names, digests)
    assert len(files) == n_files
    assert list(files) == expected == [files[place] for place in range(n_files)]
    assert list(files[1:]) == expected[1:]
    assert not n_files or files[-1] == expected[-1]


def test_a_file_without_its_digest_is_told():
    with pytest.raises(ValueError, match="shorter"):
        list(FilesAbove("/data/", ["a", "b"], ["00"]))
