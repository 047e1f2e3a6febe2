#include "operators.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "kernel_sizes.h"
#include "kernels.h"
#include "launch.h"
#include "parameters.h"

namespace tft::plugins {
namespace {

constexpr int kHidden = 32;  // of the GPU's kernels
constexpr std::int64_t kMaxCpuHidden = 160;

const float* floats(void const* const* in, int index) { return static_cast<const float*>(in[index]); }
float* result(void* const* out, int index) { return static_cast<float*>(out[index]); }
int size_of(const Shape& shape, int axis) { return static_cast<int>(shape[axis]); }

/// Reads the inputs one after another.
class Inputs {
 public:
  Inputs(void const* const* in, int first) : in_(in), next_(first) {}
  const float* take() { return floats(in_, next_++); }
  GatedSum gated_sum() {
    const float* const weight = take();
    const float* const bias = take();
    const float* const norm_weight = take();
    const float* const norm_bias = take();
    return {weight, bias, norm_weight, norm_bias};
  }

 private:
  void const* const* in_;
  int next_;
};

bool is(const Shape& shape, int axis, std::int64_t size) {
  return shape.rank > axis && (shape[axis] == size || shape[axis] == -1);
}

/// The number of values; -1 if a dimension is not known. One that is too large is the largest number.
std::int64_t count_of(std::span<const std::int64_t> dims) {
  std::int64_t count = 1;
  for (const std::int64_t dim : dims) {
    if (dim < 0) return -1;
    if (__builtin_mul_overflow(count, dim, &count)) return std::numeric_limits<std::int64_t>::max();
  }
  return count;
}
std::int64_t count_of(std::initializer_list<std::int64_t> dims) {
  return count_of(std::span(dims.begin(), dims.size()));
}

/// A kernel reads as many values of an input as the other inputs' shapes say. `expected` has these numbers in
/// the inputs' order, -1 for one that is not known. Says which input has another number; empty if none has.
std::string wrong_count(std::span<const Shape> in, const std::vector<std::int64_t>& expected) {
  for (std::size_t i = 0; i < in.size(); ++i) {
    const int rank = in[i].rank;
    if (rank > kMaxRank) return "input " + std::to_string(i) + " has too many dimensions";
    const std::int64_t count =
        rank < 0 ? -1 : count_of(std::span(in[i].dims).first(static_cast<std::size_t>(rank)));
    if (count >= 0 && i < expected.size() && expected[i] >= 0 && count != expected[i])
      return "input " + std::to_string(i) + " has " + std::to_string(count) +
             " values, and the others' shapes say " + std::to_string(expected[i]);
  }
  return "";
}

constexpr const char* kNotTimeMajor = "its inputs are not of three dimensions";

/// Whether a shape has this rank, or is not known.
bool has_rank(const Shape& shape, int rank) { return shape.rank == rank || shape.rank < 0; }

/// Those of a GatedSum.
void add_gated_sum(std::vector<std::int64_t>& counts, std::int64_t inputs, std::int64_t outputs) {
  counts.insert(counts.end(), {inputs * 2 * outputs, 2 * outputs, outputs, outputs});
}

/// The hidden size is the last dimension of a weight of this rank.
std::string hidden_size_misfit(const Shape& shape, int rank, Processor processor) {
  const std::int64_t size = shape.rank == rank ? shape[rank - 1] : -1;
  const bool on_gpu = processor == Processor::GPU;
  const bool supported = on_gpu ? size == kHidden : size >= 16 && size <= kMaxCpuHidden && size % 16 == 0;
  if (supported) return "";
  return "the hidden size is " + (size > 0 ? std::to_string(size) : std::string("unknown")) +
         ", and the kernels are for " +
         (on_gpu ? "32" : "multiples of 16 up to " + std::to_string(kMaxCpuHidden));
}

// ----------------------------------------------------------------------------------------------- preprocess

/// Inputs: encoder_cont [B, Te, metrics], encoder_cat [B, Te, C], decoder_cont [B, Td, K], the other metrics'
/// mean and factor. Outputs: the encoder's reals [Te, B, 1 + others + features], the decoder's [Td, B, K +
/// lags], the static pair [1, B, 2] if there is one, centre and scale [1, B, 1], the static codes [1, B] and
/// the encoder's codes [Te, B].
///
/// `others` is a set of channels: channel i is in it if the bit of value 2^i is set.
class Preprocess final : public Operator {
 public:
  static constexpr std::string_view kName = "TftPreprocess";
  static constexpr std::array<std::string_view, 30> kAttributes = {
      "target",        "softplus",       "center_length",  "scale_length",   "floor",
      "others",        "lags",           "lag_0",          "lag_1",          "lag_2",
      "lag_3",         "steps_per_hour", "hours_per_step", "hour_channel",   "day_channel",
      "month_channel", "features",       "feature_0",      "feature_1",      "feature_2",
      "feature_3",     "static",         "static_codes",   "static_code_0",  "static_code_1",
      "encoder_codes", "encoder_code_0", "encoder_code_1", "encoder_code_2", "encoder_code_3"};

