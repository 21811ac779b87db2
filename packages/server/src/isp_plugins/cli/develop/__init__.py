"""Commands of those who write plugins."""
