"""The UK REST API (contracts/uk/v1/openapi.yaml)."""
