"""Trained dictionaries find the truth of worlds whose features are known."""

from __future__ import annotations

import torch
from dictionary_worlds import cosines, mcc, planted_transcoder, zipf_world

from pellucid.dictionaries import TopK, TrainConfig, train
from pellucid.dictionaries.training.learner import Learner
from pellucid.dictionaries.training.sources import TensorSource
from pellucid.organisms.superposition import ToyConfig, toy_rows, train_toy, world

CONFIG = TrainConfig(n_features=256, k=8, steps=1000, batch=512, lr=3e-3)


def best(truth: torch.Tensor, dictionary: TopK) -> torch.Tensor:
    """The largest |cos| of each true direction with any latent."""
    return cosines(truth, dictionary.W_dec.detach()).max(1).values


def test_superposed_features_are_found():
    """Twice as many directions as dimensions."""
    truth = zipf_world(128, 64, 4.0, orthogonal=False)
    activations, _ = truth.sample(20_000, seed=1)
    assert float(best(truth.directions, train(activations, CONFIG)).mean()) > 0.9
    assert float(best(truth.directions, TopK(64, 256, 8)).mean()) < 0.5  # what chance finds


def test_rare_features_are_found_once_they_were_seen_a_few_times():
    """In the world of the benchmark a tenth of the features fires fewer than 10 times in 20,000 rows."""
    truth = world(128, 64, l0=4.0)
    activations, codes = truth.sample(20_000, seed=1)
    seen = (codes > 0).sum(0)
    found = best(truth.directions, train(activations, CONFIG))
    assert float(found[seen >= 10].mean()) > 0.9
    assert float(found[seen >= 100].min()) > 0.9
    assert int((seen >= 10).sum()) > 100


def test_orthogonal_features_are_matched_one_to_one():
    truth = zipf_world(64, 64, 3.0)
    activations, _ = truth.sample(30_000, seed=1)
    config = TrainConfig(n_features=64, k=8, steps=2000, batch=512, lr=3e-3)
    assert mcc(truth.directions, train(activations, config).W_dec) > 0.95


def test_the_toy_model_of_superposition_is_taken_apart():
    """20 features in 8 dimensions, packed there by training, not by us."""
    config = ToyConfig(n_features=20, d_hidden=8, sparsity=0.95, importance=0.95)
    toy, _ = train_toy(config)
    hidden = toy.hidden(toy_rows(config, 9, 30_000)).detach()
    packed = toy.W.detach().T[toy.W.detach().norm(dim=0) > 0.5]
    dictionary = train(hidden, TrainConfig(n_features=40, k=3, steps=1500, batch=512, lr=3e-3))
    assert len(packed) > 12
    assert float(best(packed, dictionary).mean()) > 0.9


def test_codes_are_the_true_coefficients():
    truth = zipf_world(16, 32, 2.0)
    activations, _ = truth.sample(20_000, seed=1)
    dictionary = train(activations, TrainConfig(n_features=32, k=6, steps=1000, batch=512, lr=3e-3))
    fresh, codes = truth.sample(2000, seed=2)
    found = dictionary.codes(fresh).dense()
    latents = cosines(truth.directions, dictionary.W_dec).argmax(1)
    pairs = [torch.stack([codes[:, i], found[:, latent]]) for i, latent in enumerate(latents)]
    assert min(float(torch.corrcoef(pair)[0, 1]) for pair in pairs) > 0.95


def test_a_planted_transcoder_is_found_on_both_sides():
    first, second, x, y = planted_transcoder(20_000)
    config = TrainConfig(n_features=48, k=6, steps=2000, batch=512, lr=3e-3, site="in", site_out="out")
    dictionary = train({"in": x, "out": y}, config)
    assert dictionary.convention.subtract == "none"
    assert float(best(second, dictionary).mean()) > 0.95
    assert float(cosines(first, dictionary.W_enc).max(1).values.mean()) > 0.95


def still_dead(activations: torch.Tensor, auxiliary: float) -> int:
    """How many of 48 latents stay dead that begin too faint to be among the k."""
    config = TrainConfig(
        n_features=96, k=4, steps=300, batch=256, lr=3e-3, dead_after=1000, auxiliary=auxiliary
    )
    learner = Learner(TensorSource({"": activations}), config)
    with torch.no_grad():
        learner.dictionary.W_enc[48:] *= 0.02
    stream = learner_stream(activations, config)
    for _ in range(config.steps):
        learner.advance(next(stream))
    return int((learner.silent[48:] >= 1000).sum())


def learner_stream(activations: torch.Tensor, config: TrainConfig):
    return TensorSource({"": activations}).batches([""], config.batch, config.order_seed, 0)


def test_dead_latents_are_revived():
    activations, _ = zipf_world(96, 96, 4.0).sample(20_000, seed=1)
    without, revived = still_dead(activations, 0.0), still_dead(activations, 1 / 32)
    assert without > 24  # half of those that began faint
    assert revived < without / 2


def test_structureless_data_stays_unexplained():
    """Gaussian noise has no sparse structure to find: two of 64 directions explain little of it."""
    noise = torch.randn(5000, 32, generator=torch.Generator().manual_seed(0))
    dictionary = train(noise, TrainConfig(n_features=64, k=2, steps=300, batch=256, lr=3e-3))
    assert dictionary.training_record["log"][-1]["fvu"] > 0.6


def test_equal_seeds_of_data_and_weights_do_not_give_the_answer_away():
    """A world and a dictionary of seed 0 share no directions before training."""
    truth = world(128, 64, l0=4.0, seed=0)
    assert float(best(truth.directions, TopK(64, 128, 8, seed=0)).max()) < 0.7
