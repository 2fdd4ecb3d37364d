"""Numbers as the report writes them, in one place, so that a table, a sentence and a figure say the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTHING = "–"
MINUS = "−"


def density(value: float | None) -> str:
    """A density or a difference in vessels/mm²: one decimal, none for a whole number, as papers on MVD print it."""
    return NOTHING if value is None else _signed(f"{value:.1f}".removesuffix(".0"))


def change(value: float | None) -> str:
    """A difference with its sign."""
    text = density(value)
    return f"+{text}" if value is not None and value > 0 and text != "0" else text


def with_sign(value: float | None) -> str:
    """A difference in a column of them: its sign and one decimal, so that the points stand below each other."""
    text = fixed(value, 1)
    return f"+{text}" if value is not None and value > 0 and text != "0.0" else text


def fixed(value: float | None, decimals: int) -> str:
    """A number with so many decimals."""
    return NOTHING if value is None else _signed(f"{value:.{decimals}f}")


def count(value: float | None) -> str:
    """A count; the mean of several observers' with what follows the point."""
    return NOTHING if value is None else _signed(f"{value:.2f}".rstrip("0").rstrip("."))


def p_value(p: float | None) -> str:
    """Three decimals, four where three would put it on the wrong side of 0.05 or below 0.01."""
    if p is None:
        return NOTHING
    if p < 0.0001:
        return "< 0.0001"
    decimals = 4 if p < 0.01 or 0.0495 <= p < 0.0505 else 3
    return f"{min(p, 1.0):.{decimals}f}"


def p_clause(p: float) -> str:
    """For within a sentence: "p = 0.012"."""
    text = p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def interval(low: float | None, high: float | None) -> str:
    """The two ends of an interval of densities or differences."""
    return NOTHING if low is None or high is None else f"{density(low)} to {density(high)}"


def span(low: float | None, high: float | None) -> str:
    """The range of densities, which are never below 0, as the source paper prints it: 16–156.8."""
    return NOTHING if low is None or high is None else f"{density(low)}–{density(high)}"


def percent(share: float) -> str:
    """A level such as 0.95 as 95 %."""
    return f"{100 * share:.4g} %"


def number_of(number: int, one: str, many: str = "") -> str:
    """1 patient, 2 patients."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def listed(names: Iterable[str], *, last: str = "and") -> str:
    """a, b and c."""
    *most, end = list(names) or [""]
    return f"{', '.join(most)} {last} {end}" if most else end


def shortened(names: Sequence[str], most: int = 12) -> str:
    """A list of names that is cut where it would fill the page; how many were left out is said."""
    rest = len(names) - most
    return listed(names) if rest <= 0 else f"{', '.join(names[:most])} and {rest} more"


def sentence(text: str) -> str:
    """With a full stop and a capital letter; empty stays empty."""
    text = text.strip()
    return text and text[0].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _signed(text: str) -> str:
    if text.startswith("-"):
        digits = text[1:]
        return digits if not digits.strip("0.") else MINUS + digits
    return text
