"""Studies of papers, one file each; see ``registry``."""

from pellucid.library.studies.protocol import Conditions as Conditions
from pellucid.library.studies.protocol import Study as Study
from pellucid.library.studies.protocol import StudyMethod as StudyMethod