  explicit Preprocess(Attributes attributes)
      : Operator(std::move(attributes)),
        // A float would lose channels.
        others_(channels(this->attributes().find("others")->second)),
        lags_(whole("lags")),
        features_(whole("features")),
        pair_(whole("static") != 0),
        static_codes_(whole("static_codes")),
        encoder_codes_(whole("encoder_codes")) {}

  std::string_view name() const override { return kName; }
  int inputs() const override { return 5; }
  int outputs() const override { return first_code() + static_codes_ + encoder_codes_; }
  bool is_int(int index) const override { return index == 1; }
  bool is_int_output(int index) const override { return index >= first_code(); }
  std::vector<Dimension> output_shape(int output) const override {
    if (output == 0) return {{0, 0, 1}, {0, 0, 0}, {1 + others() + features_}};
    if (output == 1) return {{0, 2, 1}, {0, 0, 0}, {lags_, 2, 2}};
    if (pair_ && output == 2) return {{1}, {0, 0, 0}, {2}};
    if (output < first_code()) return {{1}, {0, 0, 0}, {1}};
    if (output < first_code() + static_codes_) return {{1}, {0, 0, 0}};
    return {{0, 0, 1}, {0, 0, 0}};
  }
  std::string misfit(std::span<const Shape> in, Processor) const override {
    if (static_codes_ > 2 || encoder_codes_ > kMaxCodes || features_ > 4 || lags_ > kMaxLags)
      return "more codes, time features or lags than the kernel takes";
    if (static_codes_ < 0 || encoder_codes_ < 0 || features_ < 0 || lags_ < 0 || whole("target") < 0)
      return "a number of its attributes is negative";
    if (others() > kMaxMetrics) return "more than 32 metrics beside the target";
    if (in[3].rank > 0 && !is(in[3], in[3].rank - 1, others()))
      return "the number of metrics differs from that of their means";
    if (in[0].rank != 3 || in[1].rank != 3 || in[2].rank != 3)
      return "its inputs are not of three dimensions";
    const std::int64_t past = in[0][1], future = in[2][1];
    if (past < 2 || future < 1) return "the numbers of steps are not known";
    if (in[0][2] <= whole("target") || (!others_.empty() && in[0][2] <= others_.back()))
      return "a channel that is read does not exist";
    if (outside(whole("center_length"), 1, past) || outside(whole("scale_length"), 2, past))
      return "the target is scaled by more steps than the past has";
    for (int i = 0; i < lags_; ++i)
      if (outside(lag(i), future, past)) return "a lag is not between the horizon and the past";
    for (const auto& [name, codes] :
         {std::pair{"static_code_", static_codes_}, {"encoder_code_", encoder_codes_}})
      for (int i = 0; i < codes; ++i)
        if (outside(whole(name + std::to_string(i)), 0, in[1][2] - 1))
          return "a code that is read does not exist";
    for (const char* const channel : {"hour_channel", "day_channel", "month_channel"})
      if (whole(channel) >= in[2][2]) return "a time feature that is read does not exist";
    if (whole("hour_channel") >= 0 && whole("steps_per_hour") > future)
      return "the horizon is shorter than an hour";
    const std::int64_t batch = in[0][0];
    return wrong_count(
        in, {-1, count_of({batch, past, in[1][2]}), count_of({batch, future, in[2][2]}), others(), others()});
  }
  bool enqueue(Kernels& kernels, std::span<const Shape> shapes, void const* const* in, void* const* out,
               void*) const override {
    PreprocessParameters p{};
    p.batch = size_of(shapes[0], 0), p.past_steps = size_of(shapes[0], 1), p.metrics = size_of(shapes[0], 2);
    p.categories = size_of(shapes[1], 2);
    p.future_steps = size_of(shapes[2], 1), p.known = size_of(shapes[2], 2);
    p.target = whole("target"), p.softplus = whole("softplus");
    p.center_length = whole("center_length"), p.scale_length = whole("scale_length"), p.floor = real("floor");
    p.others = others();
    std::copy(others_.begin(), others_.end(), p.other);
    p.lags = lags_;
    for (int i = 0; i < lags_; ++i) p.lag[i] = lag(i);
    p.steps_per_hour = whole("steps_per_hour"), p.hours_per_step = whole("hours_per_step");
    p.hour = whole("hour_channel"), p.day = whole("day_channel"), p.month = whole("month_channel");
    p.features = features_;
    for (int i = 0; i < 4; ++i) p.feature[i] = whole("feature_" + std::to_string(i));
    p.static_codes = static_codes_, p.encoder_codes = encoder_codes_;
    for (int i = 0; i < 2; ++i) p.static_code[i] = whole("static_code_" + std::to_string(i));
    for (int i = 0; i < kMaxCodes; ++i) p.encoder_code[i] = whole("encoder_code_" + std::to_string(i));
    p.encoder_cont = floats(in, 0), p.encoder_cat = static_cast<const int*>(in[1]),
    p.decoder_cont = floats(in, 2);
    p.mean = floats(in, 3), p.factor = floats(in, 4);
    int next = 0;
    p.encoder = result(out, next++), p.decoder = result(out, next++);
    if (pair_) p.static_pair = result(out, next++);
    p.center = result(out, next++), p.scale = result(out, next++);
    for (int i = 0; i < static_codes_; ++i) p.static_out[i] = static_cast<int*>(out[next++]);
    for (int i = 0; i < encoder_codes_; ++i) p.encoder_out[i] = static_cast<int*>(out[next++]);
    return kernels.preprocess(p);
  }

