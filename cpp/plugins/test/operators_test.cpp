// Compares the operators' kernels, a GPU's on an emulator and a CPU's, with the same formulas in double
// precision.
#include "plugins/operators.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <random>

#include "plugins/test/subject.h"

namespace tft::plugins {
namespace {

const int H = subject_hidden_size();
constexpr double kEpsilon = 1e-5;

struct Tensor {
  std::vector<std::int64_t> dims;
  std::vector<float> values;
  std::vector<int> codes;  // instead, where it holds integers
  double at(std::size_t index) const { return values[index]; }
};

std::size_t count(const std::vector<std::int64_t>& dims) {
  std::size_t n = 1;
  for (const auto dim : dims) n *= static_cast<std::size_t>(dim);
  return n;
}

using Vector = std::vector<double>;

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }
double elu_of(double x) { return x > 0 ? x : std::expm1(x); }

Vector normed(Vector x) {
  double mean = 0, square = 0;
  for (const double v : x) mean += v / static_cast<double>(x.size());
  for (double& v : x) v -= mean;
  for (const double v : x) square += v * v / static_cast<double>(x.size());
  for (double& v : x) v /= std::sqrt(square + kEpsilon);
  return x;
}

/// x · weight[inputs, outputs], from `column` on.
Vector mapped(const Vector& x, const Tensor& weight, std::size_t outputs, std::size_t start = 0) {
  Vector out(outputs);
  for (std::size_t k = 0; k < x.size(); ++k)
    for (std::size_t o = 0; o < outputs; ++o) out[o] += x[k] * weight.at(start + k * outputs + o);
  return out;
}

Vector plus(Vector a, const Tensor& b, std::size_t start = 0) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b.at(start + i);
  return a;
}

Vector plus(Vector a, const Vector& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

Vector slice(const Tensor& t, std::size_t start, std::size_t length) {
  return {t.values.begin() + static_cast<std::ptrdiff_t>(start),
          t.values.begin() + static_cast<std::ptrdiff_t>(start + length)};
}

Vector scaled(Vector x, const Tensor& weight, const Tensor& bias, std::size_t start = 0) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = x[i] * weight.at(start + i) + bias.at(start + i);
  return x;
}

Vector all(Vector x, double (*f)(double)) {
  std::transform(x.begin(), x.end(), x.begin(), f);
  return x;
}

/// One operator with random inputs, which are made on first use.
struct Case {
  std::mt19937 random;
  std::vector<Tensor> inputs;
  Attributes attributes;

  explicit Case(unsigned seed) : random(seed) {}

  Tensor& add(std::vector<std::int64_t> dims, double scale, double center = 0) {
    Tensor tensor;
    tensor.dims = std::move(dims);
    std::normal_distribution<float> normal;
    tensor.values.resize(count(tensor.dims));
    for (float& value : tensor.values)
      value = normal(random) * static_cast<float>(scale) + static_cast<float>(center);
    inputs.push_back(std::move(tensor));
    return inputs.back();
  }
  void add_codes(std::vector<std::int64_t> dims, int codes) {
    Tensor tensor;
    tensor.dims = std::move(dims);
    std::uniform_int_distribution<int> any(0, codes - 1);
    tensor.codes.resize(count(tensor.dims));
    for (int& code : tensor.codes) code = any(random);
    inputs.push_back(std::move(tensor));
  }
  void add_gated_sum(int in, int out) {
    add({in, 2 * out}, 1 / std::sqrt(in));
    add({2 * out}, 0.3);
    add({out}, 0.2, 1);
    add({out}, 0.2);
  }
  /// 0 for the steps that a series does not have, its first ones.
  void add_valid(int steps, int batch, const std::vector<int>& absent) {
    Tensor& valid = add({steps, batch, 1}, 0, 1);
    for (std::size_t i = 0; i < valid.values.size(); ++i)
      if (static_cast<int>(i) / batch < absent[i % static_cast<std::size_t>(batch)]) valid.values[i] = 0;
  }
  const Tensor& operator[](std::size_t index) const { return inputs[index]; }

  std::vector<Shape> shapes() const {
    std::vector<Shape> result;
    for (const Tensor& tensor : inputs) {
      Shape shape;
      shape.rank = static_cast<int>(tensor.dims.size());
      std::copy(tensor.dims.begin(), tensor.dims.end(), shape.dims.begin());
      result.push_back(shape);
    }
    return result;
  }
};

struct Outcome {
  std::vector<std::vector<float>> outputs;  // integers as the floats of the same value
  std::vector<std::string> kernels;
};

/// An input of another size is refused, because a kernel would read behind it.
void expect_shapes_checked(const Operator& op, const std::vector<Shape>& shapes) {
  // How many channels there are, only the inputs themselves say.
  if (op.name() == "TftPreprocess") return;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    auto other = shapes;
    ++other[i].dims[static_cast<std::size_t>(other[i].rank - 1)];
    EXPECT_NE(op.misfit(other, subject_processor()), "") << op.name() << ' ' << i;
    std::int64_t values = 1;
    for (int axis = 0; axis < shapes[i].rank; ++axis) values *= shapes[i][axis];
    if (values == 1) continue;
    other[i] = Shape{0, {}};  // a scalar
    EXPECT_NE(op.misfit(other, subject_processor()), "") << op.name() << ' ' << i;
  }
}

Outcome run(std::string_view name, const Case& test, int multiprocessors = 132, unsigned seed = 1,
            std::size_t shared_limit = 227 * 1024) {
  const auto op = make_operator(name, test.attributes);
  EXPECT_NE(op, nullptr);
  EXPECT_EQ(op->inputs(), static_cast<int>(test.inputs.size()));
  const auto shapes = test.shapes();
  EXPECT_EQ(op->misfit(shapes, subject_processor()), "");
  expect_shapes_checked(*op, shapes);
  std::vector<void const*> in;
  for (std::size_t i = 0; i < test.inputs.size(); ++i) {
    EXPECT_EQ(op->is_int(static_cast<int>(i)), !test.inputs[i].codes.empty());
    in.push_back(test.inputs[i].codes.empty() ? static_cast<const void*>(test.inputs[i].values.data())
                                              : test.inputs[i].codes.data());
  }
  Outcome outcome;
  std::vector<void*> out;
  for (int i = 0; i < op->outputs(); ++i) {
    std::size_t size = 1;
    for (const Dimension& dim : op->output_shape(i)) size *= static_cast<std::size_t>(length_of(dim, shapes));
    outcome.outputs.emplace_back(size, std::numeric_limits<float>::quiet_NaN());
  }
  for (auto& one : outcome.outputs) out.push_back(one.data());
  std::vector<float> workspace(op->workspace_bytes(shapes) / sizeof(float) + 4,
                               std::numeric_limits<float>::quiet_NaN());
  const auto kernels = run_subject(*op, shapes, in.data(), out.data(), workspace.data(),
                                   {multiprocessors, seed, shared_limit});
  EXPECT_TRUE(kernels);
  outcome.kernels = kernels.value_or(std::vector<std::string>());
  for (int i = 0; i < op->outputs(); ++i) {
    if (!op->is_int_output(i)) continue;
    for (float& value : outcome.outputs[static_cast<std::size_t>(i)])
      value = static_cast<float>(std::bit_cast<int>(value));
  }
  return outcome;
}

