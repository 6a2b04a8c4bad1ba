"""``pellucid doctor``: what is installed, which devices there are, what is missing and how to get it."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption, print_json, print_table

NEEDED = (
    "torch",
    "numpy",
    "scipy",
    "safetensors",
    "transformers",
    "pydantic",
    "SQLAlchemy",
    "fastapi",
    "jinja2",
    "uvicorn",
    "plotly",
    "typer",
    "rich",
    "pyyaml",
    "zstandard",
    "jaxtyping",
    "einops",
    "numba",
)
OPTIONAL = {
    "psycopg": "stores in PostgreSQL: pip install 'pellucid[postgres]'",
    "xarray": "arrays with names: pip install 'pellucid[frames]'",
    "pandas": "tables: pip install 'pellucid[frames]'",
}


@dataclass(frozen=True)
class Check:
    """One thing the doctor looked at."""

    what: str
    """Its name."""
    state: str
    """ok, missing or optional."""
    detail: str
    """Version or place."""
    remedy: str = ""
    """How to get it, when it is missing."""


def doctor(store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """Say what is installed, which devices there are, what is missing and how to get it.

    Status 1 when something needed is missing.

    Python: pellucid.cli.commands.doctor.examine
    """
    checks = examine(store)
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        rows = [(check.what, check.state, check.detail, check.remedy) for check in checks]
        print_table("Pellucid doctor", ("what", "state", "detail", "how to get it"), rows, "Nothing checked.")
    raise typer.Exit(1 if any(check.state == "missing" for check in checks) else 0)


def examine(store: str) -> list[Check]:
    """Look at Python, the packages, the devices, the browser, the organisms and the store."""
    python = Check("python", "ok", f"{platform.python_version()} at {sys.executable}")
    packages = [package(name) for name in NEEDED]
    extras = [package(name, remedy) for name, remedy in OPTIONAL.items()]
    return [python, *packages, *extras, *devices(), browser(), organisms(), disk(), stored(store)]


def package(name: str, optional: str = "") -> Check:
    """Whether a package is installed, and its version."""
    try:
        return Check(name, "ok", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        if optional:
            return Check(name, "optional", "not installed", optional)
        return Check(name, "missing", "not installed", f"pip install {name}, or run make demo again")


def devices() -> list[Check]:
    """The processors that torch can use."""
    try:
        import torch
    except ImportError:
        return []
    found = [Check("cpu", "ok", f"{torch.get_num_threads()} threads")]
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        found.append(Check("cuda", "ok", ", ".join(names)))
    else:
        found.append(Check("cuda", "optional", "no CUDA device", "everything runs on the CPU"))
    return found


def browser() -> Check:
    """A Chromium, which only the browser tests need."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path:
        return Check("chromium", "ok", path)
    return Check(
        "chromium", "optional", "not found", "only the browser tests need it: apt-get install chromium"
    )


def organisms() -> Check:
    """The trained organisms that ship with the package."""
    from pellucid.organisms import names

    return Check("organisms", "ok", ", ".join(names()))


def disk() -> Check:
    """Free space where the store will grow."""
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    state = "ok" if free > 1 else "missing"
    return Check("disk", state, f"{free:.1f} GiB free here", "" if free > 1 else "free at least 1 GiB")


def stored(store: str) -> Check:
    """Whether the store opens and how much it holds."""
    from pellucid.findings import PellucidError
    from pellucid.store import open_store

    path = Path(store.removeprefix("sqlite:///"))
    if store.startswith("sqlite:///") and not path.exists():
        return Check("store", "optional", f"{store} does not exist yet", "pellucid audit makes it")
    try:
        with open_store(store) as kept:
            return Check("store", "ok", f"{store}: {len(kept.find())} findings")
    except PellucidError as error:
        return Check("store", "missing", store, str(error))
