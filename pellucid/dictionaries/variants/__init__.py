"""The kinds of dictionary: one small file each."""

from pellucid.dictionaries.variants.batchtopk import BatchTopK as BatchTopK
from pellucid.dictionaries.variants.gated import Gated as Gated
from pellucid.dictionaries.variants.jumprelu import JumpReLU as JumpReLU
from pellucid.dictionaries.variants.matryoshka import Matryoshka as Matryoshka
from pellucid.dictionaries.variants.relu import ReLU as ReLU
from pellucid.dictionaries.variants.table import VARIANTS as VARIANTS
from pellucid.dictionaries.variants.table import build as build
from pellucid.dictionaries.variants.topk import TopK as TopK
