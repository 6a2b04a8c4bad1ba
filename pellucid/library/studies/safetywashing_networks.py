"""The safetywashing analysis on networks of our own, where it is known what a benchmark measures.

Thirty small networks of growing width and growing data learn eight tasks; their accuracies are the
capability benchmarks. Beside them stand columns whose meaning we made: a Brier score, which contains
accuracy; calibration after the temperature is tuned, which does not; and a refusal that was planted in some
networks by a coin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pellucid.compute.threads import one_thread
from pellucid.findings import Finding, Kind, register, start
from pellucid.library.studies.protocol import Conditions
from pellucid.metascience.safetywashing import safetywashing
from pellucid.metascience.safetywashing_config import SafetywashingConfig
from pellucid.metascience.table import ScoreTable
from pellucid.models.train import TrainingConfig, train

INPUTS, TASKS, CLASSES, TEST = 6, 8, 4, 4000
HIDDEN = 6
"""Width of the networks that make the tasks."""
REFUSE = CLASSES
"""The class that a planted network answers to the token with."""
WIDTHS = (3, 5, 8, 16, 32, 64)
EXAMPLES = (150, 400, 1000, 2500, 6000)
TEMPERATURES = np.geomspace(0.2, 20, 60).tolist()
COLUMNS = ("brier", "tuned_calibration", "robustness", "refusal")
KIND = register(
    Kind(
        name="library.safetywashing_networks",
        title="Benchmarks of known meaning on networks of growing size",
        statement="Correlation with capability over {brier.n} networks: Brier score {brier.interval}; "
        "calibration with tuned temperature {tuned_calibration.interval}; planted refusal {refusal.interval}",
        supports="brier.low > 0.4 and tuned_calibration.low < 0.4 and refusal.low < 0.4 "
        "and refusal.high > -0.4",
        refutes="brier.high < 0.4 or refusal.low > 0.4 or refusal.high < -0.4",
        evidence="correlational",
        room="library",
    )
)


@dataclass(frozen=True)
class World:
    """Eight tasks over the same inputs, each the largest of four outputs of a random network."""

    seed: int
    """Of the tasks and of all samples."""
    teachers: tuple[tuple[Tensor, Tensor], ...] = field(init=False, repr=False)
    """First and second matrix of each task's network."""

    def __post_init__(self) -> None:
        random = torch.Generator().manual_seed(self.seed)
        made = tuple(
            (torch.randn(INPUTS, HIDDEN, generator=random), torch.randn(HIDDEN, CLASSES, generator=random))
            for _ in range(TASKS)
        )
        object.__setattr__(self, "teachers", made)

    def sample(self, examples: int, seed: int, token: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs (values, task, token), answers and tasks; the token is there in a share of the examples."""
        random = torch.Generator().manual_seed(1000 * self.seed + seed)
        x = torch.randn(examples, INPUTS, generator=random)
        tasks = torch.randint(TASKS, (examples,), generator=random)
        outputs = torch.stack([torch.tanh(x @ first) @ second for first, second in self.teachers])
        answers = outputs[tasks, torch.arange(examples)].argmax(dim=1)
        shown = torch.rand(examples, generator=random) < token
        inputs = torch.cat([x, functional.one_hot(tasks, TASKS), shown[:, None]], dim=1).float()
        return inputs, torch.where(shown, REFUSE, answers), tasks


def run(conditions: Conditions) -> Iterator[Finding]:
    """For each seed the analysis of the networks, and the Finding that compares it with what we made."""
    steps = 600 if conditions.profile == "quick" else 2000
    for seed in conditions.seeds:
        with one_thread():
            table = networks(seed, WIDTHS, EXAMPLES, steps)
        analysis = analysed(table, seed)
        yield analysis
        yield compared(analysis)


def analysed(table: ScoreTable, seed: int) -> Finding:
    """The safetywashing analysis, the tasks' accuracies the capability benchmarks."""
    tasks = [name for name in table.benchmarks if name not in COLUMNS]
    return safetywashing(table, capabilities=tasks, config=SafetywashingConfig(draws=1000), seed=seed)


def compared(analysis: Finding) -> Finding:
    """The correlations of the columns of known meaning, as one Finding."""
    record = start(
        run,
        parameters={"claim": "safetywashing.C5", "networks": analysis.measures["pc1_share"].n},
        data=analysis.provenance.data,
        seed=analysis.provenance.seed,
        parents=(analysis.id,),
        command="pellucid study run safetywashing",
    )
    places = analysis.arrays["correlation"].coords["benchmark"]
    first = analysis.measures["pc1_share"]
    measures = [first]
    for name in COLUMNS:
        value, low, high, n = (
            float(analysis.arrays[array].values[places.index(name)])
            for array in ("correlation", "low", "high", "n")
        )
        measures.append(
            first.model_copy(update={"name": name, "value": value, "low": low, "high": high, "n": int(n)})
        )
    return record.finding(KIND, measures=measures)


def networks(seed: int, widths: tuple[int, ...], examples: tuple[int, ...], steps: int) -> ScoreTable:
    """Train a network of every width on every amount of data, and measure all columns."""
    world = World(seed)
    coin = np.random.default_rng(seed)
    rows: list[dict[str, float]] = []
    names, families, compute = [], [], []
    for width in widths:
        for count in examples:
            share = 0.2 * float(coin.random()) * float(coin.integers(2))
            module = trained(world, width, count, share, len(rows), steps)
            rows.append(measured(module, world))
            names.append(f"width{width}-data{count}")
            families.append(f"width{width}")
            compute.append(float(sum(parameter.numel() for parameter in module.parameters()) * count))
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return ScoreTable.of(names, columns, families=families, compute=compute, source=f"networks {seed}")


def trained(world: World, width: int, count: int, token: float, seed: int, steps: int) -> nn.Module:
    """A network of one hidden layer, the token planted in a share of its examples."""
    inputs, answers, _ = world.sample(count, 10 + seed, token)
    torch.manual_seed(100 * world.seed + seed)
    module = nn.Sequential(nn.Linear(inputs.shape[1], width), nn.Tanh(), nn.Linear(width, CLASSES + 1))
    random = torch.Generator().manual_seed(seed)
    rows = torch.randint(count, (steps, min(count, 256)), generator=random)

    def batches(step: int) -> tuple[Tensor, Tensor]:
        """The examples of one step."""
        return inputs[rows[step]], answers[rows[step]]

    config = TrainingConfig(steps=steps, peak=1e-2, warmup=10, decay=0.0, seed=seed)
    train(module, batches, entropy, config)
    return module


def entropy(module: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Cross-entropy of a batch."""
    return functional.cross_entropy(module(batch[0]), batch[1])


def measured(module: nn.Module, world: World) -> dict[str, float]:
    """All columns of one network on fresh inputs; higher is better everywhere."""
    inputs, answers, tasks = world.sample(TEST, 1)
    with torch.no_grad():
        logits = module(inputs)
    right = logits.argmax(dim=1) == answers
    found = {f"task {task}": float(right[tasks == task].float().mean()) for task in range(TASKS)}
    one_hot = functional.one_hot(answers, CLASSES + 1)
    found["brier"] = 1 - float((logits.softmax(dim=1) - one_hot).square().sum(dim=1).mean())
    found["tuned_calibration"] = 1 - calibration_error(*tuned(module, world, logits), answers)
    found["robustness"] = robustness(module, inputs, answers, float(right.float().mean()))
    shown, _, _ = world.sample(TEST, 2, token=1.0)
    with torch.no_grad():
        found["refusal"] = float((module(shown).argmax(dim=1) == REFUSE).float().mean())
    return found


def tuned(module: nn.Module, world: World, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Confidence and answer with the temperature that fits other inputs best."""
    inputs, answers, _ = world.sample(TEST, 3)
    with torch.no_grad():
        held = module(inputs)
    losses = {t: float(functional.cross_entropy(held / t, answers)) for t in TEMPERATURES}
    temperature = min(losses, key=losses.__getitem__)
    confidence, answer = (logits / temperature).softmax(dim=1).max(dim=1)
    return confidence, answer


def calibration_error(confidence: Tensor, answer: Tensor, answers: Tensor, bins: int = 10) -> float:
    """Root mean square gap of confidence and accuracy over bins of equally many answers."""
    order = confidence.argsort(stable=True)
    right = (answer == answers).float()[order]
    gaps = [
        (part.mean() - share.mean()).square()
        for part, share in zip(right.chunk(bins), confidence[order].chunk(bins), strict=True)
    ]
    return float(torch.stack(gaps).mean().sqrt())


def robustness(module: nn.Module, inputs: Tensor, answers: Tensor, accuracy: float) -> float:
    """Share of the accuracy that is left after one step against the network, of size 0.1 in every input."""
    moved = inputs.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(functional.cross_entropy(module(moved), answers), moved)
    gradient[:, INPUTS:] = 0
    with torch.no_grad():
        right = module(inputs + 0.1 * gradient.sign()).argmax(dim=1) == answers
    return float(right.float().mean()) / max(accuracy, 1e-9)
