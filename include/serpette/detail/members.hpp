#pragma once

#include <cstddef>
#include <string_view>
#include <tuple>

namespace serpette::detail {

/// Converts to anything: counts the members of an aggregate by how many of these it can be braced
/// from.
struct Anything {
  template <class T>
  operator T() const;  // NOLINT(google-explicit-constructor): the conversion is its purpose
};

template <class T, class... Fields>
consteval std::size_t count_members() {
  if constexpr (requires { T{Fields{}..., Anything{}}; })
    return count_members<T, Fields..., Anything>();
  else
    return sizeof...(Fields);
}

/// The public members of an aggregate of up to ten, as a tuple of references.
template <class T>
auto members(const T& value) {
  constexpr auto n = count_members<T>();
  static_assert(
      n <= 10,
      "serpette::settings_text reads aggregates of up to ten members; give this type `describe()`");
  // clang-format off
  if constexpr (n == 0) return std::tie();
  else if constexpr (n == 1) { const auto& [a] = value; return std::tie(a); }
  else if constexpr (n == 2) { const auto& [a, b] = value; return std::tie(a, b); }
  else if constexpr (n == 3) { const auto& [a, b, c] = value; return std::tie(a, b, c); }
  else if constexpr (n == 4) { const auto& [a, b, c, d] = value; return std::tie(a, b, c, d); }
  else if constexpr (n == 5) { const auto& [a, b, c, d, e] = value; return std::tie(a, b, c, d, e); }
  else if constexpr (n == 6) { const auto& [a, b, c, d, e, f] = value; return std::tie(a, b, c, d, e, f); }
  else if constexpr (n == 7) { const auto& [a, b, c, d, e, f, g] = value; return std::tie(a, b, c, d, e, f, g); }
  else if constexpr (n == 8) { const auto& [a, b, c, d, e, f, g, h] = value; return std::tie(a, b, c, d, e, f, g, h); }
  else if constexpr (n == 9) { const auto& [a, b, c, d, e, f, g, h, i] = value; return std::tie(a, b, c, d, e, f, g, h, i); }
  else { const auto& [a, b, c, d, e, f, g, h, i, j] = value; return std::tie(a, b, c, d, e, f, g, h, i, j); }
  // clang-format on
}

/// The name of a member, from a pointer to it.
template <auto Member>
consteval std::string_view member_name() {
  // GCC: "… [with auto Member = &serpette::Pgd::epsilon; …]"; Clang: "… [Member = &…::epsilon]"
  std::string_view text = __PRETTY_FUNCTION__;
  text.remove_prefix(text.find("Member = "));
  text = text.substr(0, text.find_first_of(";]"));
  return text.substr(text.rfind(':') + 1);
}

}  // namespace serpette::detail
