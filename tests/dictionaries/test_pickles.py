"""Other programs' checkpoints: every tensor to the bit, and nothing but tensors and plain containers."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections import OrderedDict

import pytest
import torch
from torch import nn

from pellucid.dictionaries.formats.opcodes import Inert
from pellucid.dictionaries.formats.pickles import read_checkpoint, read_tensors
from pellucid.findings import InputError

MODES = ["zip", "legacy", "plain"]
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int8, torch.bool]


def written(held, path, mode):
    if mode == "plain":
        path.write_bytes(pickle.dumps(held))
    else:
        torch.save(held, path, _use_new_zipfile_serialization=mode == "zip")
    return path


def refusal(path, code, **more):
    with pytest.raises(InputError) as caught:
        read_checkpoint(path, **more)
    assert caught.value.code == code
    return str(caught.value)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_number_is_read(tmp_path, mode, dtype):
    held = {"a": (torch.arange(12) % 7).to(dtype).reshape(3, 4), "none": torch.empty(0, 3, dtype=dtype)}
    read = read_tensors(written(held, tmp_path / "file", mode))
    for name, tensor in held.items():
        assert torch.equal(read[name], tensor)
        assert read[name].dtype == dtype


@pytest.mark.parametrize("mode", MODES)
def test_what_torch_reads_is_what_is_read(tmp_path, mode):
    rows = torch.randn(5, 6)
    held = OrderedDict(
        module=nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).state_dict(),
        views=[rows[1:, ::2], rows.T, rows[2], torch.tensor(7)],
        parameter=nn.Parameter(torch.ones(2)),
        plain=(1, -(2**70), 2.5, True, None, "ключ", b"\x00\xff", {"k": frozenset({1, 2})}),
        dtype=torch.bfloat16,
        size=torch.Size([2, 3]),
    )
    read = read_checkpoint(written(held, tmp_path / "file", mode))
    for name, value in held["module"].items():
        assert torch.equal(read["module"][name], value)
    assert all(torch.equal(a, b) for a, b in zip(read["views"], held["views"], strict=True))
    assert torch.equal(read["parameter"], held["parameter"])
    assert (read["plain"], read["dtype"], read["size"]) == (held["plain"], torch.bfloat16, (2, 3))


def test_tied_weights_stay_tied(tmp_path):
    rows = torch.randn(2, 3)
    read = read_checkpoint(written({"a": rows, "b": rows.T}, tmp_path / "file", "zip"))
    read["a"][0, 1] = 9
    assert read["b"][1, 0] == 9


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_of_plain_data(tmp_path, protocol):
    held = {
        "list": [1, [2, (3,), ()], {}],
        "text": "x" * 300,
        "more": [1.5, -1, 70000, True],
        "bytes": b"\xffa",
    }
    held |= {"set": {1, 2}, "frozen": frozenset("a")}
    (tmp_path / "file").write_bytes(pickle.dumps(held, protocol=protocol))
    assert read_checkpoint(tmp_path / "file") == held


class Command:
    """What a hostile file does: a call while it is read."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


FIRED = []


def fire():
    FIRED.append(1)


def chain():
    """getattr(getattr(...)) from an allowed module, to reach one that is not."""
    return b"\x80\x02cbuiltins\ngetattr\nctorch\nserialization\nX\x02\x00\x00\x00os\x86R."


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (fire, (), "test_pickles.fire"),
        (__import__("os").system, ("echo no",), "posix.system"),
        (io.open, ("other",), "io.open"),
        (getattr, (torch, "load"), "builtins.getattr"),
        (torch.load, ("other",), "torch.serialization.load"),
        (io.BytesIO, (b"",), "_io.BytesIO"),
    ],
)
def test_a_call_is_refused_by_its_name_and_never_made(tmp_path, mode, function, arguments, name):
    held = (
        {"weight": torch.ones(2), "extra": Command(function, *arguments)}
        if name != "builtins.getattr"
        else None
    )
    path = tmp_path / "ae.pt"
    written(held, path, mode) if held else path.write_bytes(chain())
    message = refusal(path, "DI80")
    assert message.startswith(f"ae.pt holds {name}, which is not a tensor or a plain container.")
    assert "Nothing of it was run." in message
    assert FIRED == []


