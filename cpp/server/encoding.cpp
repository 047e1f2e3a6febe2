// Packs and unpacks with zlib and brotli.
#include "server/encoding.h"

#include <brotli/decode.h>
#include <brotli/encode.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <memory>

namespace tft::server {
namespace {

constexpr std::size_t kBlock = 64 * 1024;
constexpr int kGzipWindow = 15 + 16;
constexpr int kZlibWindow = 15;

std::string trimmed_lower(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  std::string out(text.substr(begin, text.find_last_not_of(" \t") - begin + 1));
  for (char& byte : out)
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte - 'A' + 'a');
  return out;
}

HttpError damaged(Encoding encoding) {
  return {Code::HTTP_ENCODING, "the body is not valid " + std::string(name_of(encoding))};
}

/// Collects unpacked bytes within the limits.
class Output {
 public:
  Output(std::size_t most, Holding& holding) : most_(most), holding_(holding) {}
  void add(const void* bytes, std::size_t count) {
    if (bytes_.size() + count > most_) throw too_large(most_);
    if (bytes_.size() + count > bytes_.capacity()) {
      const std::size_t before = bytes_.capacity();
      const std::size_t capacity = std::max(bytes_.size() + count, before * 2);
      holding_.take(static_cast<std::int64_t>(capacity));
      bytes_.reserve(capacity);
      holding_.give(static_cast<std::int64_t>(before));
    }
    bytes_.append(static_cast<const char*>(bytes), count);
  }
  std::string take() { return std::move(bytes_); }

 private:
  const std::size_t most_;
  Holding& holding_;
  std::string bytes_;
};

void inflate_into(Output& out, std::string_view packed, Encoding encoding) {
  z_stream stream{};
  if (inflateInit2(&stream, encoding == Encoding::GZIP ? kGzipWindow : kZlibWindow) != Z_OK)
    throw damaged(encoding);
  const std::unique_ptr<z_stream, decltype(&inflateEnd)> ended(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::array<Bytef, kBlock> block;
  int status = Z_OK;
  while (status != Z_STREAM_END) {
    stream.next_out = block.data();
    stream.avail_out = block.size();
    status = inflate(&stream, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END) throw damaged(encoding);
    out.add(block.data(), block.size() - stream.avail_out);
  }
  // Data after the end of the compressed body is invalid.
  if (stream.avail_in > 0) throw damaged(encoding);
}

void unbrotli_into(Output& out, std::string_view packed) {
  const std::unique_ptr<BrotliDecoderState, decltype(&BrotliDecoderDestroyInstance)> state(
      BrotliDecoderCreateInstance(nullptr, nullptr, nullptr), BrotliDecoderDestroyInstance);
  const auto* in = reinterpret_cast<const std::uint8_t*>(packed.data());
  std::size_t in_left = packed.size();
  std::array<std::uint8_t, kBlock> block;
  BrotliDecoderResult result = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
  while (result == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) {
    std::uint8_t* next = block.data();
    std::size_t room = block.size();
    result = BrotliDecoderDecompressStream(state.get(), &in_left, &in, &room, &next, nullptr);
    out.add(block.data(), block.size() - room);
  }
  if (result != BROTLI_DECODER_RESULT_SUCCESS || in_left > 0) throw damaged(Encoding::BR);
}

std::string deflate_all(std::string_view bytes, int window) {
  constexpr int FASTEST = 1;
  constexpr int MEMORY = 8;
  z_stream stream{};
  if (deflateInit2(&stream, FASTEST, Z_DEFLATED, window, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
    throw HttpError(Code::HTTP_INTERNAL, "the answer cannot be compressed");
  const std::unique_ptr<z_stream, decltype(&deflateEnd)> ended(&stream, deflateEnd);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  return out;
}

}  // namespace

std::optional<Encoding> encoding_of(std::optional<std::string_view> header) {
  const std::string name = trimmed_lower(header.value_or(""));
  if (name.empty() || name == "identity") return std::nullopt;
  if (name == "gzip" || name == "x-gzip") return Encoding::GZIP;
  if (name == "deflate") return Encoding::DEFLATE;
  if (name == "br") return Encoding::BR;
  throw HttpError(Code::HTTP_ENCODING,
                  "Content-Encoding '" + std::string(header->substr(0, 40)) +
                      "' is not supported; gzip, deflate, br and identity are",
                  415);
}

std::optional<Encoding> preferred_encoding(std::optional<std::string_view> accepted) {
  if (!accepted) return std::nullopt;
  std::map<std::string, double> qualities;
  const std::string text = trimmed_lower(*accepted);
  constexpr int MOST = 16;
  std::size_t from = 0;
  for (int items = 0; items < MOST && from <= text.size(); ++items) {
    const std::size_t end = std::min(text.find(',', from), text.size());
    const std::string_view item = std::string_view(text).substr(from, end - from);
    from = end + 1;
    const std::size_t semicolon = item.find(';');
    double quality = 1;
    if (const std::size_t at = item.find("q=");
        semicolon != std::string_view::npos && at != std::string_view::npos) {
      quality = 0;
      std::from_chars(item.data() + at + 2, item.data() + item.size(), quality);
    }
    qualities[trimmed_lower(item.substr(0, semicolon))] = quality;
  }
  std::optional<Encoding> best;
  double most = 0;
  for (const Encoding encoding : {Encoding::GZIP, Encoding::BR, Encoding::DEFLATE}) {
    auto found = qualities.find(std::string(name_of(encoding)));
    if (found == qualities.end()) found = qualities.find("*");
    if (found == qualities.end() || found->second <= most) continue;
    most = found->second;
    best = encoding;
  }
  return best;
}

std::string_view name_of(Encoding encoding) {
  switch (encoding) {
    case Encoding::GZIP:
      return "gzip";
    case Encoding::BR:
      return "br";
    case Encoding::DEFLATE:
      return "deflate";
  }
  return "gzip";
}

std::string unpack(std::string_view packed, Encoding encoding, std::size_t most, Holding& holding) {
  Output out(most, holding);
  if (encoding == Encoding::BR)
    unbrotli_into(out, packed);
  else
    inflate_into(out, packed, encoding);
  return out.take();
}

std::string pack(std::string_view bytes, Encoding encoding) {
  if (encoding != Encoding::BR)
    return deflate_all(bytes, encoding == Encoding::GZIP ? kGzipWindow : kZlibWindow);
  constexpr int FASTEST = 1;
  std::string out(BrotliEncoderMaxCompressedSize(bytes.size()), '\0');
  std::size_t size = out.size();
  if (BrotliEncoderCompress(FASTEST, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_TEXT, bytes.size(),
                            reinterpret_cast<const std::uint8_t*>(bytes.data()), &size,
                            reinterpret_cast<std::uint8_t*>(out.data())) != BROTLI_TRUE)
    throw HttpError(Code::HTTP_INTERNAL, "the answer cannot be compressed");
  out.resize(size);
  return out;
}

HttpError too_large(std::size_t most) {
  return {Code::HTTP_TOO_LARGE, "the body is larger than " + std::to_string(most) +
                                    " bytes; send several requests or raise maxBodyBytes"};
}

}  // namespace tft::server