 private:
  static std::vector<int> channels(double set) {
    std::vector<int> found;
    for (int channel = 0; set >= 1; ++channel, set = std::floor(set / 2))
      if (std::fmod(set, 2) == 1) found.push_back(channel);
    return found;
  }
  static bool outside(int value, std::int64_t least, std::int64_t most) {
    return value < least || value > most;
  }
  int lag(int index) const { return whole("lag_" + std::to_string(index)); }
  int others() const { return static_cast<int>(others_.size()); }
  int first_code() const { return 4 + (pair_ ? 1 : 0); }

  const std::vector<int> others_;
  const int lags_, features_;
  const bool pair_;
  const int static_codes_, encoder_codes_;
};

// ------------------------------------------------------------------------------------------------ selection

/// Inputs: x [T, B, reals + tabulated], a code [T or 1, B] for each table, what each bag adds to the weighing
/// network [T or 1, B, inner + variables] and its output [T or 1, B, H], the context [1, B, H], then the
/// weights in the order of VariableSelectionParameters. Output: [T, B, H].
class VariableSelection final : public Operator {
 public:
  static constexpr std::string_view kName = "TftVariableSelection";
  static constexpr std::array<std::string_view, 7> kAttributes = {"reals",   "tabulated", "fixed",  "tables",
                                                                  "context", "resampled", "epsilon"};
  static constexpr std::array<std::string_view, 1> kOptional = {"bags"};

  explicit VariableSelection(Attributes attributes)
      : Operator(std::move(attributes)),
        reals_(whole("reals")),
        tabulated_(whole("tabulated")),
        fixed_(whole("fixed")),
        tables_(whole("tables")),
        bags_(whole("bags")),
        context_(whole("context") != 0),
        resampled_(whole("resampled") != 0) {}

