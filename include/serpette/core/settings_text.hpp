#pragma once

#include <fmt/core.h>

#include <cstddef>
#include <ranges>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace serpette {

namespace detail {

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
      "serpette::settings_text reads aggregates of up to ten members; give this type `settings()`");
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

}  // namespace detail

/// Every setting of a policy as one line, e.g. `PGD{0.05,0.02,5,0}`: what checkpoints and cells are
/// keyed by, so two configurations never share a result. Aggregates are read member by member,
/// ranges element by element, a variant as what it holds; any other type offers `settings()`.
template <class T>
std::string settings_text(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return fmt::format("{}", static_cast<long long>(value));
  } else if constexpr (std::is_arithmetic_v<T>) {
    return fmt::format("{}", value);
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    return fmt::format("\"{}\"", std::string_view(value));
  } else if constexpr (requires { std::string(value.settings()); }) {
    return value.settings();
  } else if constexpr (std::ranges::range<const T>) {
    std::string text;
    for (const auto& element : value) text += (text.empty() ? "" : ",") + settings_text(element);
    return '[' + text + ']';
  } else if constexpr (requires { std::variant_size<T>::value; }) {
    return std::visit(
        [&](const auto& held) { return fmt::format("{}:{}", value.index(), settings_text(held)); },
        value);
  } else {
    static_assert(std::is_aggregate_v<T>,
                  "a policy with private members offers `std::string settings() const`");
    std::string text;
    if constexpr (requires { std::string_view(T::name); })
      text = std::string(std::string_view(T::name));
    text += '{';
    std::apply(
        [&](const auto&... member) {
          std::size_t index = 0;
          ((text += (index++ ? "," : "") + settings_text(member)), ...);
        },
        detail::members(value));
    return text + '}';
  }
}

}  // namespace serpette
