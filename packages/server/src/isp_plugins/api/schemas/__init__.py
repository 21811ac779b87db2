"""The bodies of requests and answers, as pydantic models: what OpenAPI shows is what is checked."""
