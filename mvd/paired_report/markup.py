"""HTML put together so that no text can become markup: whatever is not `Html` is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

VOID = frozenset({"img", "meta", "br", "col"})
"""Elements without an end tag."""


class Html(str):
    """Text that is markup already. Made by `tag` and `joined`, and of files of this package."""

    __slots__ = ()


Content = str | None | Iterable[str | None]


def tag(name: str, *content: Content, **attributes: str | bool | None) -> Html:
    """One element.

    Parameters
    ----------
    content
        Texts, which are escaped, and `Html`, which is not; None is nothing.
    attributes
        A `_` last is left off (`class_`), others are `-`; True gives an attribute without a value, False and None
        none.
    """
    start = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    return Html(start) if name in VOID else Html(f"{start}{joined(*content)}</{name}>")


def joined(*content: Content) -> Html:
    """Pieces one after the other."""
    return Html("".join(_piece(piece) for piece in content))


def _piece(piece: Content) -> str:
    if piece is None:
        return ""
    if isinstance(piece, Html):
        return piece
    if isinstance(piece, str):
        return escape(shown(piece))
    return "".join(_piece(one) for one in piece)


def _attribute(key: str, value: str | bool | None) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(shown(value))}"'


def shown(text: str) -> str:
    """The text without the control characters that HTML and XML forbid, and without letters that turn the line round:
    a name in Hebrew stays, a name that would show another name does not."""
    return "".join(_REPLACED.get(letter, letter) for letter in text)


_REPLACED = {
    **{chr(code): "�" for code in (*range(0x20), 0x7F, *range(0x80, 0xA0)) if chr(code) not in "\t\n\r"},
    **{chr(code): "" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))},
    **{chr(code): "�" for code in range(0xD800, 0xE000)},
    "\ufffe": "�",
    "\uffff": "�",
}
