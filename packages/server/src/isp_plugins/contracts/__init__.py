"""Values and Protocols through which the specialists speak; they never import each other."""
