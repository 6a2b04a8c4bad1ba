"""Circuits: which parts of a network decide an answer, shown by intervening on them."""

from pellucid.circuits.answer import Answer as Answer
from pellucid.circuits.metrics import METRICS as METRICS
from pellucid.circuits.metrics import measure as measure
from pellucid.circuits.patching import patch_sweep as patch_sweep