  std::string_view name() const override { return kName; }
  int inputs() const override {
    return first_network() + (reals_ > 0 ? 9 : 0) + (tabulated_ > 0 ? 2 : 0) + fixed_ + tables_;
  }
  int outputs() const override { return 1; }
  bool is_int(int index) const override { return index >= 1 && index <= tables_; }
  std::vector<Dimension> output_shape(int) const override {
    return {{0, 0, 0}, {0, 0, 1}, {0, hidden_input(), 1}};
  }
  std::string misfit(std::span<const Shape> in, Processor processor) const override {
    if (std::min({reals_, tabulated_, fixed_, tables_, bags_}) < 0)
      return "a number of its attributes is negative";
    if (reals_ + tabulated_ == 0) return "no variable is given as a number";
    if (variables() > kWarp) return std::to_string(variables()) + " variables, and the kernels take up to 32";
    if (bags_ > 0 && processor == Processor::GPU)
      return "a variable is a sum of embeddings, which the kernels do not take";
    if (bags_ > kMaxBags) return "more than 4 variables are sums of embeddings";
    if (fixed_ > kMaxFixed || tables_ > kMaxTables)
      return "more than 4 categories or 4 variables that are the same for all series";
    if (inner(in) > kWarp) return "the weighing network has more than 32 hidden units";
    if (inner(in) < 1) return "the weighing network has no hidden units";
    if (!has_rank(in[0], 3)) return kNotTimeMajor;
    if (reals_ > 0 && in[static_cast<std::size_t>(first_network())][2] < 1)
      return "the variables' networks have no hidden units";
    if (tabulated_ > 0 && in[static_cast<std::size_t>(table_input())][0] < 1) return "a table has no rows";
    for (int i = 0; i < tables_; ++i)
      if (in[static_cast<std::size_t>(inputs() - tables_ + i)][0] < 1) return "a category has no codes";
    if (const std::string why =
            hidden_size_misfit(in[static_cast<std::size_t>(hidden_input())], 2, processor);
        !why.empty())
      return why;
    return wrong_count(in, counts(in));
  }
  bool enqueue(Kernels& kernels, std::span<const Shape> shapes, void const* const* in, void* const* out,
               void*) const override {
    VariableSelectionParameters p{};
    p.steps = size_of(shapes[0], 0), p.batch = size_of(shapes[0], 1);
    p.reals = reals_, p.tabulated = tabulated_, p.fixed = fixed_, p.tables = tables_;
    p.bags = bags_;
    p.variables = variables();
    p.inner = inner(shapes);
    p.bias_steps = size_of(shapes[static_cast<std::size_t>(after_data() + 1)], 0);
    p.epsilon = real("epsilon");
    p.x = floats(in, 0);
    for (int i = 0; i < tables_; ++i) p.codes[i] = static_cast<const int*>(in[1 + i]);
    p.code_steps = tables_ > 0 ? size_of(shapes[1], 0) : 1;
    for (int i = 0; i < bags_; ++i) {
      p.bag_inner[i] = floats(in, first_bag() + 2 * i);
      p.bag_outputs[i] = floats(in, first_bag() + 2 * i + 1);
    }
    p.bag_steps = bags_ > 0 ? size_of(shapes[static_cast<std::size_t>(first_bag())], 0) : 1;
    if (context_) p.context = floats(in, after_data() - 1);
    Inputs weights(in, after_data());
    p.inner_weight = weights.take();
    p.inner_bias = weights.take();
    if (context_) p.context_weight = weights.take();
    if (resampled_) p.residual_weight = weights.take(), p.residual_bias = weights.take();
    p.gate = weights.gated_sum();
    if (reals_ > 0) {
      p.width = size_of(shapes[static_cast<std::size_t>(first_network())], 2);
      p.network_inner = weights.take();
      p.vertex = weights.take();
      p.curvature = weights.take();
      p.floor = weights.take();
      p.residual = weights.take();
      p.value = weights.take();
      p.network_gate = weights.take();
      p.norm_weight = weights.take();
      p.norm_bias = weights.take();
    }
    if (tabulated_ > 0) p.largest = weights.take(), p.table = weights.take();
    for (int i = 0; i < fixed_; ++i) p.fixed_values[i] = weights.take();
    for (int i = 0; i < tables_; ++i) {
      p.tables_values[i] = weights.take();
      p.code_counts[i] = size_of(shapes[static_cast<std::size_t>(inputs() - tables_ + i)], 0);
    }
    p.out = result(out, 0);
    const auto table = static_cast<std::size_t>(table_input());
    return kernels.variable_selection(p, size_of(shapes[static_cast<std::size_t>(hidden_input())], 1),
                                      tabulated_ > 0 ? size_of(shapes[table], 0) : 0);
  }

 private:
  int variables() const { return reals_ + tabulated_ + fixed_ + tables_ + bags_; }
  int first_bag() const { return 1 + tables_; }
  int after_data() const { return first_bag() + 2 * bags_ + (context_ ? 1 : 0); }
  std::vector<std::int64_t> counts(std::span<const Shape> in) const {
    const auto after = static_cast<std::size_t>(after_data()),
               network = static_cast<std::size_t>(first_network());
    const std::int64_t steps = in[0][0], batch = in[0][1], given = reals_ + tabulated_;
    const std::int64_t units = inner(in), total = units + variables();
    const std::int64_t hidden = in[static_cast<std::size_t>(hidden_input())][1];
    const std::int64_t bias_steps = in[after + 1][0] == 1 ? 1 : steps;
    std::vector<std::int64_t> all{count_of({steps, batch, given})};
    for (int i = 0; i < tables_; ++i) all.push_back(count_of({in[1][0] == 1 ? 1 : steps, batch}));
    const auto bag = static_cast<std::size_t>(first_bag());
    const std::int64_t bag_steps = bags_ > 0 && in[bag][0] == 1 ? 1 : steps;
    for (int i = 0; i < bags_; ++i)
      all.insert(all.end(), {count_of({bag_steps, batch, total}), count_of({bag_steps, batch, hidden})});
    if (context_) all.push_back(count_of({batch, hidden}));
    all.push_back(given * total);
    all.push_back(count_of({bias_steps, total}));
    if (context_) all.push_back(hidden * units);
    if (resampled_) all.insert(all.end(), {variables(), variables()});
    add_gated_sum(all, units, variables());
    if (reals_ > 0) {
      const std::int64_t width = in[network][2], square = count_of({reals_, width, hidden}),
                         each = reals_ * hidden;
      all.insert(all.end(), {count_of({2 * reals_, width}), reals_, reals_, reals_, 3 * each, square, square,
                             each, each});
    }
    if (tabulated_ > 0) all.insert(all.end(), {tabulated_, count_of({in[all.size() + 1][0], hidden})});
    for (int i = 0; i < fixed_; ++i) all.push_back(count_of({steps, hidden}));
    for (int i = 0; i < tables_; ++i) all.push_back(count_of({in[all.size()][0], total + hidden}));
    return all;
  }
  /// [sum of the counts, H], of the tabulated variables.
  int table_input() const { return first_network() + (reals_ > 0 ? 9 : 0) + 1; }
  /// A matrix [.., H]: the LayerNorms' biases, or the table if all variables are tabulated.
  int hidden_input() const { return reals_ > 0 ? first_network() + 8 : first_network() + 1; }
  int first_network() const { return after_data() + 2 + (context_ ? 1 : 0) + (resampled_ ? 2 : 0) + 4; }
  int inner(std::span<const Shape> in) const {
    const Shape& weight = in[static_cast<std::size_t>(after_data())];
    return static_cast<int>(weight[1]) - variables();
  }

