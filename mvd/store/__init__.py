"""The only place that writes results and reads them back. Plain files, written whole or not at all.

atomic    bytes to files: temporary file, fsync, rename
rows      one row of each study table, as a value
tables    rows to CSV and back
log       an observer's corrections, appended one by one; chain says which line is not as it was written
geojson   vessels, fields and involved area for QuPath, and the vessels back
mapped    hot spots and lines of equal density for QuPath, and the density map as TIFF
results   one specimen's result
study_tables  the tables made from all of them
measured  one specimen's result read back whole, for review
"""

from mvd.store.atomic import read_whole, write_together, write_whole
from mvd.store.geojson import as_stored, read_assignments, read_vessels, specimen_geojson
from mvd.store.mapped import map_features, map_tiff
from mvd.store.results import (
    TABLES,
    SpecimenTables,
    read_result,
    read_tables,
    refuse_foreign,
    tables_entry,
    write_result,
)
from mvd.store.rows import FieldRow, HotSpotRow, SpecimenRow, VesselRow, field_rows, hot_spot_rows, vessel_rows
from mvd.store.study_tables import write_study_tables
from mvd.store.tables import read_table, table_text

__all__ = [
    "TABLES",
    "FieldRow",
    "HotSpotRow",
    "SpecimenRow",
    "SpecimenTables",
    "VesselRow",
    "as_stored",
    "field_rows",
    "hot_spot_rows",
    "map_features",
    "map_tiff",
    "read_assignments",
    "read_result",
    "read_table",
    "read_tables",
    "read_vessels",
    "read_whole",
    "refuse_foreign",
    "specimen_geojson",
    "table_text",
    "tables_entry",
    "vessel_rows",
    "write_result",
    "write_study_tables",
    "write_together",
    "write_whole",
]
