"""Drawings as pure functions: values and words in, SVG out, without any style of its own."""
