#pragma once

/// @file
/// Errors that read: what was expected, what was found, and where.

#include <fmt/core.h>
#include <fmt/format.h>
#include <fmt/ranges.h>  // fmt::join lives here since fmt 11

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace serpette {

/// Any refusal of bad input. The message reads `place: what should be …, got …`; programs print it
/// and end with exit status 2.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Raises Error `place: message`.
/// @param place  file, file:line, layer or option the message is about.
template <class... Args>
[[noreturn]] void fail(std::string_view place, fmt::format_string<Args...> message,
                       Args&&... args) {
  throw Error(fmt::format("{}: {}", place, fmt::format(message, std::forward<Args>(args)...)));
}

/// Raises Error `place: message` unless `condition` holds.
template <class... Args>
void require(bool condition, std::string_view place, fmt::format_string<Args...> message,
             Args&&... args) {
  if (!condition) fail(place, message, std::forward<Args>(args)...);
}

}  // namespace serpette