/// A CPU has one kernel for each operator.
void expect_kernels(const Outcome& outcome, const std::vector<std::string>& names) {
  if (subject_processor() == Processor::GPU) {
    EXPECT_EQ(outcome.kernels, names);
  }
}

double worst(const std::vector<float>& found, const Vector& expected) {
  EXPECT_EQ(found.size(), expected.size());
  double most = 0;
  for (std::size_t i = 0; i < std::min(found.size(), expected.size()); ++i) {
    const double difference = std::abs(found[i] - expected[i]);
    if (std::isnan(difference)) return difference;
    most = std::max(most, difference);
  }
  return most;
}

// ----------------------------------------------------------------------------------------------- preprocess

/// Five-minute steps from `start` (minutes since a Monday's midnight) on; the horizon's hour, weekday, month,
/// weekend.
void set_calendar(Tensor& decoder, int steps, int batch, const std::vector<int>& starts) {
  for (int b = 0; b < batch; ++b) {
    for (int t = 0; t < steps; ++t) {
      const int minutes = starts[static_cast<std::size_t>(b)] + 5 * t, day = minutes / 1440 % 7;
      float* const row = &decoder.values[static_cast<std::size_t>((b * steps + t) * 4)];
      row[0] = static_cast<float>(minutes / 60 % 24), row[1] = static_cast<float>(day);
      row[2] = 3.F, row[3] = day >= 5 ? 1.F : 0.F;
    }
  }
}

/// Two metrics, a window's mean and standard deviation, no lag, time feature, code or static pair.
Attributes preprocessing(int past, Attributes changes) {
  Attributes all = {{"target", 0},
                    {"softplus", 0},
                    {"center_length", past},
                    {"scale_length", past},
                    {"floor", 0},
                    {"others", 2},
                    {"lags", 0},
                    {"lag_0", 0},
                    {"lag_1", 0},
                    {"lag_2", 0},
                    {"lag_3", 0},
                    {"steps_per_hour", 1},
                    {"hours_per_step", 1},
                    {"hour_channel", -1},
                    {"day_channel", -1},
                    {"month_channel", -1},
                    {"features", 0},
                    {"feature_0", 0},
                    {"feature_1", 0},
                    {"feature_2", 0},
                    {"feature_3", 0},
                    {"static", 0},
                    {"static_codes", 0},
                    {"static_code_0", -1},
                    {"static_code_1", -1},
                    {"encoder_codes", 0},
                    {"encoder_code_0", -1},
                    {"encoder_code_1", -1},
                    {"encoder_code_2", -1},
                    {"encoder_code_3", -1}};
  for (const auto& [name, value] : changes) all.at(name) = value;
  return all;
}

struct PreprocessCase {
  const char* name;
  bool softplus;
  int center_length, scale_length;
  double floor;
  std::vector<int> others, lags;
};

class PreprocessTest : public testing::TestWithParam<PreprocessCase> {};

TEST_P(PreprocessTest, ScalesTransposesAndCountsTheHoursBack) {
  constexpr int past = 300, future = 24, batch = 3, metrics = 5, target = 2;
  const PreprocessCase& given = GetParam();
  const auto others = given.others.size(), lags = given.lags.size();
  const std::vector<int> starts = {7 * 1440 + 8 * 60 + 35, 8 * 1440, 12 * 1440 + 23 * 60 + 55};
  Case test(20);
  double set = 0;
  for (const int channel : given.others) set += 1 << channel;
  Attributes changes = {{"target", target},
                        {"softplus", given.softplus},
                        {"center_length", given.center_length},
                        {"scale_length", given.scale_length},
                        {"floor", given.floor},
                        {"others", set},
                        {"lags", lags},
                        {"steps_per_hour", 12},
                        {"hour_channel", 0},
                        {"day_channel", 1},
                        {"month_channel", 2},
                        {"features", 4},
                        {"feature_0", 1},
                        {"feature_1", 2},
                        {"feature_2", 3},
                        {"feature_3", 4},
                        {"static", 1},
                        {"static_codes", 1},
                        {"static_code_0", 0},
                        {"encoder_codes", 1},
                        {"encoder_code_0", 1}};
  for (std::size_t i = 0; i < lags; ++i) changes["lag_" + std::to_string(i)] = given.lags[i];
  test.attributes = preprocessing(past, changes);
  Tensor& raw = test.add({batch, past, metrics}, 10, 15);
  for (float& value : raw.values) value = std::abs(value);
  test.add_codes({batch, past, 2}, 5);
  set_calendar(test.add({batch, future, 4}, 0), future, batch, starts);
  test.add({static_cast<std::int64_t>(others)}, 1);
  test.add({static_cast<std::int64_t>(others)}, 1);
  const Outcome outcome = run("TftPreprocess", test);

  const std::size_t width = 1 + others + 4, ahead = 4 + lags;
  Vector encoder(past * batch * width), decoder(future * batch * ahead), pair(batch * 2);
  for (int b = 0; b < batch; ++b) {
    Vector y(past);
    for (int t = 0; t < past; ++t) {
      const double x = test[0].at(static_cast<std::size_t>((b * past + t) * metrics + target));
      y[static_cast<std::size_t>(t)] =
          !given.softplus || x > 20 ? x : x + std::log(-std::expm1(-(x + 1.1920928955078125e-07)));
    }
    const auto mean_of_last = [&](int length) {
      return std::accumulate(y.end() - length, y.end(), 0.0) / length;
    };
    const double center = mean_of_last(given.center_length), mean = mean_of_last(given.scale_length);
    double square = 0;
    for (auto value = y.end() - given.scale_length; value != y.end(); ++value)
      square += (*value - mean) * (*value - mean) / (given.scale_length - 1);
    const double scale = std::max(std::sqrt(square) + 1.1920928955078125e-07, given.floor);
    pair[static_cast<std::size_t>(2 * b)] = center, pair[static_cast<std::size_t>(2 * b + 1)] = scale;
    for (int t = 0; t < past; ++t) {
      double* const row = &encoder[static_cast<std::size_t>(t * batch + b) * width];
      row[0] = (y[static_cast<std::size_t>(t)] - center) / scale;
      for (std::size_t m = 0; m < others; ++m)
        row[1 + m] = (test[0].at(static_cast<std::size_t>((b * past + t) * metrics + given.others[m])) -
                      test[3].at(m)) *
                     test[4].at(m);
      const int minutes = starts[static_cast<std::size_t>(b)] - 5 * (past - t), day = minutes / 1440 % 7;
      double* const features = row + 1 + others;
      features[0] = minutes / 60 % 24, features[1] = day, features[2] = 3, features[3] = day >= 5;
    }
    for (int t = 0; t < future; ++t) {
      double* const row = &decoder[static_cast<std::size_t>(t * batch + b) * ahead];
      for (int k = 0; k < 4; ++k) row[k] = test[2].at(static_cast<std::size_t>((b * future + t) * 4 + k));
      for (std::size_t i = 0; i < lags; ++i)
        row[4 + i] = (y[static_cast<std::size_t>(past + t - given.lags[i])] - center) / scale;
    }
  }
  EXPECT_LT(worst(outcome.outputs[0], encoder), 4e-5);
  EXPECT_LT(worst(outcome.outputs[1], decoder), 4e-5);
  EXPECT_LT(worst(outcome.outputs[2], pair), 2e-5);
  for (int b = 0; b < batch; ++b) {
    const auto at = static_cast<std::size_t>(b);
    EXPECT_EQ(outcome.outputs[3][at], outcome.outputs[2][2 * at]);
    EXPECT_EQ(outcome.outputs[4][at], outcome.outputs[2][2 * at + 1]);
    EXPECT_EQ(outcome.outputs[5][at], static_cast<float>(test[1].codes[at * past * 2]));
    for (std::size_t t = 0; t < past; ++t)
      EXPECT_EQ(outcome.outputs[6][t * batch + at],
                static_cast<float>(test[1].codes[(at * past + t) * 2 + 1]));
  }
}

