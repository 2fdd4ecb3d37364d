"""What can be done with one object, as a menu at the pointer."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QMenu, QWidget

from mvd.corrections import ReviewedObject
from mvd.vessels import Reason
from mvd_napari.keys import KEYS, REASON_KEYS, Action

_OFFERED = (Action.ACCEPT, Action.SPLIT, Action.OUTLINE, Action.COMMENT)


def object_menu(
    parent: QWidget, reviewed: ReviewedObject, press: Callable[[str], bool], reject: Callable[[Reason], None]
) -> QMenu:
    """Show the menu; what is chosen does what its key does."""
    menu = QMenu(parent)
    for key in KEYS:
        if key.action in _OFFERED and not (key.action is Action.ACCEPT and reviewed.vessel.accepted):
            menu.addAction(f"{key.short}\t{key.keys[0]}", lambda name=key.keys[0]: press(name))
    menu.addSeparator()
    digits = {reason: digit for digit, reason in REASON_KEYS.items()}
    verb = "reject" if reviewed.vessel.accepted else "reason"
    for reason in sorted(Reason, key=lambda one: "123456789".find(digits.get(one, "0")) % 99):
        if reason is not Reason.NOT_INVOLVED and reason is not reviewed.vessel.reason:
            menu.addAction(f"{verb}: {reason}\t{digits.get(reason, '')}", lambda why=reason: reject(why))
    menu.popup(QCursor.pos())
    return menu
