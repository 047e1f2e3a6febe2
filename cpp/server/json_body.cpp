// Finds the arrays of numbers in a body, and parses the rest.
#include "server/json_body.h"

#include <algorithm>
#include <sstream>

namespace tft::server {
namespace {

/// The size limit of everything that is not numbers.
constexpr std::size_t kMaxTextBytes = 64 * 1024;

HttpError too_much_text() {
  return {Code::HTTP_TOO_LARGE,
          "the body has more than " + std::to_string(kMaxTextBytes) + " bytes besides its numbers"};
}

bool is_space(char byte) { return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t'; }

bool is_blank(std::string_view text) { return std::all_of(text.begin(), text.end(), is_space); }

class Splitter {
 public:
  Splitter(std::string_view text, const JsonRules& rules, Holding& holding)
      : text_(text), rules_(rules), holding_(holding) {}

  /// The text with each array replaced by its index.
  std::string split(std::vector<NumberArray>& arrays) {
    if (text_.starts_with("\xEF\xBB\xBF")) from_ = at_ = 3;  // a byte order mark is not part of the text
    while (at_ < text_.size()) {
      if (rest_.size() + at_ - from_ > kMaxTextBytes)
        throw array_.empty() ? too_much_text() : unknown_array();
      if (text_[at_++] != '"') continue;
      const std::size_t start = at_;
      at_ = end_of_string(at_);
      const std::size_t colon = skip_space(at_);
      if (byte_at(colon) != ':') continue;
      const std::string key = key_of(text_.substr(start, at_ - 1 - start));
      at_ = skip_space(colon + 1);
      if (std::find(rules_.keys.begin(), rules_.keys.end(), key) == rules_.keys.end()) {
        if (byte_at(at_) == '[') array_ = key;
        continue;
      }
      if (byte_at(at_) == 'n') continue;  // null
      if (byte_at(at_) != '[') throw bad_body("'" + key + "' must be an array of numbers");
      take(at_);
      if (arrays.size() == rules_.max_arrays)
        throw bad_body("there are more than " + std::to_string(rules_.max_arrays) + " arrays called '" + key +
                       "' and the like");
      arrays.push_back(read_number_array(text_, at_, "'" + key + "'", rules_.max_numbers, holding_));
      // Blanks, so that adjacent text does not become a part of the number.
      rest_ += " " + std::to_string(arrays.size() - 1) + " ";
      from_ = at_ = arrays.back().end;
    }
    take(at_);
    return std::move(rest_);
  }

 private:
  char byte_at(std::size_t at) const { return at < text_.size() ? text_[at] : '\0'; }

  void take(std::size_t end) {
    if (end - from_ > kMaxTextBytes) throw too_much_text();
    const std::string_view part = text_.substr(from_, end - from_);
    if (!simdjson::validate_utf8(part.data(), part.size())) throw bad_body("the body is not UTF-8");
    rest_ += part;
  }

  /// The index after a string's closing quote.
  std::size_t end_of_string(std::size_t start) const {
    const std::size_t end = std::min(text_.size(), start + kMaxTextBytes);
    for (std::size_t at = start; at < end; ++at) {
      if (text_[at] == '\\')
        ++at;
      else if (text_[at] == '"')
        return at + 1;
    }
    if (end < text_.size()) throw too_much_text();
    throw bad_body("the body ends inside a string");
  }

  std::size_t skip_space(std::size_t start) const {
    std::size_t at = start;
    while (at < text_.size() && is_space(text_[at]))
      if (++at > start + kMaxTextBytes) throw too_much_text();
    return at;
  }

  /// A key may be written with escapes.
  static std::string key_of(std::string_view raw) {
    if (raw.find('\\') == std::string_view::npos) return std::string(raw);
    simdjson::dom::parser parser;
    std::string_view key;
    if (parser.parse(simdjson::padded_string("\"" + std::string(raw) + "\"")).get(key) != simdjson::SUCCESS)
      throw bad_body("the body is not JSON");
    return std::string(key);
  }

  /// The error for arrays of numbers under unknown names, instead of one about their size.
  HttpError unknown_array() const {
    return bad_body("'" + array_.substr(0, 40) + "' is unknown; " + rules_.expected + " are expected");
  }

  const std::string_view text_;
  const JsonRules& rules_;
  Holding& holding_;
  std::size_t at_ = 0;
  std::size_t from_ = 0;  // the first byte that is not in rest_
  std::string rest_;
  std::string array_;  // the key of the last array that is not one of the rules'
};

}  // namespace

JsonObject::JsonObject(simdjson::dom::element element, const std::string& what) {
  simdjson::dom::object object;
  if (element.get(object) != simdjson::SUCCESS) throw bad_body(what + " must be an object");
  for (const auto& [key, value] : object) {
    if (value.is_null())
      members_.erase(key);
    else
      members_.insert_or_assign(key, value);  // of members of one name the last counts
  }
}

std::optional<simdjson::dom::element> JsonObject::get(std::string_view key) const {
  const auto found = members_.find(key);
  if (found == members_.end()) return std::nullopt;
  return found->second;
}

const NumberArray* JsonBody::array_at(std::optional<simdjson::dom::element> place) const {
  std::uint64_t index = 0;
  if (!place || place->get(index) != simdjson::SUCCESS || index >= arrays.size()) return nullptr;
  return &arrays[index];
}

JsonBody parse_body(std::string_view text, const JsonRules& rules, Holding& holding) {
  JsonBody body;
  const std::string rest = Splitter(text, rules, holding).split(body.arrays);
  body.parser = std::make_unique<simdjson::dom::parser>();
  if (body.parser->parse(rest).get(body.root) != simdjson::SUCCESS)
    throw bad_body(is_blank(rest) ? "the body is empty; JSON is expected" : "the body is not JSON");
  return body;
}

std::string shown(std::optional<simdjson::dom::element> value) {
  if (!value) return "missing";
  std::ostringstream out;
  out << simdjson::minify(*value);
  return out.str().substr(0, 80);
}

}  // namespace tft::server
