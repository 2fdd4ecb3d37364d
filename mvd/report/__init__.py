"""Pictures to check a count by: every counting field, the whole section, and the map of its density.

Pictures are for people: no number is read from them. They show the specimen's name and nothing else that could name
a patient; the slide's label is never opened.
"""

from mvd.report.density_picture import write_density_map
from mvd.report.field_picture import write_field_pictures
from mvd.report.overview import write_overview

__all__ = ["write_density_map", "write_field_pictures", "write_overview"]