def test_a_whole_module_is_refused_by_its_class(tmp_path):
    path = written(nn.Linear(2, 2), tmp_path / "ae.pt", "zip")
    assert "holds torch.nn.modules.linear.Linear" in refusal(path, "DI80")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"(ios\nsystem\nS'x'\n.", "the opcode INST"),
        (b"(cos\nsystem\no.", "os.system"),
        (b"S'text'\n.", "the opcode STRING"),  # its escapes would be followed, with a warning
        (b"P1\n.", "the opcode PERSID"),
        (b"\x80\x02ccollections\nOrderedDict\n}b.", "a state that would be set on a Name"),
        (b"\x80\x02\x82\x01.", "the opcode EXT1"),
        (b"\x80\x02]K\x01\x85R.", "a call of a list"),
        (b"\x80\x02]}b.", "a state that would be set on a list"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "os.system"),
    ],
)
def test_opcodes_that_are_not_data_are_refused(tmp_path, data, words):
    (tmp_path / "file").write_bytes(data)
    assert (
        words in refusal(tmp_path / "file", "DI80" if "outside" not in words else "DI81")
        or "refers to" in words
    )


def test_no_name_is_imported(tmp_path):
    """The name of a module that would fail to import, and of one that would do something, is only a word."""
    (tmp_path / "file").write_bytes(b"\x80\x02cantigravity\nfly\n.")
    assert "holds antigravity.fly" in refusal(tmp_path / "file", "DI80")
    assert "antigravity" not in __import__("sys").modules


