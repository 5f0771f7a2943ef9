#pragma once

#include <fmt/format.h>

#include <concepts>
#include <string>
#include <string_view>

namespace serpette {

/// So many of something, as people write it: "1 box", "0 boxes", "12 images".
std::string counted(std::integral auto n, std::string_view noun) {
  const bool hisses = noun.ends_with('s') || noun.ends_with('x');
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : hisses ? "es" : "s");
}

}  // namespace serpette
