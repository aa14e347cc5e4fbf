"""Behaviour of tintype.raw.archives: what comes out of archives, good, broken and hostile ones."""

from __future__ import annotations

import io
import os
import random
import stat
import struct
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.archive_builders import (
    FILES,
    TAR_END,
    compress,
    make_tar,
    make_zip,
    pax_tar,
    rename_in_zip,
    tar_entry,
    tar_header,
    zip_link,
    zip_special,
)

from tintype.errors import ArchiveError, MemberError, MissingPackageError, SourceUnreachableError
from tintype.raw.archives import limits, members
from tintype.raw.archives.limits import ArchiveLimits, Meter
from tintype.raw.archives.members import clean_name
from tintype.raw.archives.reading import read_archive
from tintype.raw.patterns import Patterns

KINDS = ["plain", "gz", "bz2", "xz", "zst"]


class Pipe(io.RawIOBase):
    """Bytes that come a few at a time and cannot be gone back over, as from a network."""

    def __init__(self, data: bytes, most: int = 700) -> None:
        self._file = io.BytesIO(data)
        self._most = most

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._file.readinto(memoryview(buffer)[: self._most])


def read(data: bytes | io.RawIOBase, **chosen) -> dict[str, bytes | MemberError]:
    """Return the bytes of each member, or what is wrong with it."""
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    found: dict[str, bytes | MemberError] = {}
    for member in read_archive(stream, Meter("pets", ArchiveLimits(**chosen))):
        assert member.name not in found
        if member.problem is not None:
            found[member.name] = member.problem
            continue
        try:
            found[member.name] = b"".join(member.chunks())
        except MemberError as error:
            found[member.name] = error
    return found


def problem(data: bytes) -> str:
    """Return what is wrong with the only member of an archive."""
    [error] = read(data).values()
    assert isinstance(error, MemberError)
    return str(error)


# What comes out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("as_stream", [False, True])
@pytest.mark.parametrize("files", [{}, {"only.txt": b"1"}, FILES], ids=["zero", "one", "many"])
def test_every_file_of_a_tar_comes_out_in_order(kind, as_stream, files):
    data = compress(make_tar(files.items()), kind)
    found = read(Pipe(data) if as_stream else data)
    assert list(found.items()) == list(files.items())


@pytest.mark.parametrize("as_stream", [False, True])
@pytest.mark.parametrize("files", [{}, {"only.txt": b"1"}, FILES], ids=["zero", "one", "many"])
def test_every_file_of_a_zip_comes_out_in_order(as_stream, files):
    data = make_zip(files.items())
    found = read(Pipe(data) if as_stream else data)
    assert list(found.items()) == list(files.items())


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_of_any_script_and_length_come_out_of_every_dialect(tar_format):
    names = ["Größe.txt", "写真/猫.jpg", "a b\n'\".txt"]
    if tar_format != tarfile.USTAR_FORMAT:
        names.append("/".join(["x" * 60] * 4))
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tar_format) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 2
            archive.addfile(info, io.BytesIO(b"ok"))
    assert read(file.getvalue()) == dict.fromkeys(names, b"ok")


@pytest.mark.parametrize("program", ["tar", "tar --format=pax", "tar --sparse"])
def test_what_the_program_tar_writes_comes_out(program, tmp_path, require_service):
    require_service("tar")
    (tmp_path / "in" / "cats").mkdir(parents=True)
    with (tmp_path / "in" / "cats" / "1.bin").open("wb") as file:
        file.write(b"begin")
        file.seek(1 << 20)
        file.write(b"end")
    command = [*program.split(), "-C", str(tmp_path / "in"), "-cf", str(tmp_path / "out.tar"), "."]
    subprocess.run(command, check=True)
    found = read((tmp_path / "out.tar").read_bytes())
    assert found == {"cats/1.bin": (tmp_path / "in/cats/1.bin").read_bytes()}


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zst"])
def test_several_compressed_streams_on_end_are_one(kind):
    data = make_tar()
    halves = compress(data[:1000], kind) + compress(data[1000:], kind)
    assert read(halves) == FILES


