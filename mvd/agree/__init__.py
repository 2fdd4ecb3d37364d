"""A study's reviews, or counts made at the microscope -> how well readers agree, as files.

gathered  what is to be compared, and what is left out
study     reads from the results of the program and the logs of the observers
table     reads from a table of counts
figures   counts against counts, and Bland–Altman
written   everything to files
"""

from mvd.agree.gathered import Gathered, LeftOut
from mvd.agree.study import gather_study
from mvd.agree.table import read_counts
from mvd.agree.written import write_agreement

__all__ = ["Gathered", "LeftOut", "gather_study", "read_counts", "write_agreement"]
