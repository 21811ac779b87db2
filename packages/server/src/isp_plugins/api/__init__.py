"""The HTTP API: FastAPI resources, problem documents, and the one place where callers are let in."""
