"""Numeric confidence in an argument: four calculi side by side, sensitivity, and what to measure next."""

from pellucid.cases.confidence.calculi import Confidence as Confidence
from pellucid.cases.confidence.calculi import NodeConfidence as NodeConfidence
from pellucid.cases.confidence.calculi import confide as confide
from pellucid.cases.confidence.cut_sets import CutSet as CutSet
from pellucid.cases.confidence.cut_sets import CutSets as CutSets
from pellucid.cases.confidence.experiments import Experiment as Experiment
from pellucid.cases.confidence.experiments import next_experiments as next_experiments
from pellucid.cases.confidence.importance import Importance as Importance
from pellucid.cases.confidence.importance import importances as importances
from pellucid.cases.confidence.importance import minimal_cut_sets as minimal_cut_sets
from pellucid.cases.confidence.leaves import LeafConfidence as LeafConfidence
from pellucid.cases.confidence.leaves import read_confidences as read_confidences
from pellucid.cases.confidence.opinions import Opinion as Opinion
