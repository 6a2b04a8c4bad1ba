"""The operational rule set of scheming inability: challenges of stealth and situational awareness."""
