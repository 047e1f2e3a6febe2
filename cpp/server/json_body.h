// Splits a JSON body: the arrays of numbers, which may be megabytes, are read by json_numbers; the rest, a
// few hundred bytes, is parsed by simdjson, which checks it strictly.
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/budget.h"
#include "server/json_numbers.h"

namespace tft::server {

/// The limits of a body.
struct JsonRules {
  /// The keys whose values are arrays of numbers, at any depth.
  std::vector<std::string> keys;
  std::size_t max_arrays = 0;
  std::size_t max_numbers = 0;  // in one array
  std::string expected;         // the expected keys, for messages
};

/// A JSON object's members that are not null: clients write null for what they have not got.
class JsonObject {
 public:
  /// Throws HTTP_BODY unless `element` is an object. `what`: its name in messages.
  JsonObject(simdjson::dom::element element, const std::string& what);

  std::optional<simdjson::dom::element> get(std::string_view key) const;
  const std::map<std::string_view, simdjson::dom::element>& members() const { return members_; }

 private:
  std::map<std::string_view, simdjson::dom::element> members_;
};

/// A parsed body. Each array of numbers is in `arrays`, and its place in `root` has its index.
struct JsonBody {
  std::unique_ptr<simdjson::dom::parser> parser;  // has the memory of `root`
  simdjson::dom::element root;
  std::vector<NumberArray> arrays;

  /// The array whose index is in `place`; null if that is no index.
  const NumberArray* array_at(std::optional<simdjson::dom::element> place) const;
};

/// Throws HTTP_BODY, INPUT_VALUE, HTTP_TOO_LARGE, HTTP_OVERLOADED.
JsonBody parse_body(std::string_view text, const JsonRules& rules, Holding& holding);

/// A value of a request as JSON, shortened for a message; 'missing' if there is none.
std::string shown(std::optional<simdjson::dom::element> value);

}  // namespace tft::server
