"""Stain map and counting rule in, vessels out."""

from mvd.vessels.model import Reason, Vessel

__all__ = ["Reason", "Vessel"]
