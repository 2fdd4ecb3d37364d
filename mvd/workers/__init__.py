"""Who measures the specimens of a run: this process, processes beside it, or a Dask cluster. The numbers are the same.

A worker is a process that measures one specimen at a time (`serve`); what kills it costs that specimen. `Crew` keeps
workers on this machine, `Cluster` has Dask keep them on many. A big slide's blocks are searched by whoever is idle.
"""

from mvd.workers.crew import Crew
from mvd.workers.here import Here
from mvd.workers.job import Broken, Heard, Job, Pool

__all__ = ["Broken", "Crew", "Heard", "Here", "Job", "Pool"]
