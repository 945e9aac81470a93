"""deskhand: a hired hand for your desk."""

__version__ = "0.1.0"