INSTANTIATE_TEST_SUITE_P(All, PreprocessTest,
                         testing::Values(PreprocessCase{"Window", true, 300, 300, 0, {0, 1, 3, 4}, {}},
                                         PreprocessCase{"LastValue", false, 1, 300, 0.25, {1, 4}, {288, 24}},
                                         PreprocessCase{"Tails", false, 30, 60, 0, {3}, {300}},
                                         PreprocessCase{"Floor", true, 1, 300, 100, {0, 1, 3, 4}, {25}}),
                         [](const auto& given) { return given.param.name; });

TEST(PreprocessOperatorTest, HourlyStepsAndConstantWindowsAreSupported) {
  Case test(21);
  test.attributes =
      preprocessing(30, {{"hours_per_step", 2}, {"hour_channel", 0}, {"features", 1}, {"feature_0", 1}});
  test.add({1, 30, 2}, 0, 7);
  test.add_codes({1, 30, 1}, 2);
  test.add({1, 4, 1}, 0, 3);
  test.add({1}, 0, 7), test.add({1}, 0, 1);
  const Outcome outcome = run("TftPreprocess", test);
  for (std::size_t t = 0; t < 30; ++t) {
    EXPECT_EQ(outcome.outputs[0][3 * t], 0);
    EXPECT_EQ(outcome.outputs[0][3 * t + 2],
              static_cast<float>((3 + 24 * 10 - 2 * (30 - static_cast<int>(t))) % 24));
  }
  EXPECT_EQ(outcome.outputs[2][0], 7);
}

TEST(PreprocessOperatorTest, AnInvalidNumberMakesItsSeriesInvalidWhateverTheFloor) {
  Case test(22);
  test.attributes = preprocessing(30, {{"floor", 0.25}, {"center_length", 1}});
  test.add({2, 30, 2}, 1, 7).values[8] = std::numeric_limits<float>::quiet_NaN();
  test.add_codes({2, 30, 1}, 2);
  test.add({2, 4, 1}, 0, 3);
  test.add({1}, 0, 7), test.add({1}, 0, 1);
  const Outcome outcome = run("TftPreprocess", test);
  for (std::size_t t = 0; t < 30; ++t) {
    EXPECT_TRUE(std::isnan(outcome.outputs[0][4 * t]));
    EXPECT_TRUE(std::isfinite(outcome.outputs[0][4 * t + 2]));
  }
}

TEST(PreprocessOperatorTest, WhatTheKernelCannotReadIsRefusedWithTheReason) {
  const auto why = [](Attributes changes, std::int64_t past = 30) {
    Case test(23);
    test.add({2, past, 2}, 1), test.add_codes({2, 30, 1}, 2), test.add({2, 4, 1}, 1);
    test.add({1}, 1), test.add({1}, 1);
    return make_operator("TftPreprocess", preprocessing(30, std::move(changes)))
        ->misfit(test.shapes(), subject_processor());
  };
  EXPECT_EQ(why({}), "");
  EXPECT_EQ(why({{"lags", 1}, {"lag_0", 30}}), "");
  EXPECT_NE(why({{"lags", 1}, {"lag_0", 31}}).find("a lag is not between"), std::string::npos);
  EXPECT_NE(why({{"lags", 1}, {"lag_0", 3}}).find("a lag is not between"), std::string::npos);
  EXPECT_NE(why({{"lags", 5}, {"lag_0", 4}}).find("lags than the kernel takes"), std::string::npos);
  EXPECT_NE(why({{"others", 4}}).find("a channel that is read does not exist"), std::string::npos);
  EXPECT_NE(why({{"others", 3}}).find("the number of metrics differs"), std::string::npos);
  EXPECT_NE(why({{"target", 2}}).find("a channel that is read does not exist"), std::string::npos);
  EXPECT_NE(why({{"center_length", 31}}).find("more steps than the past has"), std::string::npos);
  EXPECT_NE(why({{"scale_length", 1}}).find("more steps than the past has"), std::string::npos);
}

// ------------------------------------------------------------------------------------------------ recurrence

void lstm_weights(Case& test, double gain, int hidden = H, bool padded = false) {
  const double scale = gain / std::sqrt(hidden) / std::sqrt(3.0);
  test.add({1, 4 * hidden, padded ? 2 * hidden + 1 : hidden}, scale);
  test.add({1, 4 * hidden, hidden}, scale);
  test.add({1, 8 * hidden}, scale);
}

/// The LSTM in double precision; x [steps, B, H] to y, with the state in `h` and `c` [B, H]. Of the columns
/// of w the first H count.
Vector lstm(const Tensor& x, const Tensor& w, const Tensor& r, const Tensor& b, Vector& h, Vector& c,
            const std::vector<int>& absent = {}) {
  const auto steps = static_cast<std::size_t>(x.dims[0]), batch = static_cast<std::size_t>(x.dims[1]);
  const auto hidden = static_cast<std::size_t>(r.dims[2]), stride = static_cast<std::size_t>(w.dims[2]);
  Vector y;
  for (std::size_t t = 0; t < steps; ++t) {
    const std::size_t first = y.size();
    y.resize(first + batch * hidden);
    for (std::size_t s = 0; s < batch; ++s) {
      if (!absent.empty() && static_cast<int>(t) < absent[s]) continue;
      Vector gates(4 * hidden), before(h.begin() + static_cast<std::ptrdiff_t>(s * hidden),
                                       h.begin() + static_cast<std::ptrdiff_t>(s * hidden + hidden));
      for (std::size_t g = 0; g < 4 * hidden; ++g) {
        gates[g] = b.at(g) + b.at(4 * hidden + g);
        for (std::size_t k = 0; k < hidden; ++k)
          gates[g] +=
              w.at(g * stride + k) * x.at((t * batch + s) * hidden + k) + r.at(g * hidden + k) * before[k];
      }
      for (std::size_t u = 0; u < hidden; ++u) {
        const double i = sigmoid_of(gates[u]), o = sigmoid_of(gates[hidden + u]),
                     f = sigmoid_of(gates[2 * hidden + u]);
        double& cell = c[s * hidden + u];
        cell = f * cell + i * std::tanh(gates[3 * hidden + u]);
        y[first + s * hidden + u] = h[s * hidden + u] = o * std::tanh(cell);
      }
    }
  }
  return y;
}

