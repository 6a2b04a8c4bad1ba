"""Archives of logs: every way to compress a member, and every way to spoil or to booby-trap one."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from log_files import FILES, Packed, archive, frame, golden, header, sample

from pellucid.findings import InputError, PellucidError
from pellucid.findings.logs import Limits, read_header, read_log, read_summaries
from pellucid.findings.logs.archive import Archive

SAMPLE = json.dumps(sample("a", "C", input="why? " * 200)).encode()
NAME = "samples/a_epoch_1.json"


def log_file(tmp_path, member: Packed, *more: Packed, **options):
    """A log of one sample whose member is given."""
    head = Packed("header.json", json.dumps(header(total=1)).encode(), 93)
    file = tmp_path / "x.eval"
    file.write_bytes(archive([head, member, *more], **options))
    return file


def refused(file, code: str, words: str, **options) -> InputError:
    with pytest.raises(InputError, match=words) as caught:
        read_log(file, **options)
    assert caught.value.code == code
    assert "x.eval" in caught.value.problem
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize("method", [0, 8, 93])
@pytest.mark.parametrize("frames", [1, 2, 7, 100])
@pytest.mark.parametrize("extra", [b"", struct.pack("<2HI", 0x5455, 4, 1)])
def test_every_method_and_number_of_frames(tmp_path, method, frames, extra):
    file = log_file(tmp_path, Packed(NAME, SAMPLE, method, frames, extra=extra))
    assert dict(read_log(file).samples[0].raw) == json.loads(SAMPLE)


def test_frames_that_state_their_length_and_those_that_do_not(tmp_path):
    half = len(SAMPLE) // 2
    stated = [zstandard.ZstdCompressor().compress(part) for part in (SAMPLE[:half], SAMPLE[half:])]
    streamed = [frame(part) for part in (SAMPLE[:half], SAMPLE[half:])]
    skippable = b"\x50\x2a\x4d\x18" + struct.pack("<I", 3) + b"abc"
    for body in (
        zstandard.ZstdCompressor().compress(SAMPLE),
        b"".join(stated),
        b"".join(streamed),
        stated[0] + streamed[1],
        streamed[0] + stated[1],
        stated[0] + frame(b"") + streamed[1],
        skippable + frame(SAMPLE),
    ):
        file = log_file(tmp_path, Packed(NAME, SAMPLE, 93, body=body))
        assert read_log(file).samples[0].input == "why? " * 200


def test_an_archive_of_zip64_sizes(tmp_path):
    file = log_file(tmp_path, Packed(NAME, SAMPLE, 93, wide=True))
    assert read_log(file).samples[0].id == "a"


def test_a_comment_after_the_directory(tmp_path):
    file = log_file(tmp_path, Packed(NAME, SAMPLE), comment=b"written by hand")
    assert read_log(file).samples[0].id == "a"


members = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_characters="\0/\\:"), min_size=1, max_size=12).filter(
        lambda name: name != ".."
    ),
    st.binary(max_size=300),
    max_size=6,
)


@settings(max_examples=80, deadline=None)
@given(members, st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]), st.binary(max_size=20))
def test_what_the_standard_library_writes_is_read_back(contents, method, comment):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        for name, content in contents.items():
            made.writestr(name, content)
        made.comment = comment.replace(b"PK", b"")
    with Archive(buffer.getvalue(), "'x'") as read:
        assert {name: read.read(name) for name in read.members} == contents


@settings(max_examples=80, deadline=None)
@given(members, st.sampled_from([0, 8]), st.booleans())
def test_what_we_pack_by_hand_is_what_the_standard_library_reads(contents, method, wide):
    packed = archive([Packed(name, content, method, wide=wide) for name, content in contents.items()])
    with zipfile.ZipFile(io.BytesIO(packed)) as theirs, Archive(packed, "'x'") as ours:
        assert {name: ours.read(name) for name in ours.members} == {
            name: theirs.read(name) for name in contents
        }


# ---- damage ----


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_log_cut_short_anywhere_is_one_message(file, tmp_path):
    whole = file.read_bytes()
    cut = tmp_path / file.name
    for length in sorted({*range(0, len(whole), max(1, len(whole) // 60)), *range(1, 30), len(whole) - 1}):
        cut.write_bytes(whole[:length])
        for read in (read_log, read_header, read_summaries):
            with pytest.raises(InputError) as caught:
                read(cut)
            assert caught.value.code in {"FN61", "FN62", "FN70"}
            assert caught.value.remedy


def test_a_log_cut_short_says_what_to_do(tmp_path):
    file = tmp_path / "x.eval"
    file.write_bytes(golden("success").read_bytes()[:-40])
    error = refused(
        file, "FN62", "is no whole ZIP archive: its directory, which stands at the end, is missing"
    )
    assert "copy it again, or wait for the evaluation to end" in error.remedy


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_flipped_byte_is_seen_or_harmless(tmp_path_factory, data):
    whole = bytearray(golden("clean").read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    file = tmp_path_factory.mktemp("flip") / "x.eval"
    file.write_bytes(whole)
    sound = read_log(golden("clean"))
    try:
        log = read_log(file)
    except PellucidError:
        return
    # what is still read must be what was written, or be missing: times and attributes carry nothing, and a
    # spoilt name loses its member, which acceptance sees
    known = [dict(one.raw) for one in sound.samples]
    assert all(dict(one.raw) in known for one in log.samples)


@pytest.mark.parametrize("method", [0, 8, 93])
def test_a_wrong_checksum(tmp_path, method):
    file = log_file(tmp_path, Packed(NAME, SAMPLE, method, crc=zlib.crc32(SAMPLE) ^ 1))
    refused(file, "FN65", r"'samples/a_epoch_1.json' is damaged: its checksum \(CRC-32\) does not match")


@pytest.mark.parametrize("method", [8, 93])
@pytest.mark.parametrize("body", [b"", b"garbage that inflates to nothing", b"\x28\xb5\x2f\xfd\x04"])
def test_a_body_that_cannot_be_inflated(tmp_path, method, body):
    refused(log_file(tmp_path, Packed(NAME, SAMPLE, method, body=body)), "FN65", "is damaged")


@pytest.mark.parametrize("method", [0, 8, 93])
@pytest.mark.parametrize("change", [-1, 1, -500])
def test_another_size_than_declared(tmp_path, method, change):
    member = Packed(NAME, SAMPLE, method, size=len(SAMPLE) + change)
    words = "only .* fewer than" if change > 0 else "more than"
    refused(log_file(tmp_path, member), "FN65", words)


@pytest.mark.parametrize("frames", [1, 3])
def test_a_last_frame_cut_short(tmp_path, frames):
    body = Packed(NAME, SAMPLE, 93, frames).packed[:-3]
    refused(log_file(tmp_path, Packed(NAME, SAMPLE, 93, body=body)), "FN65", "is damaged")


def test_no_local_header_where_the_directory_points(tmp_path):
    refused(log_file(tmp_path, Packed(NAME, SAMPLE, offset=7)), "FN68", "overlap in the file")
    refused(log_file(tmp_path, Packed(NAME, SAMPLE, offset=2**30)), "FN65", "no local header stands")


@pytest.mark.parametrize(("id", "code"), [("long " * 3000, "FN64"), ("\x00PK\x01\x02" * 900, "FN68")])
def test_a_message_cuts_the_name_of_a_member(tmp_path, id, code):
    name = f"samples/{id}_epoch_1.json"
    error = refused(
        log_file(tmp_path, Packed(name, SAMPLE, method=14)), code, r"the member 'samples/.*\.\.\."
    )
    assert len(str(error)) < 400


def test_a_directory_that_counts_wrongly(tmp_path):
    refused(log_file(tmp_path, Packed(NAME, SAMPLE), count=5), "FN62", "its directory has no entry at byte")


def test_a_zip64_size_that_is_missing(tmp_path):
    file = log_file(tmp_path, Packed(NAME, SAMPLE, wide=True))
    spoilt = file.read_bytes().replace(struct.pack("<2H", 1, 24), struct.pack("<2H", 9, 24))
    file.write_bytes(spoilt)
    refused(file, "FN62", "a ZIP64 size is missing")
    file.write_bytes(spoilt.replace(b"PK\x06\x06", b"PK\x00\x00"))
    refused(file, "FN62", "its ZIP64 directory record is missing")


def test_a_name_that_is_not_utf_8(tmp_path):
    file = log_file(tmp_path, Packed(NAME, SAMPLE))
    file.write_bytes(file.read_bytes().replace(NAME.encode(), NAME.encode().replace(b"a_", b"\xff_")))
    refused(file, "FN62", "is not UTF-8")


# ---- booby traps ----


def test_an_encrypted_member(tmp_path):
    error = refused(
        log_file(tmp_path, Packed(NAME, SAMPLE, flags=0x0801)),
        "FN63",
        "'samples/a_epoch_1.json' is encrypted",
    )
    assert "Decrypt" in error.remedy


@pytest.mark.parametrize("method", [1, 6, 9, 12, 14, 95, 99])
def test_an_unknown_compression(tmp_path, method):
    error = refused(log_file(tmp_path, Packed(NAME, SAMPLE, method)), "FN64", f"compression method {method}")
    assert "93 (Zstandard)" in error.remedy


@pytest.mark.parametrize("method", [8, 93])
def test_a_member_that_inflates_beyond_the_limit(tmp_path, method):
    bomb = Packed(NAME, b"0" * 3_000_000, method)
    assert len(bomb.packed) < 4000
    error = refused(
        log_file(tmp_path, bomb), "FN66", "inflates to 3000000 bytes", limits=Limits(member=10**6)
    )
    assert "Limits(member=3000000)" in error.remedy


def test_the_default_limit_of_a_member_is_200_mebibytes(tmp_path):
    size = 200 * 2**20 + 1
    refused(
        log_file(tmp_path, Packed(NAME, b"{}", 93, size=size)),
        "FN66",
        f"inflates to {size} bytes, more than the 209715200",
    )


@pytest.mark.parametrize("method", [8, 93])
def test_a_member_that_lies_about_its_size_is_not_inflated_further(tmp_path, method):
    import tracemalloc

    bomb = Packed(NAME, b"0" * 200_000_000, method, size=1000)
    file = log_file(tmp_path, bomb)
    tracemalloc.start()
    refused(file, "FN65", "inflates to more than the 1000 bytes declared")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # a thousandth of what the bomb would fill
    assert peak < 20_000_000


def test_a_frame_that_claims_a_huge_length_is_not_believed(tmp_path):
    # frame header: single segment, 8-byte content size of 2^50
    body = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 2**50) + b"\x01\x00\x00"
    refused(log_file(tmp_path, Packed(NAME, SAMPLE, 93, body=body)), "FN65", "is damaged")


def test_members_that_inflate_to_too_much_together(tmp_path):
    more = [Packed(f"samples/{i}_epoch_1.json", b"0" * 100_000, 93) for i in range(20)]
    file = log_file(tmp_path, *more)
    refused(file, "FN67", "in all, more than the 1000000 allowed", limits=Limits(total=10**6))


def test_too_many_members(tmp_path):
    more = [Packed(f"samples/{i}_epoch_1.json", b"", 0) for i in range(30)]
    error = refused(log_file(tmp_path, *more), "FN67", "holds 31 members", limits=Limits(members=30))
    assert "Limits(members=31)" in error.remedy


def test_one_body_that_poses_as_many(tmp_path):
    head = Packed("header.json", json.dumps(header(total=1)).encode(), 93)
    first = Packed(NAME, SAMPLE, 93)
    start = len(archive([head])) - 22 - 46 - len("header.json")
    copies = [Packed(NAME, b"", 0, offset=start) for _ in range(3)]
    file = tmp_path / "x.eval"
    file.write_bytes(archive([head, first, *copies]))
    refused(file, "FN68", "overlap in the file")


@pytest.mark.parametrize(
    "name",
    [
        "../header.json",
        "samples/../../etc/passwd",
        "/etc/passwd",
        "\\\\host\\share",
        "..\\up.json",
        "C:\\autoexec.bat",
        "c:/x.json",
        "samples/a\0.json",
    ],
)
def test_a_name_that_leads_outside(tmp_path, name):
    refused(log_file(tmp_path, Packed(name, b"{}")), "FN68", "leads outside the archive")


@pytest.mark.parametrize(
    "name", ["samples/..a.._epoch_1.json", "samples/a/b:c/d_epoch_1.json", "samples/é 漢_epoch_1.json"]
)
def test_ids_may_hold_what_looks_like_a_path(tmp_path, name):
    assert len(read_log(log_file(tmp_path, Packed(name, SAMPLE))).samples) == 1


def test_a_link(tmp_path):
    link = Packed(NAME, b"/etc/passwd", 0, attributes=(0o120777 << 16))
    refused(log_file(tmp_path, link), "FN68", "is a link")


def test_a_member_under_another_name_than_its_own(tmp_path):
    other = Packed(NAME, SAMPLE, local_name="samples/b_epoch_1.json")
    refused(log_file(tmp_path, other), "FN68", "has another name in itself")
