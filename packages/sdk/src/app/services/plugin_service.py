"""The import path of the specification: a contract that never changes."""
