"""Every performance claim, measured side by side with its bare limit or a peer."""
