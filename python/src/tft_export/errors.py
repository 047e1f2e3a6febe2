"""The error that users see: what went wrong, a stable code, and what to do about it."""

from collections.abc import Sequence

# Every code and what it means; docs/export.md lists the same. A code never changes between releases.
CODES = {
    "checkpoint_not_found": "the checkpoint is missing",
    "not_a_checkpoint": "torch cannot read the file, or no trainer saved it",
    "not_a_tft": "a checkpoint of another model",
    "no_dataset_parameters": "the model was not made with from_dataset; its scalers are lost",
    "unsupported_option": "the model was trained with something that cannot be exported",
    "servers_incomplete": "--servers leaves out servers of the training data",
    "servers_invalid": "--servers is not a CSV file with a column server_name",
    "history_not_found": "the history is missing",
    "history_invalid": "the history cannot be read",
    "history_empty": "the history has no rows",
    "history_column": "a column is missing",
    "history_value": "a column holds something that is not a number",
    "history_short": "the history holds no whole window, or nothing measured to judge by",
    "history_category": "a category that the model refuses",
    "history_large": "the history is too large to ship with a bundle",
    "map_not_found": "the column map is missing",
    "map_invalid": "the column map cannot be read",
    "option_conflict": "two options exclude each other",
    "report_invalid": "the training report is not a JSON object",
    "bundle_exists": "the bundle exists, and --force is not given",
    "bundle_not_replaced": "the folder holds something that is not a bundle",
    "bundle_not_written": "the bundle cannot be written",
    "bundle_not_found": "the folder is not a bundle",
    "bundle_invalid": "the bundle's model.json or one of its files is damaged or missing",
    "bundle_changed": "a file is not the one that the bundle was written with",
    "export_failed": "no exporter could write the graph",
    "operator_not_allowed": "the graph has an operator that engines may not take",
    "graph_invalid": "the graph is damaged, or its tensors are not those of model.json",
    "calibration_needed": "the bundle ships no history to calibrate on",
    "calibration_not_found": "the calibration set is missing",
    "calibration_invalid": "the calibration set cannot be read",
    "calibration_changed": "a file of the calibration set is not the one that was written with it",
    "calibration_mismatch": "the calibration set is another model's",
    "calibration_exists": "the folder for the windows exists",
    "calibration_not_written": "the windows cannot be written",
    "unexpected": "a library underneath failed in a way that is not foreseen here",
    "peer_not_installed": "the package of an evaluation's peer (LightGBM, fracast) is not installed",
    "sets_invalid": "the file of sets to judge by cannot be read",
    "outputs_invalid": "the outputs cannot be read or have another size",
}


class ExportError(Exception):
    """A mistake that the user can correct. `code` is one of `CODES`; the message may change.

    `reasons` lists all that is wrong, where that is more than the message can say in a line.
    """

    def __init__(self, code: str, message: str, reasons: Sequence[str] = ()):
        super().__init__(message)
        self.code = code
        self.reasons = tuple(reasons)


def unsupported(option: str, why: str) -> ExportError:
    """The error for a checkpoint trained with an option that the exporter does not handle."""
    return ExportError("unsupported_option", f"{option}: {why}")
