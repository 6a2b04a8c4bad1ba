"""What end-to-end quality costs: local training, a shorter one with an end-to-end finish, all end to end.

The shipped language model, TopK dictionaries of one k on the same tokens, one thread. Each training is timed
in CPU time with the making of its activations; the three take turns, so that a busy machine is busy for all.
Prints the Finding dictionaries.objective_cost.

Run:   .venv/bin/python benchmarks/bench_end_to_end.py [--seeds 5] [--steps 1000] [--site NAME] [--local 0.6]
       [--share 0.2]
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable

import torch

import pellucid
from pellucid.dictionaries import Dictionary, TrainConfig, evaluate, train
from pellucid.dictionaries.judging.objective_cost import WAYS, Way, objective_cost
from pellucid.dictionaries.training.end_to_end import EndToEnd
from pellucid.dictionaries.training.functional import Finish, train_functional
from pellucid.findings import Finding
from pellucid.library.studies.e2e import held_out
from pellucid.models import Model
from pellucid.organisms import bard

BATCH = 1024


def ways(
    model: Model, tokens: torch.Tensor, config: TrainConfig, finish: Finish
) -> dict[str, Callable[[], Dictionary]]:
    """The three trainings of one seed."""
    whole = dataclasses.replace(config, objective=EndToEnd())
    return {
        "local": lambda: train((model, tokens), config),
        "cheap": lambda: train_functional(model, tokens, config, finish),
        "end_to_end": lambda: train((model, tokens), whole),
    }


def main() -> None:
    """Train, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--site", default="blocks.1.resid_post")
    parser.add_argument("--local", type=float, default=Finish.local)
    parser.add_argument("--share", type=float, default=Finish.share)
    asked = parser.parse_args()
    finish = Finish(local=asked.local, share=asked.share)
    torch.set_num_threads(1)
    model = pellucid.open_model("organism:bard")
    base = TrainConfig(n_features=1024, k=16, site=asked.site, steps=asked.steps, batch=BATCH, lr=4e-3)
    first = dataclasses.replace(base, steps=4)
    for training in ways(model, bard.batch(0, 0)[:, : bard.CONTEXT].long(), first, finish).values():
        training()  # compiles what is compiled on first use
    judged: dict[str, list[Finding]] = {name: [] for name in WAYS}
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for seed in range(asked.seeds):
        rows = bard.windows(bard.generator(991, seed), asked.steps * BATCH // bard.CONTEXT, bard.CONTEXT)
        config = dataclasses.replace(base, seed=seed)
        for name, training in ways(model, torch.from_numpy(rows).long(), config, finish).items():
            began = time.process_time()
            made = training()
            seconds[name].append(time.process_time() - began)
            judged[name].append(evaluate(model, made, held_out(), seed=seed))
    each = [Way(judged[name], seconds[name]) for name in WAYS]
    objective_cost(*each).show()


if __name__ == "__main__":
    main()
