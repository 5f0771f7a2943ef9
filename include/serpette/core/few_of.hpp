#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>

namespace serpette {

/// The first of many names, for a message that stays one line: "a, b, c, …".
inline std::string few_of(std::span<const std::string> names, std::size_t few = 3) {
  return fmt::format("{}{}", fmt::join(names.first(std::min(few, names.size())), ", "),
                     names.size() > few ? ", …" : "");
}

}  // namespace serpette
