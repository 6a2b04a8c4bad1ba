"""``pellucid dictionaries doctor``, ``convert``, ``formats``: other programs' files, and whether they fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.commands.dictionaries import (
    DictionaryArgument,
    ModelOption,
    TextOption,
    keep_and_show,
    note_another_model,
    windows_of,
)
from pellucid.cli.output import DEFAULT_STORE, JsonOption, StoreOption, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pellucid.dictionaries import Dictionary
    from pellucid.findings import Array

SiteOption = Annotated[
    str | None, typer.Option("--site", help="Which one, where a file holds several: the site that it reads.")
]
FromOption = Annotated[str, typer.Option("--from", help="Format of the file; auto: by what is there.")]


def doctor(
    dictionary: DictionaryArgument,
    model: ModelOption,
    text: TextOption,
    promised: Annotated[
        float | None, typer.Option("--promised", help="Active latents per token that its source reports.")
    ] = None,
    repaired: Annotated[
        Path | None,
        typer.Option("--repaired", help="Also write the dictionary by the verdict to this folder."),
    ] = None,
    site: SiteOption = None,
    source: FromOption = "auto",
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Check that a dictionary is run as it was meant: gate, threshold units, subtraction, normalisation.

    Exit status 1 when its record is contradicted. Nothing is changed unless --repaired says where.

    Python: pellucid.dictionaries.examine
    """
    from pellucid.cli.progress import Bars
    from pellucid.dictionaries import save_dictionary
    from pellucid.dictionaries.formats.doctor import diagnose
    from pellucid.dictionaries.formats.examination import examine
    from pellucid.models import open_model

    opened, loaded = open_model(model), chosen(dictionary, source, site)
    note_another_model(opened, loaded, dictionary)
    tokens = windows_of(opened, text)
    with Bars() as bars:
        finding = examine(loaded, opened, tokens, promised=promised, progress=bars)
    keep_and_show([finding], store, as_json)
    said = [text for name in ("mistake", "warning") for text in coordinates(finding.arrays, name)]
    if not as_json:
        for line in said:
            typer.echo(line)
    if repaired is not None:
        save_dictionary(diagnose(loaded, opened, tokens, promised=promised).repaired(), repaired)
    raise typer.Exit(1 if finding.header.status == "refutes" else 0)


def convert(
    dictionary: DictionaryArgument,
    out: Annotated[Path, typer.Argument(help="Folder to write, or a file where the format is one.")],
    to: Annotated[
        str, typer.Option("--format", help="A name of `pellucid dictionaries formats`.")
    ] = "pellucid",
    site: SiteOption = None,
    source: FromOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Write a dictionary in another program's format: the same function, or a refusal that says why.

    Python: pellucid.dictionaries.save_dictionary
    """
    from pellucid.dictionaries import save_dictionary

    loaded = chosen(dictionary, source, site)
    save_dictionary(loaded, out, format=to)
    came = loaded.training_record.get("origin", {}).get("format", "pellucid")
    if as_json:
        print_json({"from": came, "to": to, "out": str(out), "features": loaded.n_features})
    else:
        typer.echo(f"Wrote {out} as {to}; it was {came}. The same function: y_hat is unchanged.")


def list_formats(as_json: JsonOption = False) -> None:
    """List the formats of dictionaries that are read and written.

    Python: pellucid.dictionaries.dictionary_formats
    """
    from pellucid.dictionaries.formats.registry import dictionary_formats

    known = dictionary_formats()
    if as_json:
        print_json(
            [
                {
                    "name": entry.name,
                    "program": entry.program,
                    "files": entry.files,
                    "written": entry.write is not None,
                    "several": entry.read_all is not None,
                }
                for entry in known
            ]
        )
        return
    rows = [(entry.name, entry.program, entry.files, "yes" if entry.write else "no") for entry in known]
    print_table("Formats of dictionaries", ("name", "whose", "files", "written"), rows, "None is built.")


def chosen(path: Path, source: str, site: str | None) -> Dictionary:
    """The dictionary of a path, or the one of its site where it holds several; DI126 for a site it lacks."""
    from pellucid.dictionaries import load_dictionary
    from pellucid.dictionaries.formats.registry import load_dictionaries
    from pellucid.findings import MissingError, did_you_mean

    if site is None:
        return load_dictionary(path, format=source)
    found = load_dictionaries(path, format=source)
    if site not in found:
        hint = f"{did_you_mean(site, found)} It has: {', '.join(found)}.".strip()
        raise MissingError("DI126", f"{path.name} has no dictionary of {site!r}.", hint)
    return found[site]


def coordinates(arrays: Mapping[str, Array], name: str) -> list[str]:
    """The sentences that an array's coordinates are; none where it is absent."""
    return [str(said) for said in arrays[name].coords[name]] if name in arrays else []


def add_to(app: typer.Typer) -> None:
    """Add these commands to ``pellucid dictionaries``."""
    app.command("doctor")(doctor)
    app.command("convert")(convert)
    app.command("formats")(list_formats)
