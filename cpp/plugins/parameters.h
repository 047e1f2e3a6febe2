// The arguments of each kernel, shared by host and device.
//
// B is the number of series in the batch, T of steps, H the hidden size (32, but for the recurrence). Arrays
// are float32 and row-major with the shapes that python/src/tft_export gives them; weights are [inputs,
// outputs].
#pragma once

namespace tft::plugins {

constexpr int kMaxTables = 4;
constexpr int kMaxFixed = 4;
constexpr int kMaxBags = 4;

/// A gate, a skip connection and a LayerNorm: LayerNorm(skip - value * sigmoid(gate)).
struct GatedSum {
  const float* weight;  // [inputs, 2 outputs]: the negated values, then the gates
  const float* bias;    // [2 outputs]
  const float* norm_weight;
  const float* norm_bias;
};

struct VariableSelectionParameters {
  int steps, batch;
  int reals, tabulated, fixed, tables, bags;
  int inner;       // outputs of the weighing network's first map, at most 32
  int variables;   // reals + tabulated + fixed + tables + bags, 32 at most
  int width;       // hidden units of a variable's network, with the one for biases
  int bias_steps;  // 1 or steps
  float epsilon;
  const float* x;                // [T, B, reals + tabulated]
  const int* codes[kMaxTables];  // [code_steps, B] each
  int code_counts[kMaxTables];   // rows of each table
  int code_steps;                // 1 or steps
  // Sums of embeddings, for a CPU only: what each adds to the weighing network, and its own network's output.
  const float* bag_inner[kMaxBags];    // [bag_steps, B, inner + variables] each
  const float* bag_outputs[kMaxBags];  // [bag_steps, B, H] each
  int bag_steps;                       // 1 or steps
  const float* context;                // [B, H] or null
  const float* inner_weight;           // [reals + tabulated, inner + variables]
  const float* inner_bias;             // [bias_steps, inner + variables]
  const float* context_weight;         // [H, inner]
  const float* residual_weight;        // [variables] or null: no LayerNorm on the residual
  const float* residual_bias;
  GatedSum gate;                           // [inner, 2 variables]
  const float* network_inner;              // [reals, 2, width]
  const float* vertex;                     // [reals]
  const float* curvature;                  // [reals]
  const float* floor;                      // [reals]
  const float* residual;                   // [reals, 3, H]
  const float* value;                      // [reals, width, H]
  const float* network_gate;               // [reals, width, H]
  const float* norm_weight;                // [reals, H]
  const float* norm_bias;                  // [reals, H]
  const float* largest;                    // [tabulated]
  const float* table;                      // [sum of the counts, H]
  const float* fixed_values[kMaxFixed];    // [T, H] each
  const float* tables_values[kMaxTables];  // [codes, inner + variables + H] each
  float* out;                              // [T, B, H]
};

constexpr int kMaxCodes = 4;
constexpr int kMaxMetrics = 32;
constexpr int kMaxLags = 4;

/// A time feature of the encoder, recovered by counting steps back from the horizon.
enum TimeFeature { NO_FEATURE = 0, HOUR = 1, DAY_OF_WEEK = 2, MONTH = 3, IS_WEEKEND = 4 };

struct PreprocessParameters {
  int past_steps, future_steps, batch;
  int metrics;                      // channels of encoder_cont
  int target;                       // the target's channel
  int softplus;                     // whether the target is transformed by the inverse of softplus
  int center_length, scale_length;  // steps at the encoder's end that centre and scale are taken from
  float floor;                      // the least scale
  int others, other[kMaxMetrics];   // the channels that are read beside the target
  int known;                        // channels of decoder_cont
  int lags, lag[kMaxLags];          // the target some steps earlier, for each step of the horizon
  int categories;                   // channels of encoder_cat
  int steps_per_hour, hours_per_step;
  int hour, day, month;  // channels of decoder_cont, -1 for none
  int features, feature[4];
  int static_codes, static_code[2];  // channels
  int encoder_codes, encoder_code[kMaxCodes];
  const float* encoder_cont;    // [B, past, metrics]
  const int* encoder_cat;       // [B, past, categories]
  const float* decoder_cont;    // [B, future, known]
  const float *mean, *factor;   // [others]
  float* encoder;               // [past, B, 1 + others + features]
  float* decoder;               // [future, B, known + lags]
  float* static_pair;           // [B, 2] or null
  float *center, *scale;        // [B]
  int* static_out[2];           // [B] each
  int* encoder_out[kMaxCodes];  // [past, B] each
};

struct StaticContextsParameters {
  int batch;
  float epsilon;
  const float* static_input;  // [B, H]
  const float *expand, *expand_bias, *value, *value_bias, *gate, *gate_bias, *norm_weight,
      *norm_bias;  // [4, …]
  float* out[4];   // [B, H] each
};

/// One sequence of the recurrence, in ONNX's layouts.
struct Sequence {
  const float* x;           // [steps, B, H]
  float* y;                 // [steps, B, H]
  const float* weight;      // [4 H, the first H of weight_stride], gates i, o, f, c
  const float* recurrence;  // [4 H, H]
  const float* bias;        // [8 H]: of the input, then of the recurrence
  int steps;
  int weight_stride;  // floats from one row of `weight` to the next
};

struct RecurrenceParameters {
  Sequence sequences[2];  // the second starts from the state that the first ends with; 0 steps: there is none
  int batch, hidden_size;
  int shared_columns;          // of the recurrence's weights, in recur_any
  const float *hidden, *cell;  // [B, H]
  /// [steps of the first sequence, B], or null. A series' first steps are 0 here where it does not have them:
  /// their outputs are 0, and the initial state stays until its first own step. All others are 1.
  const float* valid;
  float *last_hidden, *last_cell;  // [B, H] or null
};

/// From the recurrence's output to the keys, values and queries of the attention.
struct EnrichmentParameters {
  int past_steps, future_steps, batch, head_size;
  float epsilon;
  const float *recurrent, *past, *future;  // [T, B, H], [past, B, H], [future, B, H]
  const float* context;                    // [B, H]
  const float* valid;  // as in RecurrenceParameters, for a CPU only: steps that no attention goes to
  GatedSum after_recurrent;
  const float* context_weight;  // [H, H]
  const float *expand_weight, *expand_bias;
  GatedSum enrichment;
  const float *query_weight, *query_bias, *key_weight, *key_bias, *value_weight, *value_bias;
  // Workspace, by series.
  float* keys;      // [B, heads, T, head size]
  float* values;    // [B, T, head size]
  float* queries;   // [B, future, H]
  float* local;     // [B, future, H]
  float* enriched;  // [B, future, H]
};

/// From the attention's inputs to the network's output.
struct AttentionParameters {
  int past_steps, future_steps, batch, causal, quantiles, query_tile;
  float epsilon;
  const float *keys, *values, *queries, *local, *enriched;  // as above
  GatedSum after_attention;                                 // [head size, 2 H]
  const float *expand_weight, *expand_bias;
  GatedSum position_wise, before_output;
  const float *output_weight, *output_bias;  // [H, quantiles]
  float* out;                                // [future, B, quantiles]
};

}  // namespace tft::plugins
