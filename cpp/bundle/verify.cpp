// Compares a file of a bundle with what model.json says of it.
#include <openssl/evp.h>

#include <array>
#include <fstream>
#include <memory>

#include "bundle/model.h"

namespace tft::bundle {
namespace {

std::string sha256(std::ifstream& file, std::size_t& bytes) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  std::array<char, 64 * 1024> block;
  while (file) {
    file.read(block.data(), block.size());
    const auto count = static_cast<std::size_t>(file.gcount());
    EVP_DigestUpdate(context.get(), block.data(), count);
    bytes += count;
  }
  std::array<unsigned char, 32> digest;
  EVP_DigestFinal_ex(context.get(), digest.data(), nullptr);
  std::string text;
  for (const unsigned char byte : digest) {
    constexpr const char* DIGITS = "0123456789abcdef";
    text += DIGITS[byte >> 4];
    text += DIGITS[byte & 15];
  }
  return text;
}

}  // namespace

Result<void> verify_onnx(const Model& model) {
  std::ifstream file(model.onnx, std::ios::binary);
  if (!file) return Error{ErrorCode::MODEL_NOT_FOUND, "no model at " + model.onnx};
  std::size_t bytes = 0;
  const std::string hash = sha256(file, bytes);
  if (bytes == model.onnx_bytes && hash == model.onnx_sha256) return {};
  return Error{ErrorCode::MODEL_HASH, model.onnx + " is not the file that model.json describes: found " +
                                          std::to_string(bytes) + " bytes, " + hash + ", expected " +
                                          std::to_string(model.onnx_bytes) + " bytes, " + model.onnx_sha256 +
                                          "; copy or export the bundle again"};
}

}  // namespace tft::bundle
