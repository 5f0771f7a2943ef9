#pragma once

/// @file
/// Errors that read: what was expected, what was found, and where.

#include <fmt/core.h>
#include <fmt/format.h>
#include <fmt/ranges.h>  // fmt::join lives here since fmt 11

#include <concepts>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace serpette {

namespace detail {
/// What a message quotes may be a whole file; people read the beginning and the end.
inline std::string shortened(std::string text) {
  constexpr std::size_t kLongest = 4000, kEnd = 400;
  if (text.size() <= kLongest) return text;
  const auto whole = [&](std::size_t at) {  // the next byte that begins a UTF-8 character
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
    return at;
  };
  const auto begin = whole(kLongest - kEnd), end = whole(text.size() - kEnd);
  return fmt::format("{} […] {}", text.substr(0, begin), text.substr(end));
}
}  // namespace detail

/// Any refusal of bad input. The message reads `place: what should be …, got …`; programs print it
/// and end with exit status 2.
class Error : public std::runtime_error {
 public:
  explicit Error(std::string message) : std::runtime_error(detail::shortened(std::move(message))) {}
};

/// Raises an Error, or the kind `E` of one, `place: message`.
/// @param place  file, file:line, layer or option the message is about.
template <std::derived_from<Error> E = Error, class... Args>
[[noreturn]] void fail(std::string_view place, fmt::format_string<Args...> message,
                       Args&&... args) {
  throw E(fmt::format("{}: {}", place, fmt::format(message, std::forward<Args>(args)...)));
}

/// Raises the same unless `condition` holds.
template <std::derived_from<Error> E = Error, class... Args>
void require(bool condition, std::string_view place, fmt::format_string<Args...> message,
             Args&&... args) {
  if (!condition) fail<E>(place, message, std::forward<Args>(args)...);
}

}  // namespace serpette
