"""Conducts every plugin's life: registration, enabling, reloading, configuring, disabling, recovery and deletion."""
