// The parser of arrays of numbers. Its rules and messages are those of the Node service.
#include "server/json_numbers.h"

#include <algorithm>
#include <charconv>

namespace tft::server {
namespace {

/// The deepest nesting that is read; tensors have less.
constexpr int kMaxDepth = 8;
constexpr std::size_t kFirstCapacity = 1024;
/// The bytes of a number while it is read, plus those of its float32 or int32.
constexpr std::int64_t kBytesEach = 8 + 4;
/// The longest double, with every digit written out, has about 1,080 characters.
constexpr std::size_t kLongest = 1100;

/// 10^0 … 10^22: the powers of ten that a double holds exactly.
constexpr std::array kPowers = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }
bool is_space(char byte) { return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t'; }

class Reader {
 public:
  Reader(std::string_view text, std::size_t start, const std::string& name, std::size_t most,
         Holding& holding)
      : text_(text), at_(start + 1), name_(name), most_(most), holding_(holding) {
    grow(kFirstCapacity);
    sizes_.fill(-1);
  }

  NumberArray read() {
    while (at_ < text_.size()) {
      const char byte = text_[at_];
      if (is_space(byte)) {
        ++at_;
      } else if (state_ == State::AFTER_VALUE) {
        ++at_;
        if (byte == ',') {
          state_ = State::AFTER_COMMA;
        } else if (byte != ']') {
          throw unexpected(at_ - 1);
        } else if (close()) {
          return result();
        }
      } else if (byte == '[') {
        open();
      } else if (byte == ']' && state_ == State::AFTER_OPEN) {
        ++at_;
        if (close()) return result();
      } else {
        number();
      }
    }
    throw bad_body("the body ends inside " + name_);
  }

 private:
  enum class State { AFTER_OPEN, AFTER_COMMA, AFTER_VALUE };

  NumberArray result() {
    NumberArray array;
    for (int depth = 1; depth <= std::max(leaf_, 1); ++depth)
      array.shape.push_back(std::max<std::int64_t>(sizes_[static_cast<std::size_t>(depth)], 0));
    array.values = std::move(values_);
    array.end = at_;
    return array;
  }

  void open() {
    if (depth_ == kMaxDepth)
      throw bad_body(name_ + ": arrays are nested deeper than " + std::to_string(kMaxDepth));
    if (leaf_ != 0 && depth_ >= leaf_) throw uneven();
    ++at_;
    ++count();
    ++depth_;
    count() = 0;
    state_ = State::AFTER_OPEN;
  }

  /// Closes a bracket. Returns whether it was the outermost.
  bool close() {
    std::int64_t& size = sizes_[static_cast<std::size_t>(depth_)];
    if (size == -1)
      size = count();
    else if (size != count())
      throw uneven();
    state_ = State::AFTER_VALUE;
    return --depth_ == 0;
  }

  char byte_at(std::size_t at) const { return at < text_.size() ? text_[at] : '\0'; }

  void number() {
    if (leaf_ == 0)
      leaf_ = depth_;
    else if (leaf_ != depth_)
      throw uneven();
    const std::size_t start = at_;
    const std::size_t limit = start + kLongest;
    std::size_t at = start;
    const bool negative = byte_at(at) == '-';
    if (negative) ++at;
    std::uint64_t mantissa = 0;
    int digits = 0;
    int exponent = 0;
    const auto take_digit = [&] {
      if (digits < 19) mantissa = mantissa * 10 + static_cast<std::uint64_t>(text_[at] - '0');
      if (mantissa != 0) ++digits;
      ++at;
    };
    if (byte_at(at) == '0') {
      ++at;
    } else {
      if (!is_digit(byte_at(at))) throw unexpected(start);
      do {
        take_digit();
      } while (is_digit(byte_at(at)) && at < limit);
    }
    if (byte_at(at) == '.') {
      ++at;
      if (!is_digit(byte_at(at))) throw unexpected(at);
      do {
        take_digit();
        --exponent;
      } while (is_digit(byte_at(at)) && at < limit);
    }
    bool simple = digits <= 15;
    if (byte_at(at) == 'e' || byte_at(at) == 'E') {
      ++at;
      const bool down = byte_at(at) == '-';
      if (down || byte_at(at) == '+') ++at;
      if (!is_digit(byte_at(at))) throw unexpected(at);
      int written = 0;
      do {
        if (written < 10'000) written = written * 10 + (text_[at] - '0');
        ++at;
      } while (is_digit(byte_at(at)) && at < limit);
      exponent += down ? -written : written;
    }
    if (at >= limit) throw too_long();
    at_ = at;
    simple = simple && exponent >= -22 && exponent <= 22;
    if (simple) {
      // Exact: both factors are doubles, and one operation rounds once (Clinger 1990).
      const auto whole = static_cast<double>(mantissa);
      const double size = exponent < 0 ? whole / kPowers[static_cast<std::size_t>(-exponent)]
                                       : whole * kPowers[static_cast<std::size_t>(exponent)];
      return keep(negative ? -size : size);
    }
    double value = 0;
    const auto [end, problem] = std::from_chars(text_.data() + start, text_.data() + at, value);
    if (problem == std::errc::result_out_of_range) {
      // Too large for a double, or too small.
      const double limit_value = exponent + digits > 0 ? HUGE_VALUE : 0.0;
      value = negative ? -limit_value : limit_value;
    }
    keep(value);
  }

  void keep(double value) {
    if (values_.size() == values_.capacity()) {
      if (values_.size() >= most_)
        throw HttpError(Code::HTTP_TOO_LARGE,
                        name_ + " has more than the " + std::to_string(most_) +
                            " numbers that one request may have; send several requests");
      grow(std::min(most_, values_.capacity() * 4));
    }
    values_.push_back(value);
    ++count();
    state_ = State::AFTER_VALUE;
  }

  void grow(std::size_t capacity) {
    const auto bytes = [](std::size_t numbers) { return static_cast<std::int64_t>(numbers) * kBytesEach; };
    const std::size_t before = values_.capacity();
    holding_.take(bytes(capacity));
    values_.reserve(capacity);
    holding_.give(bytes(before));
  }

  HttpError unexpected(std::size_t at) const {
    std::string found(text_.substr(std::min(at, text_.size()), 12));
    if (found.empty()) return bad_body("the body ends inside " + name_);
    for (char& byte : found)
      if (byte < ' ' || byte > '~') byte = '?';
    return {Code::INPUT_VALUE, name_ + ": found '" + found + "' where number " +
                                   std::to_string(values_.size()) + " is expected (byte " +
                                   std::to_string(at) +
                                   "); NaN, Infinity, null and strings cannot be forecast from"};
  }

  HttpError too_long() const {
    return {Code::INPUT_VALUE, name_ + ": number " + std::to_string(values_.size()) + " has more than " +
                                   std::to_string(kLongest) + " characters; 17 digits are enough for any"};
  }

  HttpError uneven() const {
    return bad_body(name_ + ": its rows differ in length or depth near number " +
                    std::to_string(values_.size()));
  }

  std::int64_t& count() { return counts_[static_cast<std::size_t>(depth_)]; }

  static constexpr double HUGE_VALUE = __builtin_huge_val();

  const std::string_view text_;
  std::size_t at_;
  const std::string& name_;
  const std::size_t most_;
  Holding& holding_;
  std::vector<double> values_;
  State state_ = State::AFTER_OPEN;
  int depth_ = 1;
  int leaf_ = 0;  // the depth at which the numbers are; 0 before the first one
  /// The number of items so far at each open depth, and the expected number, -1 if it is not known yet.
  std::array<std::int64_t, kMaxDepth + 1> counts_{};
  std::array<std::int64_t, kMaxDepth + 1> sizes_{};
};

}  // namespace

NumberArray read_number_array(std::string_view text, std::size_t start, const std::string& name,
                              std::size_t most, Holding& holding) {
  return Reader(text, start, name, most, holding).read();
}

}  // namespace tft::server
