"""The pages: one module per area, each with ``add(app)`` for its routes."""
