"""How good a dictionary is: sparsity, reconstruction, and what the model loses when it is spliced in."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int
from torch import Tensor

from pellucid.compute import SILENT, Progress
from pellucid.dictionaries.dictionary import Dictionary
from pellucid.dictionaries.judging.resampling import Drawn, interval, share, totals
from pellucid.dictionaries.judging.sums import RUNS, Metric, Sums, measured
from pellucid.dictionaries.judging.sums import batches as batches
from pellucid.dictionaries.judging.sums import by_sequence as by_sequence
from pellucid.dictionaries.judging.sums import refuse_nothing as refuse_nothing
from pellucid.dictionaries.judging.sums import tokens_sha256 as tokens_sha256
from pellucid.dictionaries.splicing import check_fits
from pellucid.findings import Array, DataRef, Finding, Kind, Measure, View, register, start
from pellucid.findings.measures import Better
from pellucid.models import Model

SMALLEST_GAP = 0.01  # nats: below it, a share of loss recovered means nothing
DENSE = 0.1  # a latent that fires more often counts as dense
NATS = "nats per token"

KIND = register(
    Kind(
        name="dictionaries.evaluation",
        title="How faithful a dictionary is",
        statement="With {l0.value} active per token, the dictionary misses {fvu.value} of the variance and "
        "recovers {ce_recovered.value} of the loss; {dead.value} never fired in {alive.n} tokens.",
        supports="fvu.high < 1",
        refutes="fvu.low >= 1",
        views=(
            View(
                form="bar",
                array="loss",
                title="What the model loses when the dictionary stands in for the activation",
                x="activation at the site",
                unit="nats per token",
            ),
            View(
                form="histogram",
                array="log_frequency",
                title="How often each living latent fires",
                x="log10 of the share of tokens",
                y="latents",
            ),
            View(
                form="bar",
                array="downstream_mse",
                title="How much of the error arrives after each later block",
                x="layer",
                y="squared error per dimension",
            ),
        ),
        stance="interventional",
        evidence="causal",
        room="dictionaries",
    )
)


def evaluate(
    model: Model,
    dictionary: Dictionary,
    tokens: Int[Tensor, "batch pos"],
    *,
    metric: Metric | None = None,
    resamples: int = 1000,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Finding:
    """Judge a dictionary on a text, with intervals over sequences.

        mse = (1/N) sum ||y - y_hat||^2,   mse_per_dim = mse / d               over the N included positions
        fvu = nmse = sum ||y - y_hat||^2 / sum ||y - mean y||^2
        ev_uncentred = 1 - sum ||y - y_hat||^2 / sum ||y||^2
        ev_per_token = mean of 1 - ||y - y_hat||^2 / ||y - mean y||^2
        ev_residual_var = 1 - sum_j var_j(y - y_hat) / sum_j var_j(y)
        l0 = mean #(z != 0),   l1 = mean sum_i |z_i| ||W_dec[i]||              z in units of h
        l2_ratio = mean ||y_hat|| / ||y||,   cosine = mean cos(y, y_hat)
        rel_recon_bias = E ||y_hat||^2 / E[y . y_hat]                          1: no shrinkage
        ce_recovered = (CE_ablated - CE_spliced) / (CE_ablated - CE_clean)     ablated: zero, and mean
        kl = KL(clean || spliced),   kl_reverse = KL(spliced || clean)
        kl_recovered = 1 - kl / KL(clean || ablated)
        downstream_mse = ||a_hat - a||^2 / d                                   after each later block
        faithfulness = (m(spliced) - m(zero)) / (m(clean) - m(zero))           for a task's metric m

    Arguments:
        model: the model it was trained on.
        dictionary: an autoencoder or a transcoder.
        tokens: sequences; each predicts its own next tokens.
        metric: of a task: from logits [batch, pos, vocab] and tokens to one number for each sequence.
        resamples: of sequences, for the intervals.
        seed: of the resampling.
        progress: told after each batch of sequences.

    Returns:
        A Finding ``dictionaries.evaluation`` with the measures above and ce_clean, ce_spliced, ce_mean,
        ce_zero, ce_increase (nats per token), ce_recovered_mean, kl_recovered_mean, top1_agreement (share of
        positions), downstream_mse (mean over later layers), zero_vectors (positions left out of cosine),
        alive (share of latents that fired in n tokens), dead, dense (share that fires in more than 10 % of
        tokens); arrays ``loss``, ``frequency`` (fires per token), ``log_frequency`` (log10, of the living;
        that of a dead latent is minus infinity), ``downstream_mse`` for each layer.
        Shares whose denominator is below 0.01 nats (or 0.01 of the metric's unit) have no value.

    Raises:
        InputError: DI04 another width, DI05 NaN activations, DI18 no position to judge, DI130 no tokens.
        MissingError: DI17 for a site that the model does not have.

    Example: ``evaluate(model, sae, windows(tokens, 64, 64)).measures["fvu"].value``.

    Source: CE recovered: Cunningham et al. 2023, arXiv 2309.08600, section 5; FVU: Gao et al. 2024, arXiv
    2406.04093, section 3; rel_recon_bias: Rajamanoharan et al. 2024, arXiv 2404.16014, eq. 10; downstream
    error: Braun et al. 2024, arXiv 2405.12241, section 2; faithfulness: Marks et al. 2024, arXiv 2403.19647.
    """
    check_fits(model, dictionary)
    keep = dictionary.convention.included(tokens)
    refuse_nothing(tokens, keep)
    record = start(
        evaluate,
        parameters={
            "dictionary": dictionary.sha256,
            "sites": [dictionary.site_in, dictionary.site_out],
            "settings": dictionary.settings(),
            "resamples": resamples,
            **({} if metric is None else {"metric": metric}),
        },
        subject=model.subject,
        data=DataRef(id="tokens", sha256=tokens_sha256(tokens)),
        seed=seed,
    )
    sums = measured(model, dictionary, tokens, keep, metric, progress)
    measures = Measuring(sums, dictionary.d_out, resamples, seed).measures()
    return record.finding(KIND, measures=measures, arrays=arrays_of(sums))


class Measuring:
    """The measures of an evaluation: ratios of sums, with intervals over sequences.

    Arguments:
        sums: of each sequence.
        width: dimensions of the target.
        resamples: of sequences.
        seed: of the resampling.
    """

    def __init__(self, sums: Sums, width: int, resamples: int, seed: int) -> None:
        self.sums, self.width = sums, width
        self.t = totals(sums.columns, resamples, seed)
        self.n = len(sums.columns["rows"])

    def measures(self) -> list[Measure]:
        """Every number."""
        task = self.task() if "metric_clean" in self.t else []
        return [
            *self.sparsity(),
            *self.reconstruction(),
            *self.shape(),
            *self.losses(),
            *self.divergences(),
            *self.downstream(),
            *task,
            *firing_measures(self.sums),
        ]

    def of(self, name: str, values: Drawn, unit: str = "", better: Better = "none") -> Measure:
        """A measure from an estimate and its resamples."""
        return Measure.of(name, interval(values, self.n), unit=unit, better=better)

    def per(self, top: str, bottom: str = "rows") -> Drawn:
        """A ratio of two sums."""
        return share(self.t[top], self.t[bottom])

    def sparsity(self) -> list[Measure]:
        """How many latents are active, and how strongly."""
        return [
            self.of("l0", self.per("l0"), "latents", "lower"),
            self.of("l1", self.per("l1"), better="lower"),
        ]

    def reconstruction(self) -> list[Measure]:
        """How far the reconstruction is from the target, by each of the field's definitions."""
        mse, fvu = self.per("error"), self.per("error", "variance")
        residual = self.per("centred_error", "variance")
        nmse = share(mse, self.per("variance"))
        return [
            self.of("mse", mse, better="lower"),
            self.of("mse_per_dim", mse / self.width, better="lower"),
            self.of("fvu", fvu, better="lower"),
            self.of("nmse", nmse, better="lower"),
            self.of("ev_uncentred", 1 - self.per("error", "squared"), better="higher"),
            self.of("ev_per_token", self.per("per_token", "spread"), better="higher"),
            self.of("ev_residual_var", 1 - residual, better="higher"),
        ]

    def shape(self) -> list[Measure]:
        """Whether the reconstruction is too short, and where it points; 1 is right for all three."""
        zeros = float(self.t["rows"][0] - self.t["directed"][0])
        return [
            self.of("l2_ratio", self.per("length_ratio", "lengths")),
            self.of("rel_recon_bias", self.per("made_squared", "product")),
            self.of("cosine", self.per("cosine", "directed"), better="higher"),
            Measure.of("zero_vectors", zeros, unit="positions"),
        ]

    def losses(self) -> list[Measure]:
        """Next-token losses of all runs, and the share of the loss that comes back."""
        increase = share(self.t["spliced"] - self.t["clean"], self.t["predictions"])
        return [
            *(self.of(f"ce_{run}", self.per(run, "predictions"), NATS, "lower") for run in RUNS),
            self.of("ce_increase", increase, NATS, "lower"),
            self.of("ce_recovered", self.recovered("zero", "spliced", "clean"), better="higher"),
            self.of("ce_recovered_mean", self.recovered("mean", "spliced", "clean"), better="higher"),
        ]

    def recovered(self, ablated: str, spliced: str, clean: str, per: str = "predictions") -> Drawn:
        """(ablated - spliced) / (ablated - clean); undefined where the denominator is too small."""
        gap = self.t[ablated] - self.t[clean]
        large = np.abs(gap[0]) >= SMALLEST_GAP * self.t[per][0]
        return share(self.t[ablated] - self.t[spliced], gap) if large else np.full_like(gap, np.nan)

    def divergences(self) -> list[Measure]:
        """How far the predictions move."""
        self.t["nothing"] = np.zeros_like(self.t["rows"])
        return [
            self.of("kl", self.per("kl_spliced", "predictions"), NATS, "lower"),
            self.of("kl_reverse", self.per("kl_reverse", "predictions"), NATS, "lower"),
            self.of("kl_recovered", self.recovered("kl_zero", "kl_spliced", "nothing"), better="higher"),
            self.of("kl_recovered_mean", self.recovered("kl_mean", "kl_spliced", "nothing"), better="higher"),
            self.of("top1_agreement", self.per("agree", "predictions"), better="higher"),
        ]

    def downstream(self) -> list[Measure]:
        """The mean over later layers of the error that arrives there; nothing where there is none."""
        layers = [self.per(f"later.{site}") for site in self.sums.later]
        return [self.of("downstream_mse", np.mean(layers, 0), better="lower")] if layers else []

    def task(self) -> list[Measure]:
        """A task's metric and the share of it that is kept."""
        self.t["sequences"] = np.full_like(self.t["rows"], self.n)
        metrics = [
            self.of(f"metric_{run}", self.per(f"metric_{run}", "sequences"))
            for run in ("clean", "spliced", "zero")
        ]
        kept = self.recovered("metric_zero", "metric_spliced", "metric_clean", "sequences")
        return [*metrics, self.of("faithfulness", kept, better="higher")]


def firing_measures(sums: Sums) -> list[Measure]:
    """How many latents live, and how many hardly ever rest."""
    n = int(sums.columns["rows"].sum())
    alive = (sums.fires > 0).double().mean()
    dense = (sums.fires > DENSE * n).double().mean()
    return [
        Measure.of("alive", float(alive), n=n, better="higher"),
        Measure.of("dead", float((sums.fires == 0).sum()), unit="latents", n=n, better="lower"),
        Measure.of("dense", float(dense), n=n),
    ]


def arrays_of(sums: Sums) -> dict[str, Array]:
    """The four losses, how often each latent fires, and the error at each later layer."""
    whole = {name: float(column.sum()) for name, column in sums.columns.items()}
    frequency = sums.fires.numpy() / whole["rows"]
    alive = np.flatnonzero(frequency)
    losses = np.array([whole[run] / whole["predictions"] for run in RUNS])
    arrays = {
        "loss": Array(losses, ("run",), {"run": RUNS}),
        "frequency": Array(frequency, ("feature",)),
        "log_frequency": Array(np.log10(frequency[alive]), ("feature",), {"feature": alive.tolist()}),
    }
    if sums.later:
        layers = [int(site.split(".")[1]) for site in sums.later]
        errors = np.array([whole[f"later.{site}"] / whole["rows"] for site in sums.later])
        arrays["downstream_mse"] = Array(errors, ("layer",), {"layer": layers})
    return arrays