Vector doubles(const Tensor& tensor) { return {tensor.values.begin(), tensor.values.end()}; }

/// With `absent` steps for each series, if any.
Case recurrence_case(int past, int future, int batch, double gain, unsigned seed, int hidden = H,
                     const std::vector<int>& absent = {}) {
  Case test(seed);
  test.attributes = {{"hidden_size", hidden}};
  if (!absent.empty()) test.attributes["padded"] = 1;
  test.add({past, batch, hidden}, 1);
  test.add({future, batch, hidden}, 1);
  test.add({1, batch, hidden}, 0.5);
  test.add({1, batch, hidden}, 1);
  if (!absent.empty()) test.add_valid(past, batch, absent);
  lstm_weights(test, gain, hidden, !absent.empty());
  lstm_weights(test, gain, hidden);
  return test;
}

Vector recurrence_expected(const Case& test, const std::vector<int>& absent = {}) {
  const std::size_t w = absent.empty() ? 4 : 5;
  Vector h = doubles(test[2]), c = doubles(test[3]);
  Vector y = lstm(test[0], test[w], test[w + 1], test[w + 2], h, c, absent);
  const Vector future = lstm(test[1], test[w + 3], test[w + 4], test[w + 5], h, c);
  y.insert(y.end(), future.begin(), future.end());
  return y;
}

TEST(RecurrenceTest, AgreesWithDoublePrecisionForEveryGain) {
  for (const double gain : {1.0, 2.0, 4.0}) {
    const Case test = recurrence_case(40, 14, 2, gain, 7);
    EXPECT_LT(worst(run("TftRecurrence", test).outputs[0], recurrence_expected(test)), 2e-6) << gain;
  }
}

TEST(RecurrenceTest, SequencesNeedNotBeMultiplesOfAChunk) {
  for (const auto& [past, future] : {std::pair{1, 1}, {12, 12}, {13, 11}, {24, 1}, {25, 36}}) {
    const Case test = recurrence_case(past, future, 1, 1, 3);
    EXPECT_LT(worst(run("TftRecurrence", test).outputs[0], recurrence_expected(test)), 1e-6)
        << past << ' ' << future;
  }
}

TEST(RecurrenceTest, ManySeriesUseTheOtherKernelWithTheSameResult) {
  const Case test = recurrence_case(15, 13, 3, 1, 4);
  const Outcome few = run("TftRecurrence", test, 132), many = run("TftRecurrence", test, 1);
  expect_kernels(few, {"tft_recurrence_3"});
  expect_kernels(many, {"tft_recurrence_1"});
  EXPECT_LT(worst(many.outputs[0], recurrence_expected(test)), 1e-6);
  EXPECT_EQ(few.outputs, many.outputs);
}

TEST(RecurrenceTest, TheOrderOfThreadsChangesNothing) {
  const Case test = recurrence_case(30, 14, 1, 1, 5);
  const auto once = run("TftRecurrence", test).outputs;
  for (unsigned seed = 2; seed < 8; ++seed) EXPECT_EQ(run("TftRecurrence", test, 132, seed).outputs, once);
}

TEST(RecurrenceTest, ANaNReachesTheLaterStepsOfItsSeriesAndNothingElse) {
  Case test = recurrence_case(6, 4, 3, 1, 6);
  test.inputs[0].values[(2 * 3 + 1) * H + 5] = std::numeric_limits<float>::quiet_NaN();
  const auto out = run("TftRecurrence", test).outputs[0];
  for (std::size_t step = 0; step < 10; ++step)
    for (std::size_t series = 0; series < 3; ++series)
      EXPECT_EQ(std::isnan(out[(step * 3 + series) * H]), series == 1 && step >= 2) << step << ' ' << series;
}

TEST(RecurrenceTest, SaturatedGatesAndInfinitiesGiveWhatTheFormulaGives) {
  Case test = recurrence_case(5, 3, 1, 1, 8);
  for (std::size_t k = 0; k < static_cast<std::size_t>(H); ++k)
    test.inputs[0].values[k] = k % 2 == 0 ? 3e4F : -3e4F;
  test.inputs[3].values[3] = 1e6F;
  EXPECT_LT(worst(run("TftRecurrence", test).outputs[0], recurrence_expected(test)), 1e-5);
}

TEST(RecurrenceTest, OneSequenceGivesItsLastState) {
  Case test(9);
  test.attributes = {{"hidden_size", H}};
  test.add({17, 2, H}, 1);
  lstm_weights(test, 1);
  test.add({1, 2, H}, 0.5);
  test.add({1, 2, H}, 1);
  Vector h = doubles(test[4]), c = doubles(test[5]);
  const Vector y = lstm(test[0], test[1], test[2], test[3], h, c);
  const Outcome outcome = run("TftLstm", test);
  EXPECT_LT(worst(outcome.outputs[0], y), 1e-6);
  EXPECT_LT(worst(outcome.outputs[1], h), 1e-6);
  EXPECT_LT(worst(outcome.outputs[2], c), 1e-6);
}

struct AnyHiddenSize {
  int hidden, batch, past, future;
  std::size_t shared_limit;
  const char* kernel;
};

class AnyHiddenSizeTest : public testing::TestWithParam<AnyHiddenSize> {};

TEST_P(AnyHiddenSizeTest, AgreesWithDoublePrecision) {
  const AnyHiddenSize& given = GetParam();
  const Case test = recurrence_case(given.past, given.future, given.batch, 1.5, 11, given.hidden);
  const Outcome outcome = run("TftRecurrence", test, 1, 1, given.shared_limit);
  expect_kernels(outcome, {given.kernel});
  EXPECT_LT(worst(outcome.outputs[0], recurrence_expected(test)), 2e-6);
  EXPECT_EQ(run("TftRecurrence", test, 1, 2, given.shared_limit).outputs, outcome.outputs);
}

// The last ones have some columns of U in shared memory and some in global memory, or all of them there.
INSTANTIATE_TEST_SUITE_P(All, AnyHiddenSizeTest,
                         testing::Values(AnyHiddenSize{4, 1, 5, 3, 227 * 1024, "tft_recurrence_16_1"},
                                         AnyHiddenSize{12, 9, 6, 2, 227 * 1024, "tft_recurrence_16_4"},
                                         AnyHiddenSize{16, 2, 35, 17, 227 * 1024, "tft_recurrence_16_1"},
                                         AnyHiddenSize{20, 1, 16, 1, 227 * 1024, "tft_recurrence_64_1"},
                                         AnyHiddenSize{64, 6, 9, 5, 227 * 1024, "tft_recurrence_64_4"},
                                         AnyHiddenSize{68, 1, 17, 3, 227 * 1024, "tft_recurrence_128_1"},
                                         AnyHiddenSize{128, 3, 5, 4, 227 * 1024, "tft_recurrence_128_4"},
                                         AnyHiddenSize{128, 1, 18, 2, 227 * 1024, "tft_recurrence_128_1"},
                                         AnyHiddenSize{128, 5, 3, 2, 99 * 1024, "tft_recurrence_128_4"},
                                         AnyHiddenSize{128, 1, 3, 2, 16 * 1024, "tft_recurrence_128_1"}),
                         [](const auto& given) {
                           return std::to_string(given.param.hidden) + "x" +
                                  std::to_string(given.param.batch) + "In" +
                                  std::to_string(given.param.shared_limit / 1024);
                         });

