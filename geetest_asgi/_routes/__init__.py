"""What the framework helpers share: marks on routes and OpenAPI documents."""
