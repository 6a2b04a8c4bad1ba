"""What a URL means, and that the room is light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pellucid.findings import InputError
from pellucid.store import open_store, store_exists
from pellucid.store.addresses import address_of


def test_payloads_lie_beside_the_file():
    address = address_of("sqlite:///some/where/runs.db")
    assert (address.file, address.payloads) == (Path("some/where/runs.db"), Path("some/where/runs.payloads"))


def test_the_payload_folder_may_be_named(monkeypatch):
    monkeypatch.setenv("PELLUCID_PAYLOADS", "from-environment")
    assert address_of("sqlite:///runs.db").payloads == Path("from-environment")
    named = address_of("sqlite:///runs.db?payloads=else/where")
    assert named.payloads == Path("else/where")
    assert "payloads" not in str(named.url)
    server = address_of("postgresql://ada@host/lab?payloads=/data/lab")
    assert (server.payloads, server.file) == (Path("/data/lab"), None)


def test_a_named_folder_is_used(tmp_path):
    from store_samples import sample

    with open_store(f"sqlite:///{tmp_path}/a.db?payloads={tmp_path}/elsewhere") as store:
        store.put(sample(1))
    assert len(list((tmp_path / "elsewhere").rglob("*.safetensors"))) == 1


def test_a_server_needs_a_payload_folder(monkeypatch):
    monkeypatch.delenv("PELLUCID_PAYLOADS", raising=False)
    with pytest.raises(InputError) as caught:
        open_store("postgresql://ada:secret@host/lab")
    assert caught.value.code == "ST05"
    assert "Add ?payloads=FOLDER to the URL" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_missing_driver_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(InputError, match="pip install 'pellucid\\[postgres\\]'") as caught:
        open_store(f"postgresql://ada@host/lab?payloads={tmp_path}")
    assert caught.value.code == "ST09"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("pellucid.db", "'pellucid.db' is no URL of a store. Did you mean 'sqlite:///pellucid.db'?"),
        (
            "mysql://host/lab",
            "A store cannot be kept in 'mysql'. Use sqlite:///FILE or postgresql://USER@HOST/NAME.",
        ),
        ("://", "'://' is no URL of a store. As in 'sqlite:///pellucid.db'."),
    ],
)
def test_what_is_no_store_s_url(url, said):
    with pytest.raises(InputError) as caught:
        open_store(url)
    assert (caught.value.code, str(caught.value)) == ("ST05", said)


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(InputError) as caught:
        open_store(f"sqlite:///{tmp_path}/nowhere/a.db")
    assert caught.value.code == "ST01"
    assert f"Make it: mkdir -p {tmp_path}/nowhere" in str(caught.value)


def test_whether_there_is_a_store(tmp_path):
    url = f"sqlite:///{tmp_path}/a.db"
    assert not store_exists(url)
    open_store(url).close()
    assert store_exists(url)
    assert store_exists("postgresql://host/lab?payloads=x")


def test_a_store_in_memory_is_empty_each_time():
    from store_samples import sample

    with open_store("sqlite://") as store:
        store.put(sample(1))
        assert len(store.find()) == 1
        folder = store.address.payloads
    assert not folder.exists()
    with open_store("sqlite:///:memory:") as store:
        assert store.find() == []


def test_the_store_never_loads_torch_nor_a_surface():
    code = "import pellucid.store, sys; assert not {'torch', 'rich', 'plotly', 'scipy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
