"""Dictionaries: sparse autoencoders and transcoders, trained, judged, looked into and spliced."""

from pellucid.dictionaries.config import TrainConfig as TrainConfig
from pellucid.dictionaries.convention import Convention as Convention
from pellucid.dictionaries.dictionary import Dictionary as Dictionary
from pellucid.dictionaries.engine import CompiledEngine as CompiledEngine
from pellucid.dictionaries.engine import Engine as Engine
from pellucid.dictionaries.engine import engine_for as engine_for
from pellucid.dictionaries.evaluation import evaluate as evaluate
from pellucid.dictionaries.examples import top_examples as top_examples
from pellucid.dictionaries.files import load_dictionary as load_dictionary
from pellucid.dictionaries.files import save_dictionary as save_dictionary
from pellucid.dictionaries.importance import important_latents as important_latents
from pellucid.dictionaries.logits import logit_effects as logit_effects
from pellucid.dictionaries.reference import TorchEngine as TorchEngine
from pellucid.dictionaries.selection import Codes as Codes
from pellucid.dictionaries.splicing import splice as splice
from pellucid.dictionaries.topk import TopK as TopK
from pellucid.dictionaries.training import train as train
from pellucid.dictionaries.training import train_suite as train_suite
