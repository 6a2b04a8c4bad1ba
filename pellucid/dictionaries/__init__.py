"""Dictionaries: sparse autoencoders and transcoders, trained, judged, looked into and spliced."""

from pellucid.dictionaries.config import TrainConfig as TrainConfig
from pellucid.dictionaries.convention import Convention as Convention
from pellucid.dictionaries.dictionary import Dictionary as Dictionary
from pellucid.dictionaries.engines.compiled import CompiledEngine as CompiledEngine
from pellucid.dictionaries.engines.compiled import Engine as Engine
from pellucid.dictionaries.engines.compiled import engine_for as engine_for
from pellucid.dictionaries.engines.reference import TorchEngine as TorchEngine
from pellucid.dictionaries.engines.selection import Codes as Codes
from pellucid.dictionaries.formats.registry import load_dictionary as load_dictionary
from pellucid.dictionaries.formats.registry import save_dictionary as save_dictionary
from pellucid.dictionaries.judging.evaluation import evaluate as evaluate
from pellucid.dictionaries.reading.examples import top_examples as top_examples
from pellucid.dictionaries.reading.importance import important_latents as important_latents
from pellucid.dictionaries.reading.logits import logit_effects as logit_effects
from pellucid.dictionaries.splicing import splice as splice
from pellucid.dictionaries.training.loop import train as train
from pellucid.dictionaries.training.loop import train_suite as train_suite
from pellucid.dictionaries.training.objectives import Local as Local
from pellucid.dictionaries.variants import VARIANTS as VARIANTS
from pellucid.dictionaries.variants import BatchTopK as BatchTopK
from pellucid.dictionaries.variants import Gated as Gated
from pellucid.dictionaries.variants import JumpReLU as JumpReLU
from pellucid.dictionaries.variants import Matryoshka as Matryoshka
from pellucid.dictionaries.variants import ReLU as ReLU
from pellucid.dictionaries.variants import TopK as TopK