  const int reals_, tabulated_, fixed_, tables_, bags_;
  const bool context_, resampled_;
};

// ------------------------------------------------------------------------------------------------- contexts

/// Inputs: static [1, B, H], then expand, expand_bias, value, value_bias, gate, gate_bias, norm_weight,
/// norm_bias, each [4, …]. Outputs: four [1, B, H].
class StaticContexts final : public Operator {
 public:
  static constexpr std::string_view kName = "TftStaticContexts";
  static constexpr std::array<std::string_view, 1> kAttributes = {"epsilon"};

  explicit StaticContexts(Attributes attributes) : Operator(std::move(attributes)) {}
  std::string_view name() const override { return kName; }
  int inputs() const override { return 9; }
  int outputs() const override { return 4; }
  std::vector<Dimension> output_shape(int) const override { return {{1}, {0, 0, 1}, {0, 1, 2}}; }
  std::string misfit(std::span<const Shape> in, Processor processor) const override {
    if (const std::string why = hidden_size_misfit(in[1], 3, processor); !why.empty()) return why;
    if (!has_rank(in[0], 3)) return kNotTimeMajor;
    const std::int64_t hidden = in[1][2], square = 4 * hidden * hidden, row = 4 * hidden;
    return wrong_count(in, {count_of({in[0][1], hidden}), square, row, square, row, square, row, row, row});
  }
  bool enqueue(Kernels& kernels, std::span<const Shape> shapes, void const* const* in, void* const* out,
               void*) const override {
    StaticContextsParameters p{};
    p.batch = size_of(shapes[0], 1);
    p.epsilon = real("epsilon");
    Inputs all(in, 0);
    p.static_input = all.take();
    p.expand = all.take(), p.expand_bias = all.take();
    p.value = all.take(), p.value_bias = all.take();
    p.gate = all.take(), p.gate_bias = all.take();
    p.norm_weight = all.take(), p.norm_bias = all.take();
    for (int i = 0; i < 4; ++i) p.out[i] = result(out, i);
    return kernels.static_contexts(p, size_of(shapes[1], 2));
  }
};

// ----------------------------------------------------------------------------------------------- recurrence

Sequence sequence(const float* x, float* y, int steps, int weight_stride, Inputs& weights) {
  Sequence one{};
  one.x = x, one.y = y, one.steps = steps, one.weight_stride = weight_stride;
  one.weight = weights.take();
  one.recurrence = weights.take();
  one.bias = weights.take();
  return one;
}

/// Beyond 128 TensorRT's layers are faster: at 160 a forecast of one series takes them 2.8 ms on an H200, and
/// this kernel 3.5 ms.
std::string recurrence_misfit(int hidden, Processor processor) {
  const int largest = processor == Processor::CPU ? static_cast<int>(kMaxCpuHidden) : 128;
  if (hidden % 4 == 0 && hidden >= 4 && hidden <= largest) return "";
  return "the hidden size is " + std::to_string(hidden) +
         ", and the recurrence's kernels are for multiples of 4 up to " + std::to_string(largest);
}

/// Two LSTMs; the second starts from the first one's state. Inputs: past [Te, B, H], future [Td, B, H],
/// hidden and cell [1, B, H], then weight, recurrence and bias of each in ONNX's layouts. Output: [Te + Td,
/// B, H].
///
/// If `padded`, `valid` [Te, B, 1] follows the cell: see RecurrenceParameters. The first LSTM's weight then
/// has 2 H + 1 columns, the first H of which are read: in the graph the LSTM reads the padding, too.
class Recurrence final : public Operator {
 public:
  static constexpr std::string_view kName = "TftRecurrence";
  static constexpr std::array<std::string_view, 1> kAttributes = {"hidden_size"};
  static constexpr std::array<std::string_view, 1> kOptional = {"padded"};

