"""The whole Temporal Fusion Transformer, assembled from the rewrites: raw inputs in, forecasts out.

Follows TemporalFusionTransformer.forward of pytorch-forecasting 1.8.0 for horizons of full length, and
brings the forecast back to raw units as `model.predict(mode="quantiles")` does.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..checkpoint.calendar import CALENDAR_VALUES, DAY, HOUR, MONTH, WEEKEND
from ..checkpoint.structure import ENCODER_LENGTH, Structure
from ..checkpoint.tensors import TensorSpec, output_tensors
from ..description import LENGTHS_INPUT, STATIC_INPUT
from .explanation import SELECTIONS, Explanation
from .heads import Heads
from .network_regions import add_contexts, add_decoder, add_preprocess, add_recurrence, add_selection
from .preprocess import Preprocess, fixed_values
from .regions import Regions
from .rewrite.attention import MergedAttention, causal_bias
from .rewrite.grn import GatedResidual
from .rewrite.linear import Affine, AffineMap
from .rewrite.lstm import RecurrentPair
from .rewrite.skip import GatedSkip
from .rewrite.static_contexts import StaticContexts
from .rewrite.variable_selection import SelectionInputs, VariableSelection


class TemporalFusionNetwork(nn.Module):
    """Raw inputs, batch first as the bundle's contract has them, to [batch, horizon, quantiles].

    With `explains` the outputs of Explanation follow.
    """

    def __init__(self, model: nn.Module, structure: Structure, explains: bool = False):
        super().__init__()
        self.structure = structure
        self.hidden_size = model.hparams.hidden_size
        self.preprocess = Preprocess(structure)
        self._build_selections(model)
        self.contexts = StaticContexts(
            [
                model.static_context_variable_selection,
                model.static_context_initial_hidden_lstm,
                model.static_context_initial_cell_lstm,
                model.static_context_enrichment,
            ]
        )
        self.recurrent = RecurrentPair(
            model.lstm_encoder, model.lstm_decoder, padded=structure.varies_in_length
        )
        self.after_recurrent = GatedSkip(model.post_lstm_gate_encoder, model.post_lstm_add_norm_encoder)
        self.enrichment_context = Affine(AffineMap.of(model.static_enrichment.context), biased=False)
        self.enrichment = GatedResidual(model.static_enrichment)
        causal = model.hparams.causal_attention
        self.attention = MergedAttention(
            model.multihead_attn,
            causal_bias(structure.encoder_length, structure.horizon) if causal else None,
        )
        after_attention = model.post_attn_gate_norm
        self.after_attention = GatedSkip(
            after_attention.glu, after_attention.add_norm, before=model.multihead_attn.w_h
        )
        self.position_wise = GatedResidual(model.pos_wise_ff)
        last = model.pre_output_gate_norm
        self.before_output = GatedSkip(last.glu, last.add_norm)
        # One product for all targets: their outputs follow one another.
        layers = list(model.output_layer) if len(structure.targets) > 1 else [model.output_layer]
        maps = [AffineMap.of(layer) for layer in layers]
        joined = AffineMap(torch.cat([m.weight for m in maps], dim=1), torch.cat([m.bias for m in maps]))
        self.output = Affine(joined)
        self.heads = Heads(structure, [layer.out_features for layer in layers])
        self.explanation = None
        if explains:
            selections = {kind: getattr(self, f"{kind}_selection") for kind in SELECTIONS}
            variables = {kind: tuple(one.names) for kind, one in selections.items() if one is not None}
            self.explanation = Explanation(structure, variables)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What the network gives, in order."""
        further = () if self.explanation is None else self.explanation.tensors
        return (*output_tensors(self.structure), *further)

    def _build_selections(self, model: nn.Module) -> None:
        structure, preprocess = self.structure, self.preprocess
        embeddings = model.input_embeddings
        past, future = structure.encoder_length, structure.horizon

        def selection(
            network, order, reals, categoricals, first_step, steps, tabulated=()
        ) -> VariableSelection:
            tables = {
                name: self._table(name, embeddings[name].weight)
                for name in categoricals
                if name not in structure.bags
            }
            bags = {
                name: [self._table(member, embeddings[name].weight) for member in structure.members(name)]
                for name in categoricals
                if name in structure.bags
            }
            # Time features and target scales arrive as they are, all others scaled.
            looked_up = [name for names in preprocess.scaled_features.values() for name in names]
            scaled = {*structure.metrics, *structure.statics, *structure.lags, ENCODER_LENGTH, *looked_up}
            raw = {name: structure.scalers[name] for name in order if name not in scaled}
            fixed = fixed_values(structure, reals, first_step, steps)
            varying = [name for name in order if name not in tabulated]
            counts = {name: CALENDAR_VALUES[name] for name in tabulated}
            return VariableSelection(network, SelectionInputs(varying, fixed, tables, raw, counts, bags))

        self.static_selection = (
            selection(
                model.static_variable_selection,
                preprocess.static_order,
                structure.static_reals,
                structure.static_categoricals,
                0,
                1,
            )
            if structure.static_reals or structure.static_categoricals
            else None
        )
        self.encoder_selection = (
            selection(
                model.encoder_variable_selection,
                preprocess.encoder_order,
                structure.encoder_reals,
                structure.encoder_categoricals,
                -past,
                past,
                # The graph finds the encoder's time features by counting, so they are whole numbers.
                tabulated=preprocess.past_features.needed,
            )
            if structure.encoder_reals or structure.encoder_categoricals
            else None
        )
        self.decoder_selection = (
            selection(
                model.decoder_variable_selection,
                preprocess.decoder_order,
                structure.decoder_reals,
                structure.decoder_categoricals,
                0,
                future,
            )
            if structure.decoder_reals or structure.decoder_categoricals
            else None
        )

    def _table(self, column: str, weight: Tensor) -> Tensor:
        """The embedding by the codes of the channel that a category is read from."""
        table = self.structure.category(column).embedding(weight)
        if column in self.structure.looked_up:
            return table[list(self.structure.looked_up[column])]
        return table

    def forward(
        self,
        encoder_cont: Tensor,
        encoder_cat: Tensor,
        decoder_cont: Tensor,
        decoder_cat: Tensor,
        *further: Tensor,
    ) -> Tensor | tuple[Tensor, ...]:
        """A forecast for each target, then what explains it; under torch.export the regions' markers."""
        inputs = self.preprocess(encoder_cont, encoder_cat, decoder_cont, decoder_cat, *further)
        batch = encoder_cont.shape[0]
        past_steps = self.structure.encoder_length

        regions = Regions()
        weights: dict[str, Tensor] = {}
        read = {"encoder_cont": encoder_cont, "encoder_cat": encoder_cat, "decoder_cont": decoder_cont}
        add_preprocess(regions, "preprocess", self.preprocess, read, inputs)
        static = self._selected(
            regions, weights, "static", inputs.static, inputs.static_codes, None, 1, batch
        )
        contexts = self.contexts(static)
        if _varies(self.static_selection):
            add_contexts(regions, "contexts", self.contexts, static, contexts)
        select, hidden, cell, enrich = contexts
        past = self._selected(
            regions, weights, "encoder", inputs.encoder, inputs.encoder_codes, select, past_steps, batch
        )
        future = self._selected(
            regions,
            weights,
            "decoder",
            inputs.decoder,
            inputs.decoder_codes,
            select,
            self.structure.horizon,
            batch,
        )
        recurrent = self.recurrent(past, future, hidden, cell, inputs.valid)
        valid = {} if inputs.valid is None else {"valid": inputs.valid}
        if _varies(self.encoder_selection) and _varies(self.decoder_selection):
            read = {"past": past, "future": future, "hidden": hidden, "cell": cell, **valid}
            add_recurrence(regions, "recurrent", self.recurrent, read, recurrent)
        local = self.after_recurrent(recurrent, torch.cat([past, future]))
        enriched = self.enrichment(local, self.enrichment_context(enrich))
        queries = enriched[past_steps:]
        absent = None
        if inputs.valid is not None:
            # From `valid`, so that the decoder's region depends on nothing else.
            of_horizon = torch.zeros_like(inputs.valid[:1]).expand(self.structure.horizon, -1, -1)
            absent = torch.cat([1.0 - inputs.valid, of_horizon])
        attending, attention = self.attention.attend(queries, enriched, absent)
        attended = self.after_attention(attending, queries)
        output = self.output(self.before_output(self.position_wise(attended), local[past_steps:]))
        forecasts = self.heads(output, inputs.back)
        if self.explanation is not None:
            return regions.outputs(*forecasts, *self.explanation(weights, attention, inputs.valid, batch))
        read = {"recurrent": recurrent, "past": past, "future": future, "enrich": enrich, **valid}
        add_decoder(regions, "decoder", self, read, output)
        return regions.outputs(*forecasts)

    def _selected(
        self,
        regions: Regions,
        weights: dict[str, Tensor],
        kind: str,
        x: Tensor | None,
        codes: list[Tensor],
        context: Tensor | None,
        steps: int,
        batch: int,
    ) -> Tensor:
        """A selection's output for every window; zeros where there is nothing to select from.

        Its weights are put into `weights`, if the network explains. No region may then hide them.
        """
        name = f"{kind}_selection"
        selection = getattr(self, name)
        if selection is None:
            return torch.zeros(steps, 1, self.hidden_size).expand(-1, batch, -1)
        selected = selection.select(x, codes, context)
        if self.explanation is None:
            add_selection(regions, name, selection, x, codes, context, selected)
        elif selected.weights is not None:
            weights[kind] = selected.weights
        output = selected.output
        return output if selection.varies_over_batch else output.expand(-1, batch, -1)


