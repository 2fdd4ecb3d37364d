"""`python -m mvd.workers`: a worker, started by the run that it works for."""

from mvd.workers.serve import main

main()
