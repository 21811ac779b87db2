"""Several nodes on one PostgreSQL: what they tell each other, and what only one of them may do at a time."""