def test_zeros_between_and_after_compressed_streams_are_padding():
    data = make_tar()
    padded = compress(data[:1000], "xz") + bytes(8) + compress(data[1000:], "xz") + bytes(4)
    assert read(padded) == FILES
    assert read(compress(data, "gz") + bytes(512)) == FILES


def test_a_member_whose_bytes_are_not_asked_for_is_passed_over():
    names = [m.name for m in read_archive(io.BytesIO(make_tar()), Meter("pets", ArchiveLimits()))]
    assert names == list(FILES)
    big = make_tar([("big.bin", bytes(9 * 2**20)), ("after.txt", b"!")])
    assert [m.name for m in read_archive(Pipe(big, 1 << 20), Meter("pets", ArchiveLimits()))] == [
        "big.bin",
        "after.txt",
    ]


def test_zip_names_are_read_as_utf_8_where_they_are_that_and_as_code_page_437_else():
    data = make_zip([("xxxx.txt", b"1")])
    assert list(read(rename_in_zip(data, b"xxxx.txt", "é猫"[:1].encode() + b"xx.txt"))) == ["éxx.txt"]
    assert list(read(rename_in_zip(data, b"xxxx.txt", b"caf\x82.txt"))) == ["café.txt"]


def test_backslashes_in_a_zip_are_slashes():
    assert list(read(rename_in_zip(make_zip([("cats/1.txt", b"1")]), b"cats/1.txt", b"cats\\1.txt"))) == ["cats/1.txt"]
    assert "leads out" in problem(rename_in_zip(make_zip([("xx/1.txt", b"1")]), b"xx/1.txt", b"..\\1.txt"))


def test_tar_zst_without_the_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'tintype\[zstd\]'"):
        read(b"\x28\xb5\x2f\xfd" + bytes(10))


# Names and kinds that are never written

HOSTILE_NAMES = [
    ("../evil.txt", "../evil.txt leads out with '..': it is not taken"),
    ("a/../../evil.txt", "leads out"),
    ("a/..", "leads out"),
    ("/etc/passwd", "/etc/passwd is an absolute path: it is not taken"),
    ("//etc/passwd", "absolute path"),
    ("C:/evil.txt", "absolute path"),
    ("_stamp.json", "keeps for itself"),
    ("_manifest.parquet/x", "keeps for itself"),
]


@pytest.mark.parametrize(("name", "words"), HOSTILE_NAMES)
@pytest.mark.parametrize(
    "make", [lambda name: make_tar([(name, b"x")]), pax_tar, lambda name: make_zip([(name, b"x")])]
)
def test_a_name_that_leads_out_is_told_and_not_taken(name, words, make):
    assert words in problem(make(name))


@pytest.mark.parametrize("name", ["../evil/", "/evil/"])
def test_a_folder_that_leads_out_is_told_too(name):
    assert "it is not taken" in problem(make_tar([], tar_entry(name, kind=tarfile.DIRTYPE)))
    assert "it is not taken" in problem(make_zip([(name, b"")]))


def test_ordinary_folders_are_no_members():
    assert read(make_tar([("a.txt", b"")], tar_entry("./", kind=tarfile.DIRTYPE) + tar_entry("b", kind=b"5"))) == {
        "a.txt": b""
    }
    assert read(make_zip([("b/", b""), ("b/a.txt", b"1")])) == {"b/a.txt": b"1"}


def test_a_name_that_is_not_utf_8_is_told_with_its_bytes():
    assert problem(make_tar([], tar_entry(b"caf\xe9.txt", b"1"))).startswith(r"the name caf\xe9.txt holds bytes that")


def test_a_nul_in_a_name_is_told():
    assert problem(pax_tar("good.txt\0evil")) == r"good.txt\0evil has a NUL in its name: it is not taken"
    data = rename_in_zip(make_zip([("a.txt.exe", b"1")]), b"a.txt.exe", b"a.txt\0exe")
    assert problem(data) == r"a.txt\0exe has a NUL in its name: it is not taken"


def test_a_part_of_a_name_that_no_file_system_takes_is_told():
    assert "has a part of more than 255 bytes" in problem(pax_tar("x" * 256))
    assert "has a part of more than 255 bytes" in problem(make_zip([("é" * 128, b"")]))


