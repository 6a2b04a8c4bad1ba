"""Dictionaries: sparse autoencoders and transcoders, trained, judged, looked into and spliced."""

from pellucid.dictionaries.config import TrainConfig as TrainConfig
from pellucid.dictionaries.convention import Convention as Convention
from pellucid.dictionaries.dictionary import Dictionary as Dictionary
from pellucid.dictionaries.engine import CompiledEngine as CompiledEngine
from pellucid.dictionaries.engine import Engine as Engine
from pellucid.dictionaries.engine import engine_for as engine_for
from pellucid.dictionaries.reference import TorchEngine as TorchEngine
from pellucid.dictionaries.selection import Codes as Codes
from pellucid.dictionaries.topk import TopK as TopK
from pellucid.dictionaries.training import train as train
from pellucid.dictionaries.training import train_suite as train_suite
