// The table of error codes.
#include "server/http_error.h"

#include <array>
#include <cstddef>

namespace tft::server {
namespace {

struct Row {
  std::string_view name;
  int status;
};

constexpr std::array kRows = {
#define TFT_ERROR(name, status) Row{"ERR_TFT_" #name, status},
#include "server/error_codes.inc"
#undef TFT_ERROR
};

constexpr int kRetrySeconds = 1;

}  // namespace

std::string_view name_of(Code code) { return kRows[static_cast<std::size_t>(code)].name; }

int status_of(Code code) { return kRows[static_cast<std::size_t>(code)].status; }

HttpError from_engine(const Error& error) {
  const std::string_view name = code_name(error.code);
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].name != name) continue;
    return {static_cast<Code>(i), error.message, 0, kRows[i].status == 503 ? kRetrySeconds : 0};
  }
  return {Code::RUN, error.message};
}

}  // namespace tft::server
