"""Reviews to QuPath and back, by GeoJSON files.

writing    a review as a file that QuPath opens; it says which line of which log it shows
features   what a file holds, as QuPath writes it
matching   which objects of the file are which of the review, and which of them were edited
edits      edits made in QuPath as decisions, for the review as it stands by now
exchange   export and import of a study's specimens
"""

from mvd.qupath.exchange import Exported, Imported, export_review, import_review

__all__ = ["Exported", "Imported", "export_review", "import_review"]
