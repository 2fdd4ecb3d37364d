"""A figure's SVG made fit to stand within the page."""

from __future__ import annotations

from xml.etree import ElementTree

from mvd.paired_report.figures import Drawn
from mvd.paired_report.markup import Html

_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"


def inline_svg(figure: Drawn) -> Html:
    """The figure as an element.

    Within a page the identifiers of two figures would clash, a style sheet would style the page, and the sizes in
    points would keep the figure from a narrow screen: the first get the figure's name, the others go.
    """
    root = ElementTree.fromstring(figure.svg)  # noqa: S314
    for parent in root.iter():
        for child in [one for one in parent if one.tag in (f"{_SVG}metadata", f"{_SVG}style")]:
            parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        element.attrib = {key: _own(key, value, figure.name) for key, value in _attributes(element)}
    del root.attrib["width"], root.attrib["height"]
    root.attrib |= {"role": "img", "aria-label": figure.alt}
    return Html(ElementTree.tostring(root, encoding="unicode"))


def _attributes(element: ElementTree.Element) -> list[tuple[str, str]]:
    return [(key.removeprefix(_XLINK).removeprefix(_SVG), value) for key, value in element.attrib.items()]


def _own(key: str, value: str, figure: str) -> str:
    """An attribute with the figure's name before each identifier."""
    if key == "id":
        return f"{figure}-{value}"
    if key == "href":
        return value.replace("#", f"#{figure}-", 1)
    return value.replace("url(#", f"url(#{figure}-")
