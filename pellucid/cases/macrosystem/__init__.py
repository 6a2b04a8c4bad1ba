"""A deployment as a whole: subsystems, what they may do together, and how the risks add up."""

from pellucid.cases.macrosystem.assessment import assess as assess
from pellucid.cases.macrosystem.composition import all_fail as all_fail
from pellucid.cases.macrosystem.composition import all_fail_bounds as all_fail_bounds
from pellucid.cases.macrosystem.composition import any_fails as any_fails
from pellucid.cases.macrosystem.composition import any_fails_bounds as any_fails_bounds
from pellucid.cases.macrosystem.composition import any_of_instances as any_of_instances
from pellucid.cases.macrosystem.composition import common_cause as common_cause
from pellucid.cases.macrosystem.system import Infraction as Infraction
from pellucid.cases.macrosystem.system import Interaction as Interaction
from pellucid.cases.macrosystem.system import Macrosystem as Macrosystem
from pellucid.cases.macrosystem.system import Outcome as Outcome
from pellucid.cases.macrosystem.system import Subsystem as Subsystem
from pellucid.cases.macrosystem.system import ThreatModel as ThreatModel
