"""Commands of the operator, one module per resource of the API."""
