"""Hooks: what they are (catalogue), when a subscription runs (condition), what fits (binding), who subscribed (store), and the engine."""