def _varies(selection: VariableSelection | None) -> bool:
    """Whether a selection's output differs between windows; otherwise it is a constant, expanded."""
    return selection is not None and selection.varies_over_batch


def example_inputs(structure: Structure, batch: int) -> Mapping[str, Tensor]:
    """Plausible inputs, for tracing: ordinary values, Monday morning, code 0."""
    typical = {HOUR: 8.0, DAY: 0.0, MONTH: 6.0, WEEKEND: 0.0}
    future = torch.tensor([typical.get(name, 1.0) for name in structure.known])
    channels = len(structure.categories)
    past_steps, future_steps = structure.past, structure.horizon
    generator = torch.Generator().manual_seed(0)
    metrics = torch.rand(batch, past_steps, len(structure.metrics), generator=generator)
    inputs = {
        "encoder_cont": 0.1 + 0.8 * metrics,
        "encoder_cat": torch.zeros(batch, past_steps, channels, dtype=torch.int32),
        "decoder_cont": future.expand(batch, future_steps, -1).contiguous(),
        "decoder_cat": torch.zeros(batch, future_steps, channels, dtype=torch.int32),
    }
    if structure.statics:
        inputs[STATIC_INPUT] = torch.ones(batch, 1, len(structure.statics))
    if structure.varies_in_length:
        inputs[LENGTHS_INPUT] = torch.full((batch, 1, 1), past_steps, dtype=torch.int32)
    return inputs
