"""What can be exported: the lists that the check goes by, and the table of them in docs/export.md."""

from collections.abc import Iterable
from typing import NamedTuple

from .head import POINT_LOSSES

# What a bundle calls the one group id that scales a target.
SERVER_ID = "server_id"
TRANSFORMATIONS = (None, "softplus", "relu", "log", "log1p", "logit", "count", "sqrt")
# Scalers of scikit-learn that are x -> (x - a) / b.
AFFINE_SCALERS = ("StandardScaler", "RobustScaler", "MinMaxScaler", "MaxAbsScaler")
NORMALIZERS = ("TorchNormalizer", "EncoderNormalizer", "FlooredEncoderNormalizer", "GroupNormalizer")
# The most combinations of group ids whose scales a graph holds: those that the normaliser gives at once, and
# those that it is asked for one by one, since its groups are not the group ids in their order.
MAX_GROUPS, MAX_ODD_GROUPS = 4_000_000, 20_000


class Refusal(NamedTuple):
    """A rule of the check: the row of the table that it belongs to, and what it refuses."""

    row: str
    what: str


SIZES, TARGETS, LOSS, KNOWN, OTHER_REALS = (
    "sizes",
    "targets",
    "loss",
    "known reals",
    "unknown and static reals",
)
VARIABLES = "variables"
CATEGORIES, GROUP_IDS, LAGS, NORMALIZER = "categories", "`group_ids`", "`lags`", "target normaliser"
SCALERS, TRANSFORMED, FLAGS, SHORTER = "scalers", "transformations", "flags", "shorter encoders"


def _listed(names: Iterable[object]) -> str:
    return ", ".join("none" if name is None else f"`{name}`" for name in names)


# By the row: what is supported.
SUPPORTED = {
    SIZES: "hidden size, heads, LSTM layers, `hidden_continuous_size(s)`, `embedding_sizes`, dropout, "
    "`causal_attention`, `share_single_variable_networks`, any lengths",
    TARGETS: "one or several, among the inputs or not",
    LOSS: f"`QuantileLoss`, `NormalDistributionLoss`, {_listed(POINT_LOSSES)}; `MultiLoss` of these",
    VARIABLES: "each of one kind: static, known ahead or not",
    KNOWN: "any, of any name, a time index among them",
    OTHER_REALS: "any",
    CATEGORIES: "static, varying, known ahead; with or without `add_nan`; `variable_groups`",
    GROUP_IDS: "one or several",
    LAGS: "of reals",
    NORMALIZER: "`EncoderNormalizer` (each `method`, `center`, `max_length`, also the pair of centre and "
    "scale length: `[1, 288]` scales around the last value), the same with a least scale "
    "(`FlooredEncoderNormalizer`), `GroupNormalizer` (by all group ids, some, or none, `scale_by_group`), "
    "`TorchNormalizer`, `MultiNormalizer` of these, none",
    SCALERS: _listed((*AFFINE_SCALERS, *NORMALIZERS, None)),
    TRANSFORMED: _listed((*TRANSFORMATIONS[1:], None)),
    FLAGS: "`add_relative_time_idx`, `add_target_scales`, `add_encoder_length`, `weight`, "
    "`monotone_constraints`, `randomize_length`",
    SHORTER: "series of less history than the encoder has, down to `min_encoder_length`",
}
# The rules of the check, by name.
REFUSED = {
    "categorical_target": Refusal(TARGETS, "a categorical target"),
    "other_loss": Refusal(
        LOSS, "any other, such as `PoissonLoss`, `CrossEntropy`, `NegativeBinomialDistributionLoss`"
    ),
    "quantile_order": Refusal(LOSS, "quantiles that do not increase, or are not between 0 and 1"),
    "listed_twice": Refusal(
        VARIABLES, "one that is listed twice, as known ahead and not (pytorch-forecasting scales it twice)"
    ),
    "group_count": Refusal(
        GROUP_IDS,
        f"more than {MAX_GROUPS:,} groups to look up, {MAX_ODD_GROUPS:,} where the normaliser's are not the "
        "group ids in their order",
    ),
    "server_id": Refusal(
        CATEGORIES, "one called `server_id` beside a `GroupNormalizer` by a group id of another name"
    ),
    "lag_of_category": Refusal(LAGS, "of categories (pytorch-forecasting cannot train those)"),
    "lag_of_time_index": Refusal(LAGS, "of the time index"),
    "output_transformer": Refusal(NORMALIZER, "`output_transformer` of another kind"),
    "other_scaler": Refusal(SCALERS, "other scalers of scikit-learn"),
    "clipping_scaler": Refusal(SCALERS, "a `MinMaxScaler` that clips"),
    "window_of_static": Refusal(SCALERS, "an `EncoderNormalizer` of a static real"),
    "window_of_time_index": Refusal(
        SCALERS, "an `EncoderNormalizer` or a `GroupNormalizer` of the time index"
    ),
    "groups_of_scaler": Refusal(SCALERS, "a `GroupNormalizer` by columns that the model does not read"),
    "transformation": Refusal(TRANSFORMED, "functions of your own"),
    "transformed_values": Refusal(
        TRANSFORMED, "of a target with values that they do not take, as 0 for `log`"
    ),
}


def as_table() -> str:
    """The table of docs/export.md."""
    lines = ["| of a model | supported | not supported |", "|---|---|---|"]
    for row, supported in SUPPORTED.items():
        refused = "; ".join(refusal.what for refusal in REFUSED.values() if refusal.row == row)
        lines.append(f"| {row} | {supported} | {refused} |")
    return "\n".join(lines)