  explicit Recurrence(Attributes attributes)
      : Operator(std::move(attributes)), padded_(whole("padded") != 0) {}
  std::string_view name() const override { return kName; }
  int inputs() const override { return first_weight() + 6; }
  bool is_kept(int index) const override { return index >= first_weight(); }
  int outputs() const override { return 1; }
  std::vector<Dimension> output_shape(int) const override { return {{0, 0, 0, 1, 0}, {0, 0, 1}, {hidden()}}; }
  std::string misfit(std::span<const Shape> in, Processor processor) const override {
    if (std::string why = recurrence_misfit(hidden(), processor); !why.empty()) return why;
    if (!has_rank(in[0], 3) || !has_rank(in[1], 3)) return kNotTimeMajor;
    const std::int64_t size = hidden(), batch = in[0][1], row = count_of({batch, size});
    std::vector<std::int64_t> counts{count_of({in[0][0], batch, size}), count_of({in[1][0], batch, size}),
                                     row, row};
    if (padded_) counts.push_back(count_of({in[0][0], batch}));
    for (int i = 0; i < 2; ++i)
      counts.insert(counts.end(), {4 * size * weight_stride(i), 4 * size * size, 8 * size});
    return wrong_count(in, counts);
  }
  bool enqueue(Kernels& kernels, std::span<const Shape> shapes, void const* const* in, void* const* out,
               void*) const override {
    RecurrenceParameters p{};
    const int past = size_of(shapes[0], 0), future = size_of(shapes[1], 0);
    p.batch = size_of(shapes[0], 1), p.hidden_size = hidden();
    float* const y = result(out, 0);
    Inputs weights(in, first_weight());
    p.sequences[0] = sequence(floats(in, 0), y, past, weight_stride(0), weights);
    float* const future_y = y + static_cast<std::int64_t>(past) * p.batch * hidden();
    p.sequences[1] = sequence(floats(in, 1), future_y, future, weight_stride(1), weights);
    p.hidden = floats(in, 2), p.cell = floats(in, 3);
    if (padded_) p.valid = floats(in, 4);
    return kernels.recurrence(p);
  }

 private:
  int hidden() const { return whole("hidden_size"); }
  int first_weight() const { return 4 + padded_; }
  int weight_stride(int sequence) const { return padded_ && sequence == 0 ? 2 * hidden() + 1 : hidden(); }

  const bool padded_;
};

/// ONNX's LSTM in one direction. Inputs: x [T, B, H], W [1, 4 H, H], R, B [1, 8 H], initial_h, initial_c [1,
/// B, H]. Outputs: Y [T, 1, B, H], Y_h and Y_c [1, B, H].
class Lstm final : public Operator {
 public:
  static constexpr std::string_view kName = "TftLstm";
  static constexpr std::array<std::string_view, 1> kAttributes = {"hidden_size"};

  explicit Lstm(Attributes attributes) : Operator(std::move(attributes)) {}
  std::string_view name() const override { return kName; }
  int inputs() const override { return 6; }
  bool is_kept(int index) const override { return index >= 1 && index <= 3; }
  int outputs() const override { return 3; }
  std::vector<Dimension> output_shape(int output) const override {
    if (output == 0) return {{0, 0, 0}, {1}, {0, 0, 1}, {hidden()}};
    return {{1}, {0, 0, 1}, {hidden()}};
  }
  std::string misfit(std::span<const Shape> in, Processor processor) const override {
    if (!is(in[1], 2, hidden())) return "its input is not as wide as its hidden size";
    if (std::string why = recurrence_misfit(hidden(), processor); !why.empty()) return why;
    if (!has_rank(in[0], 3)) return kNotTimeMajor;
    const std::int64_t size = hidden(), row = count_of({in[0][1], size});
    return wrong_count(
        in, {count_of({in[0][0], in[0][1], size}), 4 * size * size, 4 * size * size, 8 * size, row, row});
  }
  bool enqueue(Kernels& kernels, std::span<const Shape> shapes, void const* const* in, void* const* out,
               void*) const override {
    RecurrenceParameters p{};
    p.batch = size_of(shapes[0], 1), p.hidden_size = hidden();
    Inputs weights(in, 1);
    p.sequences[0] = sequence(floats(in, 0), result(out, 0), size_of(shapes[0], 0), hidden(), weights);
    p.hidden = floats(in, 4), p.cell = floats(in, 5);
    p.last_hidden = result(out, 1), p.last_cell = result(out, 2);
    return kernels.recurrence(p);
  }

 private:
  int hidden() const { return whole("hidden_size"); }
};

// -------------------------------------------------------------------------------------------------- decoder

/// Inputs: recurrent [Te + Td, B, H], past [Te, B, H], future [Td, B, H], context [1, B, H], if `padded` also
/// `valid` [Te, B, 1], then the weights as in EnrichmentParameters and AttentionParameters. Output: [Td, B,
/// quantiles].
class Decoder final : public Operator {
 public:
  static constexpr std::string_view kName = "TftDecoder";
  static constexpr std::array<std::string_view, 3> kAttributes = {"heads", "causal", "epsilon"};
  static constexpr std::array<std::string_view, 1> kOptional = {"padded"};

