"""Studies: a paper's claims, measured here by one command."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from concurrent.futures import Executor

from pellucid.compute import SILENT, Progress
from pellucid.compute import executor as make_executor
from pellucid.findings import Finding, Header, InputError, MissingError, did_you_mean
from pellucid.library.catalogue import catalogue
from pellucid.library.shelf import headers_in
from pellucid.library.studies.protocol import PROFILES, Conditions, Study, StudyMethod
from pellucid.library.studies.registry import STUDIES
from pellucid.store import Store


def studies() -> list[Study]:
    """The studies that can be run, by key.

    Example:
        >>> [study.key for study in studies()] == sorted(study.key for study in studies())
        True
    """
    return sorted(STUDIES, key=lambda study: study.key)


def study(name: str) -> Study:
    """The study of a paper; ``name`` is anything the catalogue knows the paper by.

    Errors:
        MissingError LB05: no such paper. MissingError LB08: its study is not built yet.
    """
    paper = catalogue().get(name)
    found = next((study for study in STUDIES if study.key == paper.key), None)
    if found is None:
        why = f": {', '.join(paper.missing)} does not exist" if paper.missing else ""
        built = ", ".join(study.key for study in studies())
        remedy = f"Studies that can be run: {built}." if built else "No study is built yet."
        raise MissingError("LB08", f"The study of {paper.key!r} is not built yet{why}.", remedy)
    return found


def run_study(
    name: str,
    *,
    profile: str = "quick",
    store: Store | None = None,
    executor: Executor | None = None,
    progress: Progress = SILENT,
) -> list[Finding]:
    """Measure a paper's claims; every Finding is stored as soon as it is there.

    Arguments:
        name: key, title, alias or arXiv number of the paper.
        profile: ``quick`` (under five minutes on two cores) or ``full``.
        store: where the Findings go; None keeps them nowhere but in the answer.
        executor: where jobs run; default this process.
        progress: who shows how far it is.

    Errors:
        MissingError LB05 (no such paper), LB08 (not built yet). InputError LB09 (no such profile).

    Example:
        >>> run_study("scheming", profile="quick")  # doctest: +SKIP
    """
    if profile not in PROFILES:
        hint = did_you_mean(profile, PROFILES) or f"Use {' or '.join(PROFILES)}."
        raise InputError("LB09", f"No profile {profile!r}.", hint)
    chosen = study(name)
    with executor or make_executor() as pool:
        conditions = Conditions(profile, chosen.seeds, store, pool, progress)
        return list(kept(method_of(chosen)(conditions), store))


def kept(findings: Iterable[Finding], store: Store | None) -> Iterable[Finding]:
    """The same Findings, each stored before the next is asked for."""
    for finding in findings:
        if store is not None:
            store.put(finding)
        yield finding


def method_of(chosen: Study) -> StudyMethod:
    """The function of a study; only now is its module, and torch with it, imported."""
    module, _, name = chosen.home.partition(":")
    method: StudyMethod = getattr(importlib.import_module(module), name)
    return method


def study_findings(name: str, store: Store) -> list[Header]:
    """What a store holds of a paper's claims, the newest first.

    Errors:
        MissingError LB05: no such paper.
    """
    claims = {claim.name for claim in catalogue().get(name).claims}
    return [header for header in headers_in(store) if header.provenance.parameters["claim"] in claims]
