"""Proofs are made by both access points in one process."""
