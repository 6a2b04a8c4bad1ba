"""Run by a Python that has Ray: the suite of test_suite_cluster, trained by jobs of a cluster on this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pellucid.compute.cluster import Cluster
from pellucid.findings import PellucidError


def refuse(text: str) -> None:
    """A job that fails as our methods fail."""
    from pellucid.findings import InputError

    raise InputError("DI112", text, "Mend it.")


def main(folder: Path) -> None:
    """Train in a folder and say how, as one line of JSON."""
    from suite_worlds import SMALL, SUITE, text_tokens, tiny_model

    from pellucid.dictionaries.suites.training import train_suite_from

    with Cluster(2) as pool:
        suite = train_suite_from(tiny_model(), text_tokens(), SUITE, folder, executor=pool, **SMALL)
        try:
            pool.submit(refuse, "A shard is damaged.").result()
            said = ""
        except PellucidError as error:
            said = f"{type(error).__name__} {error.code} {error.problem}"
    print("RESULT " + json.dumps({"names": suite.names, "error": said}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
