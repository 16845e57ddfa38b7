"""The OpenAPI document, made from the types that validate requests and the table of routes."""
