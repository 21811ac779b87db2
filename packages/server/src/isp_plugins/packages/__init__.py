"""A plugin's files: from a source over a checked wheel to a kept artifact and an environment of its own."""
