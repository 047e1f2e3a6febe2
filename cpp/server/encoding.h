// Compression of bodies: gzip, deflate and br.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "server/budget.h"

namespace tft::server {

enum class Encoding { GZIP, BR, DEFLATE };

/// What a request's Content-Encoding says; nothing for an uncompressed body. Throws HTTP_ENCODING.
std::optional<Encoding> encoding_of(std::optional<std::string_view> header);

/// The encoding with the client's highest quality value; among equals the first of the enumeration.
std::optional<Encoding> preferred_encoding(std::optional<std::string_view> accepted);

std::string_view name_of(Encoding encoding);

/// Throws HTTP_ENCODING for damaged data, HTTP_TOO_LARGE beyond `most` bytes, HTTP_OVERLOADED.
std::string unpack(std::string_view packed, Encoding encoding, std::size_t most, Holding& holding);

/// At the fastest level: latency matters more than size.
std::string pack(std::string_view bytes, Encoding encoding);

/// The error for a body over its limit.
HttpError too_large(std::size_t most);

}  // namespace tft::server
