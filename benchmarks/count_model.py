"""How often the model of the counts finds a difference where there is none.

    python benchmarks/count_model.py --studies 1000

22 patients after treatment and few or as many before it; nothing differs. Patients differ by the coefficient of
variation that a row names, two specimens of one patient by 0.3, both gamma; vessels are then Poisson counts of 15 in
five fields. `p < 0.05` should be said of one study in twenty. Beside it, what the same standard errors give with
(patients - terms) degrees of freedom, which take the few for as sure as the many.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy import stats

from mvd.statistics import fit_counts

AFTER, MEAN, WITHIN, AREA_MM2 = 22, 15.0, 0.3, 0.3125


def false_alarms(before: int, spread: float, *, studies: int) -> tuple[int, int, int, int]:
    """Studies that were modelled, those with p < 0.05, those with it by patients less terms, and those whose
    correlation did not converge."""
    draw = np.random.default_rng((before, round(100 * spread)))
    names = [f"p{number}" for number in range(AFTER)]
    modelled = found = freely = independent = 0
    for _ in range(studies):
        level = MEAN * _gamma(draw, spread, AFTER)
        pre = draw.poisson(level[:before] * _gamma(draw, WITHIN, before))
        post = draw.poisson(level * _gamma(draw, WITHIN, AFTER))
        fitted = fit_counts(
            np.r_[pre, post],
            np.full(before + AFTER, AREA_MM2),
            patients=names[:before] + names,
            terms={"post": np.r_[np.zeros(before), np.ones(AFTER)]},
        )
        if fitted.terms:
            (term,) = fitted.terms
            modelled += 1
            found += term.p_value < 0.05
            error = np.log(term.high / term.ratio) / stats.t.ppf(0.975, before - 1 if before < AFTER else AFTER - 2)
            freely += 2 * stats.t.sf(abs(np.log(term.ratio)) / error, AFTER - 2) < 0.05
            independent += fitted.correlation is None
    return modelled, found, freely, independent


def _gamma(draw: np.random.Generator, spread: float, size: int) -> np.ndarray:
    """Of mean 1 with a coefficient of variation."""
    return draw.gamma(1 / spread**2, spread**2, size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000)
    chosen = parser.parse_args()
    print("before  spread  modelled  p < 0.05  by patients - terms  taken as independent")
    for before in (2, 3, 4, 5, 8, 12, AFTER):
        for spread in (0.3, 0.6):
            modelled, found, freely, independent = false_alarms(before, spread, studies=chosen.studies)
            shares = [f"{number / modelled:.1%}" if modelled else "none" for number in (found, freely)]
            print(f"{before:6}  {spread:6}  {modelled:8}  {shares[0]:>8}  {shares[1]:>19}  {independent:6}", flush=True)


if __name__ == "__main__":
    main()
