// A growing block of memory whose new bytes are not set: bodies are megabytes.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <string_view>

namespace tft::server {

class Bytes {
 public:
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  char* end() { return memory_.get() + size_; }
  std::string_view view() const { return {memory_.get(), size_}; }
  /// Counts bytes that were written behind the end.
  void added(std::size_t count) { size_ += count; }
  void reserve(std::size_t capacity) {
    if (capacity <= capacity_) return;
    // The C library moves the pages of large blocks, and copies nothing.
    void* const larger = std::realloc(memory_.get(), capacity);
    if (larger == nullptr) throw std::bad_alloc();
    (void)memory_.release();  // realloc has freed it
    memory_.reset(static_cast<char*>(larger));
    capacity_ = capacity;
  }

 private:
  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };
  std::unique_ptr<char, Free> memory_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace tft::server
