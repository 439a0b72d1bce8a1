"""Version 1: JSON Schemas (``schemas/``), OpenAPI description and examples. The files are the contract."""
