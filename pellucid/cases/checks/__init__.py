"""Numbered checks of an argument: its elements, its references, its evidence."""

from pellucid.cases.checks.stages import diagnose as diagnose
