"""Bone-marrow microvessel density."""
