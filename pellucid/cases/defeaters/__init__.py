"""Ready-made doubts: what they say, when evidence brings them up, how they are answered or waived."""

from pellucid.cases.defeaters.automatic import challenged as challenged
from pellucid.cases.defeaters.backfire import MECHANISMS as MECHANISMS
from pellucid.cases.defeaters.backfire import BackfireDefeater as BackfireDefeater
from pellucid.cases.defeaters.backfire import backfire_of as backfire_of
from pellucid.cases.defeaters.backfire import with_backfire as with_backfire
from pellucid.cases.defeaters.backfire_evidence import Regime as Regime
from pellucid.cases.defeaters.backfire_evidence import backfire as backfire
from pellucid.cases.defeaters.catalogue import CATALOGUE as CATALOGUE
from pellucid.cases.defeaters.catalogue import Defeater as Defeater
from pellucid.cases.defeaters.catalogue import attached as attached
from pellucid.cases.defeaters.catalogue import defeater as defeater
from pellucid.cases.defeaters.waivers import Waiver as Waiver
from pellucid.cases.defeaters.waivers import waivers as waivers