  explicit Decoder(Attributes attributes) : Operator(std::move(attributes)), padded_(whole("padded") != 0) {}
  std::string_view name() const override { return kName; }
  int inputs() const override { return output_weight_input() + 2; }
  int outputs() const override { return 1; }
  std::vector<Dimension> output_shape(int) const override {
    return {{0, 2, 0}, {0, 0, 1}, {0, output_weight_input(), 1}};
  }
  std::string misfit(std::span<const Shape> in, Processor processor) const override {
    if (const std::string why = hidden_size_misfit(context_weight(in), 2, processor); !why.empty())
      return why;
    const std::int64_t quantiles = output_weight(in)[1];
    if (quantiles < 1) return "the number of quantiles is not known";
    if (quantiles > kWarp) return "more than 32 quantiles";
    for (int i = 0; i < 3; ++i)
      if (!has_rank(in[static_cast<std::size_t>(i)], 3)) return kNotTimeMajor;
    const int heads = whole("heads");
    if (processor == Processor::CPU) {
      const int hidden = size_of(context_weight(in), 1),
                size = heads < 1 || hidden % heads != 0 ? 0 : hidden / heads;
      if (size == 4 || size == 8 || size == 16 || size == 32) return wrong_count(in, counts(in));
      return std::to_string(heads) +
             " attention heads, and the kernels are for heads of 4, 8, 16 and 32 units";
    }
    if (padded_) return "windows are of several lengths, which the kernels do not take";
    if (heads < 1 || kHidden % heads != 0 || !has_attention(0, kHidden / heads))
      return std::to_string(heads) + " attention heads, and the kernels are for 2, 4 and 8";
    if (in[0][0] > 0 && !has_attention(static_cast<int>(in[0][0]), kHidden / heads))
      return std::to_string(in[0][0]) + " steps, and the kernels take up to 768";
    return wrong_count(in, counts(in));
  }
  std::size_t workspace_bytes(std::span<const Shape> shapes) const override {
    return floats_of(shapes, nullptr, nullptr) * sizeof(float);
  }
  bool enqueue(Kernels& kernels, std::span<const Shape> shapes, void const* const* in, void* const* out,
               void* workspace) const override {
    EnrichmentParameters e{};
    AttentionParameters a{};
    e.past_steps = a.past_steps = size_of(shapes[1], 0);
    e.future_steps = a.future_steps = size_of(shapes[2], 0);
    e.batch = a.batch = size_of(shapes[0], 1);
    const int hidden = size_of(context_weight(shapes), 1);
    e.head_size = hidden / whole("heads");
    e.epsilon = a.epsilon = real("epsilon");
    a.causal = whole("causal");
    a.quantiles = size_of(output_weight(shapes), 1);
    Inputs all(in, 0);
    e.recurrent = all.take(), e.past = all.take(), e.future = all.take(), e.context = all.take();
    if (padded_) e.valid = all.take();
    e.after_recurrent = all.gated_sum();
    e.context_weight = all.take();
    e.expand_weight = all.take(), e.expand_bias = all.take();
    e.enrichment = all.gated_sum();
    e.query_weight = all.take(), e.query_bias = all.take();
    e.key_weight = all.take(), e.key_bias = all.take();
    e.value_weight = all.take(), e.value_bias = all.take();
    a.after_attention = all.gated_sum();
    a.expand_weight = all.take(), a.expand_bias = all.take();
    a.position_wise = all.gated_sum();
    a.before_output = all.gated_sum();
    a.output_weight = all.take(), a.output_bias = all.take();
    a.out = result(out, 0);
    if (workspace != nullptr) floats_of(shapes, static_cast<float*>(workspace), &e);
    a.keys = e.keys, a.values = e.values, a.queries = e.queries, a.local = e.local, a.enriched = e.enriched;
    return kernels.decoder(e, a, hidden);
  }

 private:
  int first_weight() const { return 4 + padded_; }
  int output_weight_input() const { return first_weight() + 31; }
  /// [H, H]
  const Shape& context_weight(std::span<const Shape> in) const {
    return in[static_cast<std::size_t>(first_weight() + 4)];
  }
  /// [H, quantiles]
  const Shape& output_weight(std::span<const Shape> in) const {
    return in[static_cast<std::size_t>(output_weight_input())];
  }

