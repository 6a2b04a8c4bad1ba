"""Open a network, read a site, write a site, stream activations to disk."""

from pellucid.models.branching import branch_logits as branch_logits
from pellucid.models.generate import generate as generate
from pellucid.models.families import Facts as Facts
from pellucid.models.harvest import harvest as harvest
from pellucid.models.model import Model as Model
from pellucid.models.moments import Moments as Moments
from pellucid.models.open import open_model as open_model
from pellucid.models.open import register_source as register_source
from pellucid.models.run import Run as Run
from pellucid.models.shards import ActivationShards as ActivationShards
from pellucid.models.shards import open_shards as open_shards
from pellucid.models.sites import Sites as Sites
from pellucid.models.tokens import FileTokenizer as FileTokenizer
from pellucid.models.tokens import TextData as TextData
from pellucid.models.tokens import Tokenizer as Tokenizer
from pellucid.models.tokens import read_text as read_text
from pellucid.models.tokens import windows as windows
from pellucid.models.train import TrainingConfig as TrainingConfig
from pellucid.models.train import TrainingLog as TrainingLog
from pellucid.models.train import train as train
from pellucid.models.transformer import Transformer as Transformer
from pellucid.models.transformer import TransformerConfig as TransformerConfig
from pellucid.models.transformer import load_transformer as load_transformer
from pellucid.models.transformer import save_transformer as save_transformer
from pellucid.models.writes import Write as Write