TEST(RecurrenceTest, StepsThatASeriesDoesNotHaveAreLeftOut) {
  const std::vector<int> absent{0, 13, 24, 1, 29, 30, 12};
  for (const int hidden : {H, 12, 64, 128})
    for (const int multiprocessors : {132, 1}) {
      Case test = recurrence_case(30, 5, 7, 1.5, 13, hidden, absent);
      const auto outcome = run("TftRecurrence", test, multiprocessors);
      EXPECT_LT(worst(outcome.outputs[0], recurrence_expected(test, absent)), 2e-6) << hidden;
      // Whatever they hold, it reaches nothing.
      for (std::size_t step = 0; step < 30; ++step)
        for (std::size_t series = 0; series < 7; ++series)
          if (static_cast<int>(step) < absent[series])
            for (std::size_t u = 0; u < static_cast<std::size_t>(hidden); ++u)
              test.inputs[0].values[(step * 7 + series) * static_cast<std::size_t>(hidden) + u] =
                  std::numeric_limits<float>::quiet_NaN();
      EXPECT_EQ(run("TftRecurrence", test, multiprocessors, 2).outputs, outcome.outputs) << hidden;
    }
}

TEST(RecurrenceTest, SeriesThatBeginTogetherLeaveOutTheSameSteps) {
  const std::vector<int> absent(9, 14);
  for (const int hidden : {H, 16}) {
    const Case test = recurrence_case(31, 3, 9, 1, 14, hidden, absent);
    EXPECT_LT(worst(run("TftRecurrence", test, 1).outputs[0], recurrence_expected(test, absent)), 2e-6);
  }
}

TEST(AnyHiddenSizeTest, SaturatedGatesInfinitiesAndNaNGiveWhatTheFormulaGives) {
  Case test = recurrence_case(5, 3, 3, 1, 8, 64);
  for (std::size_t k = 0; k < 64; ++k) test.inputs[0].values[k] = k % 2 == 0 ? 3e4F : -3e4F;
  test.inputs[3].values[3] = 1e6F;
  const auto finite = run("TftRecurrence", test).outputs[0];
  EXPECT_LT(worst(finite, recurrence_expected(test)), 1e-5);
  test.inputs[0].values[(2 * 3 + 1) * 64 + 5] = std::numeric_limits<float>::quiet_NaN();
  for (const int multiprocessors : {132, 1}) {
    const auto out = run("TftRecurrence", test, multiprocessors).outputs[0];
    for (std::size_t step = 0; step < 8; ++step)
      for (std::size_t series = 0; series < 3; ++series)
        EXPECT_EQ(std::isnan(out[(step * 3 + series) * 64]), series == 1 && step >= 2)
            << step << ' ' << series;
  }
}

TEST(AnyHiddenSizeTest, OneSequenceGivesItsLastState) {
  Case test(9);
  test.attributes = {{"hidden_size", 24}};
  test.add({17, 2, 24}, 1);
  lstm_weights(test, 1, 24);
  test.add({1, 2, 24}, 0.5);
  test.add({1, 2, 24}, 1);
  Vector h = doubles(test[4]), c = doubles(test[5]);
  const Vector y = lstm(test[0], test[1], test[2], test[3], h, c);
  for (const int multiprocessors : {132, 1}) {
    const Outcome outcome = run("TftLstm", test, multiprocessors);
    EXPECT_LT(worst(outcome.outputs[0], y), 2e-6);
    EXPECT_LT(worst(outcome.outputs[1], h), 2e-6);
    EXPECT_LT(worst(outcome.outputs[2], c), 2e-6);
  }
}

// ------------------------------------------------------------------------------------------------- selection

struct Selection {
  int steps = 5, batch = 3, reals = 3, tabulated = 0, fixed = 0, tables = 0, bags = 0, inner = 6, width = 7;
  bool context = false, resampled = true;
  int bag_steps = 0;  // 0: as many as steps
};

Case selection_case(const Selection& s, unsigned seed) {
  Case test(seed);
  const int given = s.reals + s.tabulated, variables = given + s.fixed + s.tables + s.bags;
  test.attributes = {{"reals", s.reals},   {"tabulated", s.tabulated}, {"fixed", s.fixed},
                     {"tables", s.tables}, {"context", s.context},     {"resampled", s.resampled},
                     {"epsilon", kEpsilon}};
  if (s.bags > 0) test.attributes["bags"] = s.bags;
  Tensor& x = test.add({s.steps, s.batch, given}, 1);
  for (std::size_t i = 0; i < x.values.size(); ++i)
    if (static_cast<int>(i) % given >= s.reals) x.values[i] = static_cast<float>(i * 7 % 6);
  for (int i = 0; i < s.tables; ++i) test.add_codes({s.steps, s.batch}, 4);
  for (int i = 0; i < s.bags; ++i) {
    test.add({s.bag_steps > 0 ? s.bag_steps : s.steps, s.batch, s.inner + variables}, 0.7);
    test.add({s.bag_steps > 0 ? s.bag_steps : s.steps, s.batch, H}, 0.7);
  }
  if (s.context) test.add({1, s.batch, H}, 1);
  test.add({given, s.inner + variables}, 0.5);
  test.add({s.fixed > 0 ? s.steps : 1, 1, s.inner + variables}, 0.5);
  if (s.context) test.add({H, s.inner}, 0.2);
  if (s.resampled) test.add({variables}, 0.2, 1), test.add({variables}, 0.2);
  test.add_gated_sum(s.inner, variables);
  if (s.reals > 0) {
    Tensor& inner = test.add({s.reals, 2, s.width}, 1);
    for (int v = 0; v < s.reals; ++v) {
      inner.values[static_cast<std::size_t>((v * 2) * s.width + s.width - 1)] = 0;
      inner.values[static_cast<std::size_t>((v * 2 + 1) * s.width + s.width - 1)] = 1;
    }
    test.add({s.reals, 1, 1}, 1);
    Tensor& curvature = test.add({s.reals, 1, 1}, 0.5);
    for (float& value : curvature.values) value = std::abs(value);
    Tensor& floor = test.add({s.reals, 1, 1}, 0.5);
    for (float& value : floor.values) value = std::abs(value) + 0.1F;
    test.add({s.reals, 3, H}, 1);
    test.add({s.reals, s.width, H}, 0.5);
    test.add({s.reals, s.width, H}, 0.5);
    test.add({s.reals, 1, H}, 0.2, 1);
    test.add({s.reals, H}, 0.2);
  }
  if (s.tabulated > 0) {
    Tensor& largest = test.add({s.tabulated}, 0);
    for (std::size_t i = 0; i < largest.values.size(); ++i) largest.values[i] = static_cast<float>(i + 2);
    int rows = 0;
    for (const float one : largest.values) rows += static_cast<int>(one) + 1;
    test.add({rows, H}, 1);
  }
  for (int i = 0; i < s.fixed; ++i) test.add({s.steps, 1, H}, 1);
  for (int i = 0; i < s.tables; ++i) test.add({4, s.inner + variables + H}, 0.7);
  return test;
}

