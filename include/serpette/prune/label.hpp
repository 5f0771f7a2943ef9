#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace serpette {

/// A name made of parts when a program is compiled: `Label("", 2, ":", 4)` reads "2:4",
/// `Label("Structured", " and ", "Unstructured")` what it says.
class Label {
 public:
  constexpr Label(std::string_view first, std::string_view between, std::string_view second) {
    add(first);
    add(between);
    add(second);
  }
  constexpr Label(std::string_view before, int first, std::string_view between, int second) {
    add(before);
    add(first);
    add(between);
    add(second);
  }
  constexpr operator std::string_view() const { return {text_.data(), size_}; }  // NOLINT

 private:
  constexpr void add(std::string_view text) {
    for (const char c : text) text_.at(size_++) = c;
  }
  constexpr void add(int number) {
    if (number >= 10) add(number / 10);
    text_.at(size_++) = static_cast<char>('0' + number % 10);
  }

  std::array<char, 96> text_{};
  std::size_t size_ = 0;
};

}  // namespace serpette
