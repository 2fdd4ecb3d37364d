"""Rank tests that are exact with ties, shifts with their intervals, and what goes with them: arrays in, values out."""

from mvd.statistics.count_model import FittedTerm, FittedTerms, fit_counts
from mvd.statistics.friedman import FriedmanTest, friedman
from mvd.statistics.holm import holm
from mvd.statistics.power import detectable_paired_shift, detectable_shift_between
from mvd.statistics.rank_sum import RankSumTest, rank_sum
from mvd.statistics.ranks import resolution_of
from mvd.statistics.shift import Shift, paired_shift, shift_between
from mvd.statistics.signed_rank import SignedRankTest, signed_rank
from mvd.statistics.spread import Spread, spread

__all__ = [
    "FittedTerm",
    "FittedTerms",
    "FriedmanTest",
    "RankSumTest",
    "Shift",
    "SignedRankTest",
    "Spread",
    "detectable_paired_shift",
    "detectable_shift_between",
    "fit_counts",
    "friedman",
    "holm",
    "paired_shift",
    "rank_sum",
    "resolution_of",
    "shift_between",
    "signed_rank",
    "spread",
]