Vector selection_expected(const Selection& s, const Case& test) {
  const auto variables = static_cast<std::size_t>(s.reals + s.tabulated + s.fixed + s.tables + s.bags);
  const auto given = static_cast<std::size_t>(s.reals + s.tabulated),
             inner = static_cast<std::size_t>(s.inner);
  const auto batch = static_cast<std::size_t>(s.batch), width = static_cast<std::size_t>(s.width);
  const std::size_t total = inner + variables;
  std::size_t next = 0;
  const Tensor& x = test[next++];
  const std::size_t codes = next;
  next += static_cast<std::size_t>(s.tables);
  const std::size_t bags = next;
  next += 2 * static_cast<std::size_t>(s.bags);
  const std::size_t context = next;
  if (s.context) ++next;
  const std::size_t weights = next;
  std::size_t after = weights + 2 + (s.context ? 1 : 0) + (s.resampled ? 2 : 0);
  const std::size_t gate = after, networks = gate + 4, tabulated = networks + (s.reals > 0 ? 9 : 0);
  const std::size_t fixed = tabulated + (s.tabulated > 0 ? 2 : 0),
                    tables = fixed + static_cast<std::size_t>(s.fixed);
  Vector out;
  for (std::size_t t = 0; t < static_cast<std::size_t>(s.steps); ++t) {
    for (std::size_t b = 0; b < batch; ++b) {
      const std::size_t row = t * batch + b;
      const Vector values = slice(x, row * given, given);
      Vector sum = mapped(values, test[weights], total);
      const Tensor& bias = test[weights + 1];
      sum = plus(sum, bias, bias.dims[0] == 1 ? 0 : t * total);
      const auto looked_up = [&](std::size_t i) {
        return static_cast<std::size_t>(test[codes + i].codes[row]) * (total + H);
      };
      for (std::size_t i = 0; i < static_cast<std::size_t>(s.tables); ++i)
        sum = plus(sum, test[tables + i], looked_up(i));
      const std::size_t bag_row = s.bag_steps == 1 ? b : row;
      for (std::size_t i = 0; i < static_cast<std::size_t>(s.bags); ++i)
        sum = plus(sum, test[bags + 2 * i], bag_row * total);
      Vector hidden(sum.begin(), sum.begin() + s.inner), residual(sum.begin() + s.inner, sum.end());
      if (s.context) hidden = plus(hidden, mapped(slice(test[context], b * H, H), test[weights + 2], inner));
      if (s.resampled) residual = scaled(normed(residual), test[gate - 2], test[gate - 1]);
      const Vector both = plus(mapped(all(hidden, elu_of), test[gate], 2 * variables), test[gate + 1]);
      for (std::size_t v = 0; v < variables; ++v) residual[v] -= both[v] * sigmoid_of(both[variables + v]);
      Vector shares = scaled(normed(residual), test[gate + 2], test[gate + 3]);
      double whole = 0;
      for (double& one : shares) whole += one = std::exp(one);
      Vector result(H);
      const auto add = [&](std::size_t variable, const Vector& output) {
        for (std::size_t u = 0; u < static_cast<std::size_t>(H); ++u)
          result[u] += shares[variable] / whole * output[u];
      };
      std::size_t variable = 0;
      for (std::size_t v = 0; v < static_cast<std::size_t>(s.reals); ++v) {
        Vector units(width);
        for (std::size_t k = 0; k < width; ++k)
          units[k] = elu_of(values[v] * test[networks].at(v * 2 * width + k) +
                            test[networks].at((v * 2 + 1) * width + k));
        const double d = values[v] - test[networks + 1].at(v);
        const double inverse = 1 / std::sqrt(d * d * test[networks + 2].at(v) + test[networks + 3].at(v));
        const Vector skip = mapped({values[v] * inverse, inverse, 1}, test[networks + 4], H, v * 3 * H);
        const Vector value = mapped(units, test[networks + 5], H, v * width * H);
        const Vector gates = mapped(units, test[networks + 6], H, v * width * H);
        Vector output(H);
        for (std::size_t u = 0; u < static_cast<std::size_t>(H); ++u)
          output[u] = skip[u] - value[u] * sigmoid_of(gates[u]);
        add(variable++, scaled(normed(output), test[networks + 7], test[networks + 8], v * H));
      }
      std::size_t first = 0;
      for (std::size_t i = 0; i < static_cast<std::size_t>(s.tabulated); ++i) {
        const double largest = test[tabulated].at(i);
        const auto entry = static_cast<std::size_t>(
            std::min(std::max(values[static_cast<std::size_t>(s.reals) + i], 0.0), largest));
        add(variable++, slice(test[tabulated + 1], (first + entry) * H, H));
        first += static_cast<std::size_t>(largest) + 1;
      }
      for (std::size_t i = 0; i < static_cast<std::size_t>(s.fixed); ++i)
        add(variable++, slice(test[fixed + i], t * H, H));
      for (std::size_t i = 0; i < static_cast<std::size_t>(s.tables); ++i)
        add(variable++, slice(test[tables + i], looked_up(i) + total, H));
      for (std::size_t i = 0; i < static_cast<std::size_t>(s.bags); ++i)
        add(variable++, slice(test[bags + 2 * i + 1], bag_row * H, H));
      out.insert(out.end(), result.begin(), result.end());
    }
  }
  return out;
}

void expect_selection(const Selection& s, unsigned seed) {
  const Case test = selection_case(s, seed);
  EXPECT_LT(worst(run("TftVariableSelection", test).outputs[0], selection_expected(s, test)), 1e-5);
}

TEST(VariableSelectionTest, AgreesWithDoublePrecision) {
  expect_selection({}, 1);
  expect_selection({.reals = 1, .fixed = 1, .inner = 2}, 2);
  expect_selection({.reals = 2, .fixed = 1, .tables = 1, .context = true}, 3);
  expect_selection(
      {.reals = 14, .tabulated = 4, .fixed = 1, .tables = 1, .inner = 20, .width = 17, .context = true}, 4);
  expect_selection({.reals = 0, .tabulated = 3, .tables = 2, .resampled = false}, 5);
  expect_selection({.reals = 32, .inner = 32, .width = 33}, 6);
}