def edited(path, entry, change):
    """The zip at a path with one entry changed and sound otherwise."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, change(data) if name.endswith(entry) else data)


def cut(path):
    path.write_bytes(path.read_bytes()[:-200])


def flip(path):
    data = bytearray(path.read_bytes())
    at = data.find(struct.pack("<4f", 1, 1, 1, 1))
    data[at] ^= 1
    path.write_bytes(data)


def squeezed(path):
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut, "not a zip file"),
        (flip, "Bad CRC-32"),
        (squeezed, "its entries are compressed"),
        (
            lambda path: edited(path, "data/0", lambda data: data[:-4]),
            "40 numbers of torch.float32 do not fit",
        ),
        (lambda path: edited(path, "byteorder", lambda data: b"big"), "the other byte order"),
        (lambda path: edited(path, "data.pkl", lambda data: data[:20]), "cannot be read"),
        (
            lambda path: edited(
                path, "data.pkl", lambda data: data.replace(b"K\x05K\x08\x86", b"K\x09K\x08\x86")
            ),
            "a tensor of shape (9, 8) does not lie within its 40 numbers",
        ),
        (
            lambda path: edited(
                path, "data.pkl", lambda data: data.replace(b"K\x08K\x01\x86", b"K\x00K\x00\x86")
            ),
            None,
        ),
    ],
)
def test_damage_is_said(tmp_path, damage, words):
    path = written({"a": torch.ones(5, 8)}, tmp_path / "ae.pt", "zip")
    damage(path)
    if words is None:  # strides of 0 repeat a number, which is no damage
        assert read_tensors(path)["a"].shape == (5, 8)
    else:
        assert words in refusal(path, "DI81")


@pytest.mark.parametrize("mode", MODES)
def test_a_cut_anywhere_is_said(tmp_path, mode):
    path = written({"a": torch.ones(5, 8)}, tmp_path / "ae.pt", mode)
    whole = path.read_bytes()
    for length in range(0, len(whole), 17):
        path.write_bytes(whole[:length])
        assert "The checkpoint ae.pt cannot be read" in refusal(path, "DI81")


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x",  # bytes longer than any memory
        b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x",  # a byte array of a terabyte
        b"\x80\x02K\x01Q.",  # a reference to something that is not in the file
        b"\x80\x02]r\xff\xff\xff\xff" + b"j\xfe\xff\xff\xff.",  # the last number of a memo
        b"\x80\x02" + b"]q\x00h\x00a.",  # a list that contains itself
        b"\x80\x02" + b"]" * 100 + b"a" * 99 + b".",  # a hundred lists, each in the next
        b"\x80\x02.",
        b"",
        b"\x80\x02}]K\x01s.",  # a key that cannot be one
        b"\x80\x02}(K\x01u.",  # half a pair
        b"\x80\x02(((.",
        b"\x80\x02cmodule",  # a name without an end
        b"\x80\x02c\xff\n\xff\n.",  # a name that is no text
    ],
)
def test_sizes_that_are_lies_cost_nothing(tmp_path, data):
    (tmp_path / "file").write_bytes(data)
    refusal(tmp_path / "file", "DI81")


@pytest.mark.parametrize("mode", MODES)
def test_damage_of_any_byte_is_said_or_harmless(tmp_path, mode):
    """Every byte of what describes the tensors, changed to three others: numbers or a refusal, nothing else."""
    path = written({"a": torch.ones(2, 3), "b": [1, "x", (2.5, None)]}, tmp_path / "file", mode)
    whole, codes = path.read_bytes(), {""}
    first = whole.find(b"\x80")
    for at in range(first, first + 300, 7):
        for byte in (0, ord("c"), 255):
            path.write_bytes(whole[:at] + bytes([byte]) + whole[at + 1 :])
            codes.add(code_of(path))
    assert codes == {"", "DI80", "DI81"} - (
        {"DI80"} if mode == "zip" else set()
    )  # a zip's sum is checked first


def code_of(path):
    try:
        read_checkpoint(path)
    except InputError as error:
        return error.code
    return ""


def test_a_list_named_exponentially_often_is_made_once(tmp_path):
    """Forty lists, each twice in the next: 2^40 leaves when they are copied one by one."""
    data = b"\x80\x02]q\x00" + b"".join(b"](h%ch%ceq%c" % (i, i, i + 1) for i in range(40)) + b"."
    (tmp_path / "file").write_bytes(data)
    read, depth = read_checkpoint(tmp_path / "file"), 0
    while read:
        assert read[0] is read[1]
        read, depth = read[0], depth + 1
    assert depth == 40


def test_a_repeated_number_cannot_be_a_terabyte(tmp_path):
    tensor = torch.ones(1).expand(2**40)
    with pytest.raises(InputError, match=r"does not lie within its 1 numbers"):
        read_checkpoint(written({"a": tensor}, tmp_path / "file", "zip"))


class Config:
    """A class of another program."""

    def __init__(self):
        self.d_in = 3
        self.nested = {"rows": torch.ones(2)}


def test_a_class_named_as_harmless_is_kept_as_a_record(tmp_path):
    path = written({"cfg": Config(), "state_dict": {"W": torch.zeros(2)}}, tmp_path / "file", "zip")
    assert "holds test_pickles.Config" in refusal(path, "DI80")
    read = read_checkpoint(path, inert=["test_pickles.Config"])
    assert isinstance(read["cfg"], Inert)
    assert read["cfg"].name == "test_pickles.Config"
    assert read["cfg"].state["d_in"] == 3
    assert torch.equal(read["cfg"].state["nested"]["rows"], torch.ones(2))


def test_a_script_is_refused(tmp_path):
    """An archive of TorchScript: its table names classes whose code is in the archive."""
    with zipfile.ZipFile(tmp_path / "file", "w") as archive:
        archive.writestr("sae/data.pkl", b"\x80\x02c__torch__.sae\nEncoder\nq\x00)\x81}b.")
        archive.writestr("sae/code/__torch__/sae.py", "class Encoder(Module): ...")
    assert "holds __torch__.sae.Encoder" in refusal(tmp_path / "file", "DI80")


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ([torch.ones(1)], "it is a list"),
        ({"a": torch.ones(1), "step": 3}, "'step' is a int"),
    ],
)
def test_a_table_of_tensors_is_asked_for(tmp_path, held, words):
    path = written(held, tmp_path / "ae.pt", "zip")
    with pytest.raises(InputError, match=rf"ae\.pt is not a table of tensors: {words}"):
        read_tensors(path)


def test_a_file_that_is_not_there(tmp_path):
    assert "No such file" in refusal(tmp_path / "none.pt", "DI81")
