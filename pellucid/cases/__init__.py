"""Safety arguments bound to measured evidence: read, check, evaluate, draw."""

from pellucid.cases.case import Case as Case
from pellucid.cases.evidence import LeafState as LeafState
from pellucid.cases.graph import Graph as Graph
from pellucid.cases.nodes import Acceptance as Acceptance
from pellucid.cases.nodes import Extension as Extension
from pellucid.cases.nodes import Module as Module
from pellucid.cases.nodes import Node as Node
from pellucid.cases.nodes import NodeKind as NodeKind
from pellucid.cases.sensitivity import Sensitivity as Sensitivity
from pellucid.cases.verdict import NodeState as NodeState
from pellucid.cases.verdict import Verdict as Verdict
