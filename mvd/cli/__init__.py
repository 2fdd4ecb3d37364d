"""The command line: parse and call.

app        the commands
review, recount, audit, agree, qupath, calibrate, train
           more of them, in files of their own
progress   what is told while a study runs
screen     results as text and tables

Exit status: 0 all is well; 1 nothing could be done, one sentence says why; 2 the command was not understood; 3 it ran
to its end, but not all is well (specimens without an MVD or a review, a log that was changed); 130 stopped with Ctrl-C.
"""

from mvd.cli.app import main

__all__ = ["main"]
