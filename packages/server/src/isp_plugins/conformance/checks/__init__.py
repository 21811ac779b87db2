"""The checks, by subject; each module ends with the list of its own, in the order in which they run."""
