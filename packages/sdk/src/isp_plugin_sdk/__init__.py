"""All that a plugin needs; standard library only."""
