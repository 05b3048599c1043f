"""Shared by the framework helpers: marks on routes, and OpenAPI documents."""
