"""Learned models: a folder each, of a card that says what the model is and a file of plain numbers. Never pickle.

The shipped ones lie in `models/` at the top of the repository and in this package's folder once it is installed.
"""

from mvd.models.score import CARD_FILE, WEIGHTS_FILE, Card, chosen_score, read_score, shipped_score, weights_text

__all__ = ["CARD_FILE", "WEIGHTS_FILE", "Card", "chosen_score", "read_score", "shipped_score", "weights_text"]
