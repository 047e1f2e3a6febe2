"""The one error a user sees: what went wrong, a stable code, and what to do about it."""


class ExportError(Exception):
    """A mistake the user can mend. `code` never changes between releases; the message may."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


def unsupported(option: str, why: str) -> ExportError:
    """The error for a checkpoint trained with an option that the exporter does not handle."""
    return ExportError("unsupported_option", f"{option}: {why}")