@pytest.mark.parametrize("name", ["./a.txt", "a.txt", ".//./a.txt"])
def test_empty_parts_and_dots_in_a_name_mean_nothing(name):
    assert read(make_tar([(name, b"1")])) == {"a.txt": b"1"}


@given(st.text() | st.text(st.sampled_from("./\\a:\0")))
def test_a_clean_name_stays_inside(name):
    try:
        path = clean_name(name)
    except MemberError:
        return
    joined = os.path.normpath(os.path.join("/top", path))
    assert joined == f"/top/{path}"


@pytest.mark.parametrize(
    ("kind", "link", "words"),
    [
        (tarfile.SYMTYPE, "/etc", "x is a symbolic link to /etc: it is not followed"),
        (tarfile.SYMTYPE, "inside.txt", "x is a symbolic link to inside.txt"),
        (tarfile.LNKTYPE, "../../etc/passwd", "x is a hard link to ../../etc/passwd"),
        (tarfile.CHRTYPE, "", "x is a device: it is not followed"),
        (tarfile.BLKTYPE, "", "x is a device"),
        (tarfile.FIFOTYPE, "", "x is a pipe"),
        (b"Z", "", "x is of the unknown kind"),
    ],
)
def test_links_devices_and_pipes_of_a_tar_are_told_and_never_followed(kind, link, words):
    data = make_tar([], tar_entry("x", kind=kind, link=link))
    [member] = read_archive(io.BytesIO(data), Meter("pets", ArchiveLimits()))
    assert member.is_special
    assert words in str(member.problem)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (zip_link("x"), "x is a symbolic link: it is not followed"),
        (zip_special("x", stat.S_IFCHR), "x is a device, a pipe or a folder"),
    ],
)
def test_links_and_devices_of_a_zip_are_told_and_never_followed(entry, words):
    assert words in problem(make_zip([entry]))


def test_an_encrypted_member_and_an_unknown_packing_are_told():
    data = make_zip([("a.txt", b"1" * 100)])
    assert "a.txt is encrypted: decrypt the archive first" in problem(rename_in_zip(data, b"a.txt", b"a.txt", flags=1))
    place = data.find(b"PK\x01\x02")
    odd = data[: place + 10] + struct.pack("<H", 99) + data[place + 12 :]
    assert "a.txt is packed in a way that cannot be read" in problem(odd)


def test_a_zip_member_with_bad_bytes_is_told_and_the_others_come_out():
    data = bytearray(make_zip([("1.txt", os.urandom(1000)), ("2.txt", b"fine")]))
    data[200] ^= 255
    found = read(bytes(data))
    assert "1.txt is broken" in str(found["1.txt"])
    assert found["2.txt"] == b"fine"


# Broken archives


