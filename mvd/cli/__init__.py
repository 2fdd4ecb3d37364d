"""The command line: parse and call.

app        the commands
review     one of them, in a file of its own: the observer's desk
train      another
progress   what is told while a study runs
screen     results as text and tables

Exit status: 0 all is well; 1 nothing could be done, one sentence says why; 2 the command was not understood; 3 a study
ran to its end, but some specimens have no MVD; 130 stopped with Ctrl-C.
"""

from mvd.cli.app import main

__all__ = ["main"]
