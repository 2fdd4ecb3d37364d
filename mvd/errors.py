"""What can go wrong, as one tree.

MvdError                 anything a user can put right; its text says what, where and what to do
├── SlideError           the image cannot be opened or read
│   └── CalibrationError no pixel size, or one that cannot be true
├── StainError           the pixels do not carry a measurable stain
├── ProtocolError        the protocol file is not valid
├── ManifestError        specimens.csv is not valid
├── InvolvedAreaError    the involved area cannot be used
├── FieldError           fields cannot be placed
├── CorrectionError      an observer's correction does not fit what it is to correct
├── TrainingError        too little was reviewed to make a model of it
├── ModelError           a learned model cannot be used
└── StoreError           results cannot be written or read back

Caught only at the edges: the command line and the cohort loop (one specimen's error is that specimen's row).
"""


class MvdError(Exception):
    """Base of every error that a user can put right."""


class SlideError(MvdError):
    """An image that cannot be opened or read."""


class CalibrationError(SlideError):
    """A pixel size that is missing, absurd or contradicts the file."""


class StainError(MvdError):
    """Pixels without a measurable stain (no tissue, no colour)."""


class ProtocolError(MvdError):
    """A protocol that is not valid."""


class ManifestError(MvdError):
    """A manifest (specimens.csv) that is not valid."""


class InvolvedAreaError(MvdError):
    """An involved area that cannot be used."""


class FieldError(MvdError):
    """Fields that cannot be placed."""


class CorrectionError(MvdError):
    """An observer's correction that does not fit what it is to correct."""


class TrainingError(MvdError):
    """Too few corrections, or of too few specimens, to make a model of them."""


class ModelError(MvdError):
    """A learned model that is missing, was changed, or is of another version of the program."""


class StoreError(MvdError):
    """Results that cannot be written or read back."""
