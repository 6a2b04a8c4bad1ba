"""The argument as a dispute: other readings of its challenges, and the debate of two documents."""

from pellucid.cases.dialectic.debate import Debate as Debate
from pellucid.cases.dialectic.debate import Exchange as Exchange
from pellucid.cases.dialectic.debate import debate as debate
from pellucid.cases.dialectic.decision import DecisionRecord as DecisionRecord
from pellucid.cases.dialectic.decision import Raised as Raised
from pellucid.cases.dialectic.decision import answered_with as answered_with
from pellucid.cases.dialectic.decision import decision_record as decision_record
from pellucid.cases.dialectic.labellings import Alternative as Alternative
from pellucid.cases.dialectic.labellings import alternative_readings as alternative_readings
from pellucid.cases.dialectic.labellings import complete_labellings as complete_labellings
from pellucid.cases.dialectic.labellings import grounded_labelling as grounded_labelling
from pellucid.cases.dialectic.labellings import preferred_labellings as preferred_labellings
from pellucid.cases.dialectic.labellings import stable_labellings as stable_labellings
