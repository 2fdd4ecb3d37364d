"""Specimens measured one after the other in this process."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mvd.workers.job import Heard, Job, Outcomes


class Here:
    """Nothing else is needed, but what kills a specimen's measurement kills the program."""

    def outcomes(self, jobs: Sequence[Job], heard: Heard) -> Outcomes:
        """Each job in turn; see `Pool`."""
        from mvd.measuring import Ears, measure  # noqa: PLC0415  (loads slowly, and who has workers needs none of it)

        for job in jobs:
            name = job.specimen.specimen
            heard.begins(name)
            ears = Ears(partial(heard.opened, name), partial(heard.blocks, name))
            yield job, measure(job.specimen, job.plan, again=job.again, ears=ears)
