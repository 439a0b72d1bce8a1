"""Reproducible benchmarks. Figures are ratios within one run; never a timed test."""