  std::vector<std::int64_t> counts(std::span<const Shape> in) const {
    const std::int64_t hidden = context_weight(in)[1], size = hidden / whole("heads"),
                       square = hidden * hidden;
    const std::int64_t batch = in[0][1], past = in[1][0], future = in[2][0], quantiles = output_weight(in)[1];
    const std::int64_t steps = past < 0 || future < 0 ? -1 : past + future;
    std::vector<std::int64_t> all{count_of({steps, batch, hidden}), count_of({past, batch, hidden}),
                                  count_of({future, batch, hidden}), count_of({batch, hidden})};
    if (padded_) all.push_back(count_of({past, batch}));
    add_gated_sum(all, hidden, hidden);
    all.insert(all.end(), {square, square, hidden});
    add_gated_sum(all, hidden, hidden);
    all.insert(all.end(), {square, hidden, square, hidden, hidden * size, size});
    add_gated_sum(all, size, hidden);
    all.insert(all.end(), {square, hidden});
    add_gated_sum(all, hidden, hidden);
    add_gated_sum(all, hidden, hidden);
    all.insert(all.end(), {hidden * quantiles, quantiles});
    return all;
  }

  /// Lays out the workspace and returns its size in floats.
  std::size_t floats_of(std::span<const Shape> shapes, float* memory, EnrichmentParameters* p) const {
    const auto batch = static_cast<std::size_t>(shapes[0][1]);
    const std::size_t steps = static_cast<std::size_t>(shapes[1][0] + shapes[2][0]) * batch;
    const std::size_t future = static_cast<std::size_t>(shapes[2][0]) * batch;
    std::size_t used = 0;
    const auto place = [&](float* EnrichmentParameters::* member, std::size_t count) {
      if (p != nullptr) p->*member = memory + used;
      used += (count + 3) / 4 * 4;
    };
    place(&EnrichmentParameters::keys, steps * kHidden);
    place(&EnrichmentParameters::values, steps * static_cast<std::size_t>(kHidden / whole("heads")));
    place(&EnrichmentParameters::queries, future * kHidden);
    place(&EnrichmentParameters::local, future * kHidden);
    place(&EnrichmentParameters::enriched, future * kHidden);
    return used;
  }

  const bool padded_;
};

// ---------------------------------------------------------------------------------------------------- table

struct Kind {
  std::string_view name;
  std::span<const std::string_view> attributes;
  std::size_t required;  // the first ones; the others are 0 if they are missing
  std::unique_ptr<Operator> (*make)(Attributes attributes);
};

/// An operator's attributes: the required ones, then the optional ones.
template <class T>
constexpr auto kAllAttributes = [] {
  if constexpr (requires { T::kOptional; }) {
    std::array<std::string_view, T::kAttributes.size() + T::kOptional.size()> all{};
    std::copy(T::kOptional.begin(), T::kOptional.end(),
              std::copy(T::kAttributes.begin(), T::kAttributes.end(), all.begin()));
    return all;
  } else {
    return T::kAttributes;
  }
}();

template <class T>
constexpr Kind kind() {
  return {T::kName, kAllAttributes<T>, T::kAttributes.size(),
          [](Attributes attributes) -> std::unique_ptr<Operator> {
            return std::make_unique<T>(std::move(attributes));
          }};
}

constexpr std::array kKinds = {kind<Preprocess>(),     kind<VariableSelection>(),
                               kind<StaticContexts>(), kind<Recurrence>(),
                               kind<Lstm>(),           kind<Decoder>()};

const Kind* find(std::string_view name) {
  const auto found =
      std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& one) { return one.name == name; });
  return found == kKinds.end() ? nullptr : found;
}

}  // namespace

std::int64_t length_of(const Dimension& dimension, std::span<const Shape> inputs) {
  std::int64_t length = dimension.constant;
  if (dimension.input >= 0) length += inputs[static_cast<std::size_t>(dimension.input)][dimension.axis];
  if (dimension.second_input >= 0)
    length += inputs[static_cast<std::size_t>(dimension.second_input)][dimension.second_axis];
  return length;
}

int Operator::whole(std::string_view name) const { return static_cast<int>(attributes_.find(name)->second); }
float Operator::real(std::string_view name) const {
  return static_cast<float>(attributes_.find(name)->second);
}

std::span<const std::string_view> operator_names() {
  static const auto names = [] {
    std::array<std::string_view, kKinds.size()> all;
    std::transform(kKinds.begin(), kKinds.end(), all.begin(), [](const Kind& one) { return one.name; });
    return all;
  }();
  return names;
}

std::span<const std::string_view> attribute_names(std::string_view name) {
  const Kind* const one = find(name);
  return one == nullptr ? std::span<const std::string_view>() : one->attributes;
}

std::unique_ptr<Operator> make_operator(std::string_view name, Attributes attributes) {
  const Kind* const one = find(name);
  if (one == nullptr) return nullptr;
  for (const std::string_view attribute : one->attributes.first(one->required))
    if (attributes.find(attribute) == attributes.end()) return nullptr;
  for (const std::string_view attribute : one->attributes.subspan(one->required))
    attributes.try_emplace(std::string(attribute), 0);
  return one->make(std::move(attributes));
}

}  // namespace tft::plugins
