"""The facts about a model that the graph and the bundle need: its inputs, their orders and scales, its
outputs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .calendar import Step
from .category import Category
from .head import Head
from .normalizer import TargetNormalizer
from .standardised import Standardised
from .supported import SERVER_ID

RELATIVE_TIME = "relative_time_idx"
ENCODER_LENGTH = "encoder_length"
# How a metric is known ahead: by rows of the steps ahead, by the calendar, or because it counts steps.
GIVEN, CALENDAR, COUNT = "given", "calendar", "count"


@dataclass(frozen=True)
class Lag:
    """A variable that is another one, `steps` earlier."""

    name: str
    steps: int


@dataclass(frozen=True)
class Structure:
    """The model's inputs and sizes. Orders are those of the channels of the input tensors.

    `encoder_length` is the network's; callers give `past` steps, more where the encoder reads lagged ones.
    Where the network was trained on encoders of `min_encoder_length` too, callers may give fewer, down to
    `shortest`.
    """

    step: Step
    encoder_length: int
    horizon: int
    targets: tuple[str, ...]
    heads: tuple[Head, ...]
    # Channels of encoder_cont. Those in `ahead` are channels of decoder_cont as well.
    metrics: tuple[str, ...]
    ahead: Mapping[str, str]
    categories: tuple[Category, ...]
    # Channels of decoder_cont: features of the calendar, which the graph counts back, and metrics.
    known: tuple[str, ...]
    # Channels of static_cont.
    statics: tuple[str, ...]
    static_reals: tuple[str, ...]
    encoder_reals: tuple[str, ...]
    decoder_reals: tuple[str, ...]
    static_categoricals: tuple[str, ...]
    encoder_categoricals: tuple[str, ...]
    decoder_categoricals: tuple[str, ...]
    # For each real variable either its constants or, in `scalings`, its other scaling.
    scalers: Mapping[str, Standardised]
    normalizers: Mapping[str, TargetNormalizer]
    group_ids: tuple[str, ...]
    time_idx: str
    scalings: Mapping[str, TargetNormalizer] = field(default_factory=dict)
    lags: Mapping[str, Lag] = field(default_factory=dict)
    # Categories whose embeddings are summed to one variable's.
    bags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # For a model normalised by server: the static categories that the graph looks up, each with its code
    # for every server code.
    looked_up: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    looked_up_categories: tuple[Category, ...] = ()
    # None if all encoders are whole.
    min_encoder_length: int | None = None

    @property
    def step_minutes(self) -> float:
        return self.step.minutes

    @property
    def target(self) -> str:
        return self.targets[0]

    @property
    def quantiles(self) -> tuple[float, ...]:
        return self.heads[0].quantiles

    @property
    def normalizer(self) -> TargetNormalizer:
        return self.normalizers[self.target]

    @property
    def past(self) -> int:
        """The steps that encoder_cont has.

        What the encoder reads of a lagged variable begins that many steps before it. The decoder alone reads
        one from within the encoder, if the lag is no longer than the encoder.
        """
        needed = [self.encoder_length]
        for name, lag in self.lags.items():
            if name in self.encoder_reals:
                needed.append(self.encoder_length + lag.steps)
            elif name in self.decoder_reals:
                needed.append(lag.steps)
        return max(needed)

    @property
    def shortest(self) -> int:
        """The fewest of the `past` steps that a window must have."""
        if self.min_encoder_length is None:
            return self.past
        read = {name: lag.steps for name, lag in self.lags.items()}
        further = max((steps for name, steps in read.items() if name in self.encoder_reals), default=0)
        ahead = max((steps for name, steps in read.items() if name in self.decoder_reals), default=0)
        if self.past > self.encoder_length + further:
            return self.past
        # A window's deviation needs two values.
        scales = (*self.normalizers.values(), *self.scalings.values())
        least = 2 if any(scale.kind == "window" for scale in scales) else 1
        return max(max(self.min_encoder_length, least) + further, ahead)

    @property
    def varies_in_length(self) -> bool:
        return self.shortest < self.past

    @property
    def counted(self) -> tuple[str, ...]:
        """Features of the calendar that are in decoder_cont only, and that the graph counts back."""
        return tuple(name for name in self.known if name not in self.ahead)

    @property
    def target_channel(self) -> int:
        return self.metrics.index(self.target)

    @property
    def by_server(self) -> bool:
        """Whether the first category is the server itself."""
        return self.categories[0].name == SERVER_ID and self.normalizer.kind == "group"

    @property
    def center_name(self) -> str:
        return f"{self.target}_center"

    @property
    def scale_name(self) -> str:
        return f"{self.target}_scale"

    def category(self, column: str) -> Category:
        everything = (*self.categories, *self.looked_up_categories)
        return next(category for category in everything if category.column == column)

    def channel(self, column: str) -> int:
        return next(i for i, category in enumerate(self.categories) if category.column == column)

    def members(self, variable: str) -> tuple[str, ...]:
        """The columns that a categorical variable is made of."""
        return self.bags.get(variable, (variable,))
