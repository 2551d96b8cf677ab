"""Export: documents or packed sequences in the formats that other libraries read.

``rows.py`` says what every format gets: rows of positions, a chunk at a time. ``documents.py`` makes them of a dataset,
``sequences.py`` of a plan. Each format is one file, and ``formats.py`` has the table of them. ``targets.py`` lets files
appear when they are complete.
"""

from portmanteau.store.exporting.formats import FORMATS, ExportFormat, export_documents, export_sequences

__all__ = ["FORMATS", "ExportFormat", "export_documents", "export_sequences"]