TEST(VariableSelectionTest, SumsOfEmbeddingsAgreeOnACpu) {
  const Selection s{.reals = 2, .fixed = 1, .tables = 1, .bags = 2, .context = true};
  if (subject_processor() == Processor::CPU) {
    expect_selection(s, 17);
    expect_selection({.reals = 1, .bags = 1, .bag_steps = 1}, 18);
    expect_selection({.reals = 0, .tabulated = 2, .bags = 4, .resampled = false}, 19);
  }
  const Case test = selection_case(s, 17);
  const auto op = make_operator("TftVariableSelection", test.attributes);
  EXPECT_EQ(op->misfit(test.shapes(), Processor::GPU),
            "a variable is a sum of embeddings, which the kernels do not take");
}

TEST(VariableSelectionTest, OneStepOfOneSeriesIsSupported) {
  expect_selection({.steps = 1, .batch = 1, .reals = 2, .fixed = 1, .tables = 1}, 7);
}

TEST(VariableSelectionTest, ManyRowsUseTheOtherKernelsAndAgreeToo) {
  // 29 steps are not a multiple of the four or eight rows of a warp.
  const Selection s{
      .steps = 29, .batch = 6, .reals = 3, .tabulated = 2, .fixed = 1, .tables = 1, .context = true};
  const Case test = selection_case(s, 8);
  for (const auto& [multiprocessors, kernel] :
       {std::pair{2, "tft_select_by_row_4"}, {1, "tft_select_by_row_8"}}) {
    const Outcome outcome = run("TftVariableSelection", test, multiprocessors);
    expect_kernels(outcome, {kernel});
    EXPECT_LT(worst(outcome.outputs[0], selection_expected(s, test)), 1e-5);
  }
}

TEST(VariableSelectionTest, ACodeOrAWholeValueOutsideOfItsTableReadsNothingElse) {
  Selection s{.reals = 1, .tabulated = 1, .tables = 1};
  Case test = selection_case(s, 9);
  test.inputs[1].codes[0] = 1 << 30;
  test.inputs[1].codes[1] = -5;
  test.inputs[0].values[1] = 1e30F;
  test.inputs[0].values[3] = std::numeric_limits<float>::quiet_NaN();
  const auto out = run("TftVariableSelection", test).outputs[0];
  EXPECT_FALSE(std::isnan(out[0]));
}

TEST(VariableSelectionTest, ATableWithFewerRowsThanItsNumbersSayIsRefusedOnACpu) {
  if (subject_processor() == Processor::GPU) return;
  Case test = selection_case({.reals = 1, .tabulated = 2}, 9);
  test.inputs[test.inputs.size() - 2].values[1] = 1e6F;
  const auto op = make_operator("TftVariableSelection", test.attributes);
  std::vector<void const*> in;
  for (const Tensor& input : test.inputs) in.push_back(input.values.data());
  std::vector<float> result(4096);
  void* const out = result.data();
  EXPECT_FALSE(run_subject(*op, test.shapes(), in.data(), &out, nullptr, {}));
}

TEST(VariableSelectionTest, UnsupportedSizesAreReported) {
  const Case test = selection_case({.reals = 33, .inner = 8}, 10);
  EXPECT_EQ(
      make_operator("TftVariableSelection", test.attributes)->misfit(test.shapes(), subject_processor()),
      "33 variables, and the kernels take up to 32");
}

// -------------------------------------------------------------------------------------------------- contexts

TEST(StaticContextsTest, AgreesWithDoublePrecision) {
  for (const int batch : {1, 5, 16, 17, 37}) {
    Case test(11);
    test.attributes = {{"epsilon", kEpsilon}};
    test.add({1, batch, H}, 1);
    for (const int columns : {H, 1, H, 1, H, 1}) {
      if (columns == H)
        test.add({4, H, H}, 0.2);
      else
        test.add({4, 1, H}, 0.3);
    }
    test.add({4, 1, H}, 0.2, 1);
    test.add({4, 1, H}, 0.2);
    const Outcome outcome = run("TftStaticContexts", test, 132);
    for (std::size_t n = 0; n < 4; ++n) {
      Vector expected;
      for (std::size_t b = 0; b < static_cast<std::size_t>(batch); ++b) {
        const Vector x = slice(test[0], b * H, H);
        const Vector hidden = all(plus(mapped(x, test[1], H, n * H * H), test[2], n * H), elu_of);
        const Vector value = plus(mapped(hidden, test[3], H, n * H * H), test[4], n * H);
        const Vector gate = plus(mapped(hidden, test[5], H, n * H * H), test[6], n * H);
        Vector sum(H);
        for (std::size_t u = 0; u < static_cast<std::size_t>(H); ++u)
          sum[u] = value[u] * sigmoid_of(gate[u]) + x[u];
        const Vector row = scaled(normed(sum), test[7], test[8], n * H);
        expected.insert(expected.end(), row.begin(), row.end());
      }
      EXPECT_LT(worst(outcome.outputs[n], expected), 1e-5);
    }
  }
}

// --------------------------------------------------------------------------------------------------- decoder

struct DecoderSizes {
  int past = 9, future = 5, batch = 2, heads = 8, causal = 1, quantiles = 7;
  std::vector<int> absent = {};  // steps of each series, if any
};

/// As many as make heads of the same size with every hidden size.
int heads_of(const DecoderSizes& s) { return s.heads * H / 32; }

Case decoder_case(const DecoderSizes& s, unsigned seed) {
  Case test(seed);
  const int size = H / heads_of(s);
  const double scale = 1 / std::sqrt(H);
  test.attributes = {{"heads", heads_of(s)}, {"causal", s.causal}, {"epsilon", kEpsilon}};
  if (!s.absent.empty()) test.attributes["padded"] = 1;
  test.add({s.past + s.future, s.batch, H}, 1);
  test.add({s.past, s.batch, H}, 1);
  test.add({s.future, s.batch, H}, 1);
  test.add({1, s.batch, H}, 1);
  if (!s.absent.empty()) test.add_valid(s.past, s.batch, s.absent);
  test.add_gated_sum(H, H);
  test.add({H, H}, scale);
  test.add({H, H}, scale), test.add({H}, 0.3);
  test.add_gated_sum(H, H);
  test.add({H, H}, 2 * scale), test.add({H}, 0.3);
  test.add({H, H}, 2 * scale), test.add({H}, 0.3);
  test.add({H, size}, scale), test.add({size}, 0.3);
  test.add_gated_sum(size, H);
  test.add({H, H}, scale), test.add({H}, 0.3);
  test.add_gated_sum(H, H);
  test.add_gated_sum(H, H);
  test.add({H, s.quantiles}, scale), test.add({s.quantiles}, 0.3);
  return test;
}

Vector gate_of(const Case& test, std::size_t first, const Vector& x, const Vector& skip) {
  const Vector both = plus(mapped(x, test[first], 2 * H), test[first + 1]);
  Vector sum(H);
  for (std::size_t u = 0; u < static_cast<std::size_t>(H); ++u)
    sum[u] = skip[u] - both[u] * sigmoid_of(both[H + u]);
  return scaled(normed(sum), test[first + 2], test[first + 3]);
}

