// Result<T>: a value or an Error. The core throws nothing.
#pragma once

#include <cassert>
#include <optional>
#include <utility>
#include <variant>

#include "tft/error.h"

namespace tft {

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  Result(Error error)
      : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return *held(); }
  const T& value() const& { return *held(); }
  T&& value() && { return std::move(*held()); }
  T* operator->() { return held(); }
  const T* operator->() const { return held(); }
  T& operator*() { return *held(); }
  const T& operator*() const { return *held(); }

  /// Only when not ok().
  const Error& error() const {
    assert(!ok());
    return *std::get_if<1>(&state_);
  }

 private:
  T* held() {
    assert(ok());
    return std::get_if<0>(&state_);
  }
  const T* held() const {
    assert(ok());
    return std::get_if<0>(&state_);
  }

  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    assert(error_);
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

}  // namespace tft