@pytest.mark.parametrize("kind", KINDS)
def test_a_tar_that_was_cut_off_anywhere_is_an_error_and_never_a_shorter_archive(kind):
    files = [(f"{n}.bin", random.Random(n).randbytes(700)) for n in range(20)]
    data = compress(make_tar(files), kind)
    lengths = {*random.Random(1).sample(range(1, len(data) - 1100), 60), len(data) // 2}
    if kind == "plain":
        lengths |= set(range(512, len(data) - 1024, 512))
    for length in lengths:
        with pytest.raises(ArchiveError, match=r"^pets"):
            read(data[:length])


@pytest.mark.parametrize("data", [b"", b"x", b"no archive at all" * 100, bytes(100), bytes(512)], ids=range(5))
def test_what_is_no_archive_is_told(data):
    if data == bytes(512):  # half an end mark; nothing is lost by taking it for an empty archive
        assert read(data) == {}
        return
    with pytest.raises(ArchiveError, match=r"^pets.*(no tar archive|cut off|broken)"):
        read(data)


def test_a_broken_header_between_members_is_an_error_and_not_the_end():
    data = bytearray(make_tar())
    data[2 * 512 + 3] ^= 1
    with pytest.raises(ArchiveError, match=r"pets: it is no tar archive, or broken: at byte 1,024 there is no valid"):
        read(bytes(data))


def test_a_second_archive_behind_the_first_is_an_error():
    with pytest.raises(ArchiveError, match="there is more after the end of the tar archive"):
        read(make_tar() + make_tar([("hidden.txt", b"1")]))


def test_a_wrong_checksum_of_the_compressed_stream_is_an_error():
    data = bytearray(compress(make_tar(), "gz"))
    data[-8] ^= 255
    with pytest.raises(ArchiveError, match=r"pets is broken \(BadGzipFile: CRC check failed"):
        read(bytes(data))


def test_a_zip_without_its_directory_is_told():
    with pytest.raises(ArchiveError, match="pets was cut off: a zip archive has its directory at its end"):
        read(make_zip()[:-30])


def test_an_error_of_the_connection_is_not_taken_for_a_broken_archive():
    class Broken(Pipe):
        def readinto(self, buffer):
            n_bytes = super().readinto(buffer)
            if not n_bytes:
                raise SourceUnreachableError("the connection broke")
            return n_bytes

    for kind in KINDS:
        with pytest.raises(SourceUnreachableError, match="the connection broke"):
            read(Broken(compress(make_tar(), kind)[:-600]))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changed_bytes_give_members_or_an_archive_error_and_nothing_else(data):
    kind = data.draw(st.sampled_from(["tar", "pax", "zip", "gz", "xz", "bz2", "zst"]))
    good = {
        "tar": make_tar,
        "pax": lambda: pax_tar("x" * 120)[:-1024] + make_tar(),
        "zip": make_zip,
        "gz": lambda: compress(make_tar(), "gz"),
        "xz": lambda: compress(make_tar(), "xz"),
        "bz2": lambda: compress(make_tar(), "bz2"),
        "zst": lambda: compress(make_tar(), "zst"),
    }[kind]()
    changed = bytearray(good)
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(good) - 1), st.integers(0, 255)), max_size=6)):
        changed[place] = value
    try:
        for member in read_archive(io.BytesIO(bytes(changed)), Meter("pets", ArchiveLimits(max_total_bytes=2**24))):
            try:
                if member.problem is None:
                    b"".join(member.chunks())
            except MemberError:
                pass
    except ArchiveError as error:
        assert str(error).startswith("pets")  # noqa: PT017, there may be no error


# Limits


def test_more_members_than_allowed_stop_the_archive():
    for make in (make_tar, make_zip):
        assert len(read(make(), max_members=4)) == 4
        with pytest.raises(ArchiveError, match=r"max_members=3.*raise the limit"):
            read(make(), max_members=3)


def test_more_bytes_than_allowed_stop_the_archive():
    for make in (make_tar, make_zip):
        with pytest.raises(ArchiveError, match="pets unpacks to more than max_total_bytes=1,000: raise the limit"):
            read(make(), max_total_bytes=1000)


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zst", "zip"])
def test_a_bomb_stops_early_in_little_memory(kind, monkeypatch):
    monkeypatch.setattr(limits, "RATIO_FROM_BYTES", 2**22)
    zeros = bytes(40 * 2**20)
    data = make_zip([("zeros", zeros)]) if kind == "zip" else compress(make_tar([("zeros", zeros)]), kind)
    seen = 0

    def unpack() -> None:
        nonlocal seen
        for member in read_archive(io.BytesIO(data), Meter("pets", ArchiveLimits(max_ratio=50))):
            for chunk in member.chunks():
                seen += len(chunk)

    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError, match=r"pets is like a bomb: .* more than max_ratio=50 times as many"):
            unpack()
        assert tracemalloc.get_traced_memory()[1] < 2**25
    finally:
        tracemalloc.stop()
    assert seen < 2**24


def test_a_bomb_in_a_member_that_is_not_wanted_and_behind_the_end_stops_too(monkeypatch):
    monkeypatch.setattr(limits, "RATIO_FROM_BYTES", 2**20)
    for data in (make_tar([("zeros", bytes(2**23))]), make_tar() + bytes(2**23)):
        with pytest.raises(ArchiveError, match="pets is like a bomb"):
            for _ in read_archive(io.BytesIO(compress(data, "gz")), Meter("pets", ArchiveLimits(max_ratio=100))):
                pass