Vector decoder_expected(const DecoderSizes& s, const Case& given) {
  Case test = given;
  if (!s.absent.empty()) test.inputs.erase(test.inputs.begin() + 4);
  const auto past = static_cast<std::size_t>(s.past), steps = past + static_cast<std::size_t>(s.future);
  const auto batch = static_cast<std::size_t>(s.batch), heads = static_cast<std::size_t>(heads_of(s));
  const std::size_t size = H / heads, quantiles = static_cast<std::size_t>(s.quantiles);
  Vector out((steps - past) * batch * quantiles);
  for (std::size_t b = 0; b < batch; ++b) {
    std::vector<Vector> local, enriched, keys, values;
    for (std::size_t t = 0; t < steps; ++t) {
      const Vector skip =
          t < past ? slice(test[1], (t * batch + b) * H, H) : slice(test[2], ((t - past) * batch + b) * H, H);
      local.push_back(gate_of(test, 4, slice(test[0], (t * batch + b) * H, H), skip));
      const Vector context = mapped(slice(test[3], b * H, H), test[8], H);
      const Vector hidden = all(plus(plus(mapped(local[t], test[9], H), test[10]), context), elu_of);
      enriched.push_back(gate_of(test, 11, hidden, local[t]));
      keys.push_back(plus(mapped(enriched[t], test[17], H), test[18]));
      values.push_back(plus(mapped(enriched[t], test[19], size), test[20]));
    }
    for (std::size_t f = 0; f + past < steps; ++f) {
      const Vector query = plus(mapped(enriched[past + f], test[15], H), test[16]);
      Vector attended(size);
      for (std::size_t h = 0; h < heads; ++h) {
        Vector weights;
        double most = -1e300, whole = 0;
        for (std::size_t t = 0; t < steps; ++t) {
          double score = 0;
          for (std::size_t d = 0; d < size; ++d) score += query[h * size + d] * keys[t][h * size + d];
          if (s.causal != 0 && t >= past + f) score = -1e300;
          if (!s.absent.empty() && static_cast<int>(t) < s.absent[b]) score = -1e300;
          weights.push_back(score);
          most = std::max(most, score);
        }
        for (double& weight : weights) whole += weight = std::exp(weight - most);
        for (std::size_t t = 0; t < steps; ++t)
          for (std::size_t d = 0; d < size; ++d)
            attended[d] += weights[t] / whole / static_cast<double>(heads) * values[t][d];
      }
      const Vector attention = gate_of(test, 21, attended, enriched[past + f]);
      const Vector hidden = all(plus(mapped(attention, test[25], H), test[26]), elu_of);
      const Vector position = gate_of(test, 27, hidden, attention);
      const Vector last =
          plus(mapped(gate_of(test, 31, position, local[past + f]), test[35], quantiles), test[36]);
      std::copy(last.begin(), last.end(),
                out.begin() + static_cast<std::ptrdiff_t>((f * batch + b) * quantiles));
    }
  }
  return out;
}

TEST(DecoderTest, AgreesWithDoublePrecision) {
  for (const DecoderSizes& s : {DecoderSizes{},
                                {.past = 40, .future = 33, .batch = 1, .heads = 4},
                                {.past = 3, .future = 18, .heads = 2, .causal = 0, .quantiles = 3},
                                {.past = 1, .future = 1, .batch = 1},
                                {.past = 20, .future = 17, .quantiles = 1},
                                {.past = 17, .future = 1, .quantiles = 32},
                                {.past = 130, .future = 20, .batch = 1}}) {
    const Case test = decoder_case(s, 12);
    EXPECT_LT(worst(run("TftDecoder", test).outputs[0], decoder_expected(s, test)), 2e-5) << s.past;
  }
}

TEST(DecoderTest, StepsThatASeriesDoesNotHaveAreNotAttendedToOnACpu) {
  const DecoderSizes s{.past = 40, .future = 18, .batch = 5, .absent = {0, 1, 16, 33, 39}};
  const Case test = decoder_case(s, 18);
  if (subject_processor() == Processor::GPU)
    EXPECT_EQ(make_operator("TftDecoder", test.attributes)->misfit(test.shapes(), Processor::GPU),
              "windows are of several lengths, which the kernels do not take");
  else
    for (const int causal : {0, 1}) {
      DecoderSizes sizes = s;
      sizes.causal = causal;
      const Case one = decoder_case(sizes, 19);
      EXPECT_LT(worst(run("TftDecoder", one).outputs[0], decoder_expected(sizes, one)), 2e-5);
    }
}

TEST(DecoderTest, HeadsOf32UnitsAgreeOnACpu) {
  if (subject_processor() == Processor::GPU || H % 32 != 0) return;
  const DecoderSizes s{.past = 21, .future = 19, .heads = 1};
  const Case test = decoder_case(s, 16);
  EXPECT_LT(worst(run("TftDecoder", test).outputs[0], decoder_expected(s, test)), 2e-5);
}

TEST(DecoderTest, ManyRowsUseTheOtherKernelAndAgreeToo) {
  const DecoderSizes s{.past = 13, .future = 6, .batch = 7};
  const Case test = decoder_case(s, 13);
  const Outcome outcome = run("TftDecoder", test, 2);
  expect_kernels(outcome, {"tft_enrich_8", "tft_attend_4_4"});
  EXPECT_LT(worst(outcome.outputs[0], decoder_expected(s, test)), 2e-5);
}

TEST(DecoderTest, ANaNStaysInItsSeries) {
  Case test = decoder_case({}, 14);
  test.inputs[0].values[H] = std::numeric_limits<float>::quiet_NaN();  // the first step of the second series
  const auto out = run("TftDecoder", test).outputs[0];
  for (std::size_t i = 0; i < out.size(); ++i) EXPECT_EQ(std::isnan(out[i]), i / 7 % 2 == 1) << i;
}

TEST(DecoderTest, UnsupportedSizesAreReported) {
  Case test = decoder_case({}, 15);
  test.attributes["heads"] = 7;
  const auto op = make_operator("TftDecoder", test.attributes);
  EXPECT_EQ(op->misfit(test.shapes(), Processor::CPU),
            "7 attention heads, and the kernels are for heads of 4, 8, 16 and 32 units");
  if (H == 32) {
    EXPECT_EQ(op->misfit(test.shapes(), Processor::GPU),
              "7 attention heads, and the kernels are for 2, 4 and 8");
  }
}

// ----------------------------------------------------------------------------------------------------- table

TEST(OperatorsTest, AnUnknownNameOrAMissingAttributeIsRefused) {
  EXPECT_EQ(make_operator("Conv", {}), nullptr);
  EXPECT_EQ(make_operator("TftDecoder", {{"heads", 8}}), nullptr);
  for (const std::string_view name : operator_names()) {
    Attributes attributes;
    for (const std::string_view attribute : attribute_names(name)) attributes.emplace(attribute, 1);
    const auto made = make_operator(name, attributes);
    ASSERT_NE(made, nullptr);
    EXPECT_EQ(made->name(), name);
  }
}

}  // namespace
}  // namespace tft::plugins