def test_holes_of_a_sparse_member_count(monkeypatch, tmp_path, require_service):
    require_service("tar")
    monkeypatch.setattr(limits, "RATIO_FROM_BYTES", 2**20)
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(1 << 34)
    subprocess.run(["tar", "--sparse", "-C", str(tmp_path), "-cf", str(tmp_path / "t.tar"), "hole"], check=True)
    with pytest.raises(ArchiveError, match="pets is like a bomb"):
        read((tmp_path / "t.tar").read_bytes(), max_ratio=1000)


def test_zip_members_that_lie_over_one_another_are_a_bomb(monkeypatch):
    monkeypatch.setattr(limits, "RATIO_FROM_BYTES", 2**20)
    one = make_zip([("aaaa", bytes(2**18))])
    place, end = one.find(b"PK\x01\x02"), one.find(b"PK\x05\x06")
    directory = b"".join(one[place:end].replace(b"aaaa", b"%04d" % n) for n in range(400))
    tail = one[end : end + 8] + struct.pack("<HHLL", 400, 400, len(directory), place) + b"\0\0"
    try:
        found = read(one[:place] + directory + tail, max_ratio=2000)
    except ArchiveError as error:
        assert "pets is like a bomb" in str(error)  # noqa: PT017, or each member is refused, by newer Pythons
    else:
        assert all(isinstance(error, MemberError) for error in found.values())


def test_headers_without_end_stop_the_archive_before_memory_does(monkeypatch):
    monkeypatch.setattr(limits, "MAX_HEADER_BYTES", 2**16)
    for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE):
        with pytest.raises(ArchiveError, match="the headers of member 1 take more than 65,536 bytes"):
            read(tar_header("x", 2**30, kind) + bytes(2**20))
    with pytest.raises(ArchiveError, match=r"^pets"):
        read(tar_entry("x", b"9 path=a\n", tarfile.XHDTYPE) * 2000 + make_tar())


def test_a_size_below_zero_is_an_error():
    header = bytearray(tar_header("x"))
    header[124:136] = (256**12 - 1024).to_bytes(12, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(ArchiveError, match=r"^pets"):
        read(bytes(header) + TAR_END)


def test_an_xz_that_asks_for_too_much_memory_is_an_error(monkeypatch):
    from tintype.raw.archives import reading

    monkeypatch.setattr(reading, "MAX_WINDOW_BYTES", 2**16)
    with pytest.raises(ArchiveError, match=r"pets is broken \(LZMAError: Memory usage limit"):
        read(compress(make_tar(), "xz"))


def test_a_zip_from_a_stream_that_is_larger_than_allowed_is_not_kept(tmp_path):
    with pytest.raises(ArchiveError, match="pets itself has more than max_total_bytes=100"):
        list(read_archive(Pipe(make_zip()), Meter("pets", ArchiveLimits(max_total_bytes=100)), spool_folder=tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_memory_does_not_grow_with_the_members_of_a_tar():
    def peak(n_members):
        data = make_tar((f"{n:08d}.txt", b"") for n in range(n_members))
        meter = Meter("pets", ArchiveLimits())
        tracemalloc.start()
        try:
            for _ in read_archive(io.BytesIO(data), meter):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(12_000) < peak(4_000) + 200_000


# Patterns


def test_patterns_without_a_slash_take_names_and_with_one_paths():
    wanted = Patterns(("*.JPG", "docs/*"), exclude=("*/drafts/*", "bad.*"))
    assert wanted.take("a/b/1.jpg")
    assert wanted.take("docs/deep/readme.txt")
    assert not wanted.take("a/1.txt")
    assert not wanted.take("a/drafts/1.jpg")
    assert not wanted.take("a/bad.jpg")


def test_the_builders_make_what_the_standard_library_reads():
    with tarfile.open(fileobj=io.BytesIO(make_tar())) as archive:
        assert archive.getnames() == list(FILES)
    with zipfile.ZipFile(io.BytesIO(make_zip())) as archive:
        assert archive.namelist() == list(FILES)
    assert members.show_name("a\0b") == r"a\0b"
