#pragma once

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <boost/hana/for_each.hpp>
#include <boost/hana/length.hpp>
#include <boost/hana/tuple.hpp>
#include <cmath>
#include <concepts>
#include <functional>
#include <limits>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/core/parse_number.hpp"
#include "serpette/detail/members.hpp"

/// @file
/// Settings with names. A type says once what people can set of it:
///
///     struct Pgd {
///       double epsilon = 0.05;
///       int steps = 5;
///
///       static constexpr auto describe() {
///         return settings(setting<&Pgd::epsilon>("Radius of the ball [pixel value]", at_least(0)),
///                         setting<&Pgd::steps>("Number of steps", at_least(0)));
///       }
///     };
///
/// and from this follow the text that results are kept under (settings_text), the options of the
/// command line with their help and checks (app/setting_options.hpp), the lines of
/// configuration.txt and the tables of the documentation (settings_table.hpp). The name of a
/// setting is its member's, so the two cannot part. Where settings depend on each other, the type
/// has `void check() const` too, which throws Error; where some mean nothing beside what others
/// are, `bool has(std::string_view name) const`, and those it says no to are refused as options of
/// a value that is set so, and no part of its text. Settings that decide stand in front of those
/// they decide about.

namespace serpette {

/// Which numbers a setting may be: finite ones from `least` to `most`.
struct Bounds {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  bool above = false;  ///< `least` itself is too little.

  template <class Number>
  [[nodiscard]] constexpr bool hold(Number x) const {
    const auto value = static_cast<double>(x);
    return (above ? value > least : value >= least) && value <= most;
  }
};

constexpr Bounds at_least(double least) { return {.least = least}; }
constexpr Bounds above(double least, double most) {
  return {.least = least, .most = most, .above = true};
}
constexpr Bounds from_to(double least, double most) { return {.least = least, .most = most}; }

/// A word that people type, and the value of an enumeration that it stands for. An enumeration
/// whose settings can be typed has, in its own namespace, `constexpr auto words(E)`: an array of
/// these.
template <class E>
struct Word {
  std::string_view word;
  E value;
};

template <class E>
concept HasWords = std::is_enum_v<E> && requires(E e) { words(e); };

/// One setting: a member, what it means, and what it may be.
template <auto Member>
struct Setting;
template <class Owner, class T, T Owner::*Member>
struct Setting<Member> {
  using type = T;
  static constexpr std::string_view name = detail::member_name<Member>();

  std::string_view help;  ///< For people: meaning and [unit], from a capital letter, no full stop.
  Bounds bounds{};
  std::string_view option = name;  ///< Its word on the command line, where `_` reads `-`.
  std::array<std::string_view, 5> without{};  ///< Settings of the part that have no effect here.

  [[nodiscard]] constexpr Setting as(std::string_view word) const {
    auto renamed = *this;
    renamed.option = word;
    return renamed;
  }

  static const T& of(const Owner& owner) { return owner.*Member; }
  static T& of(Owner& owner) { return owner.*Member; }
};

template <auto Member>
constexpr Setting<Member> setting(std::string_view help, Bounds bounds = {}) {
  return {help, bounds};
}

/// Settings of a member that has settings of its own.
/// @param prefix   of their options, before a `-`; none if empty.
/// @param without  names of those that have no effect in this place, and so no option.
template <auto Member>
constexpr Setting<Member> part(std::string_view prefix,
                               std::array<std::string_view, 5> without = {}) {
  return {.help = {}, .bounds = {}, .option = prefix, .without = without};
}

/// A description: settings in the order of the members, all of them.
template <class... Each>
constexpr auto settings(Each... each) {
  return boost::hana::make_tuple(each...);
}

/// A type that says what can be set of it.
template <class T>
concept Described = requires { T::describe(); };

namespace detail {
template <Described T>
consteval bool describes_all() {
  constexpr auto described = decltype(boost::hana::length(T::describe()))::value;
  if constexpr (std::is_aggregate_v<T>)
    return described >= count_members<T>();
  else
    return true;
}
}  // namespace detail

/// Every setting of a value that means something as one line, e.g. `PGD{epsilon=0.05,step=0.02,…}`:
/// what checkpoints and cells are keyed by, so two configurations never share a result. An
/// aggregate without a description is read member by member, up to ten of them, without names; any
/// other type offers `std::string settings() const`.
template <class T>
std::string settings_text(const T& value) {
  if constexpr (HasWords<T>) {
    for (const auto& word : words(T{}))
      if (word.value == value) return std::string(word.word);
    return fmt::format("{}", static_cast<long long>(value));
  } else if constexpr (std::is_enum_v<T>) {
    return fmt::format("{}", static_cast<long long>(value));
  } else if constexpr (std::is_arithmetic_v<T>) {
    return fmt::format("{}", value);
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    return fmt::format("\"{}\"", std::string_view(value));
  } else if constexpr (requires { std::string(value.settings()); }) {
    return value.settings();
  } else if constexpr (requires { value.begin() != value.end(); }) {
    std::vector<std::string> each;
    for (const auto& element : value) each.push_back(settings_text(element));
    return fmt::format("[{}]", fmt::join(each, ","));
  } else if constexpr (requires { std::variant_size<T>::value; }) {
    return std::visit(
        [&](const auto& held) { return fmt::format("{}:{}", value.index(), settings_text(held)); },
        value);
  } else {
    std::vector<std::string> each;
    if constexpr (Described<T>) {
      static_assert(detail::describes_all<T>(), "describe() should name every member of the type");
      boost::hana::for_each(T::describe(), [&](const auto& setting) {
        if constexpr (requires { value.has(setting.name); })
          if (!value.has(setting.name)) return;
        each.push_back(fmt::format("{}={}", setting.name, settings_text(setting.of(value))));
      });
    } else {
      static_assert(std::is_aggregate_v<T>,
                    "a policy with private members offers `std::string settings() const`");
      std::apply([&](const auto&... member) { (each.push_back(settings_text(member)), ...); },
                 detail::members(value));
    }
    std::string_view name;
    if constexpr (requires { std::string_view(T::name); }) name = T::name;
    return fmt::format("{}{{{}}}", name, fmt::join(each, ","));
  }
}

/// What a setting of type T may be, in words: `a number from 0 to 1`, `zeros, grey or mean`.
template <class T>
std::string wanted(const Bounds& bounds = {}) {
  if constexpr (HasWords<T>) {
    std::string text;
    constexpr auto all = words(T{});
    for (std::size_t i = 0; i < all.size(); ++i)
      text += fmt::format("{}{}", i == 0 ? "" : i + 1 == all.size() ? " or " : ", ", all[i].word);
    return text;
  } else if constexpr (std::same_as<T, bool>) {
    return "true or false";
  } else if constexpr (std::is_arithmetic_v<T>) {
    constexpr bool whole = std::integral<T>;
    const auto number = [=](double x) {
      return whole ? fmt::format("{}", static_cast<long long>(x)) : fmt::format("{}", x);
    };
    std::string range;
    if (std::isfinite(bounds.least) && std::isfinite(bounds.most))
      range = fmt::format(" {} {} to {}", bounds.above ? "above" : "from", number(bounds.least),
                          number(bounds.most));
    else if (std::isfinite(bounds.least))
      range = fmt::format(" {} {}", bounds.above ? "above" : "of at least", number(bounds.least));
    return (whole ? "a whole number" : "a number") + range;
  } else {
    return "a text";
  }
}

/// Whether people can type a value of this type.
template <class T>
concept Typed = HasWords<T> || std::is_arithmetic_v<T> || std::same_as<T, std::string> ||
                std::same_as<T, std::string_view>;

namespace detail {
/// A text that stays as long as the program runs: what a policy that can be `constexpr` keeps of a
/// line that people typed.
inline std::string_view kept_text(std::string_view text) {
  static std::mutex one_at_a_time;
  static std::set<std::string, std::less<>> kept;
  const std::scoped_lock lock(one_at_a_time);
  return *kept.emplace(text).first;
}
}  // namespace detail

/// Reads what people typed.
/// @param place   what errors call it.
/// @throws Error  if it is no such value, or out of bounds.
template <Typed T>
void read_setting(std::string_view text, T& value, const Bounds& bounds, std::string_view place) {
  bool good = false;
  if constexpr (HasWords<T>) {
    for (const auto& word : words(T{}))
      if (word.word == text) value = word.value, good = true;
  } else if constexpr (std::same_as<T, bool>) {
    good = text == "true" || text == "false";
    value = text == "true";
  } else if constexpr (std::is_arithmetic_v<T>) {
    const auto number = parse_number<T>(text);
    good = number && bounds.hold(*number);
    if (good) value = *number;
  } else if constexpr (std::same_as<T, std::string_view>) {
    value = detail::kept_text(text);
    good = true;
  } else {
    value = text;
    good = true;
  }
  require(good, place, "should be {}, got \"{}\"", wanted<T>(bounds), text);
}

/// The word of an option: `attack-` + `random_start` → `attack-random-start`.
inline std::string option_name(std::string_view prefix, std::string_view name) {
  std::string text(prefix);
  if (!prefix.empty() && !name.empty()) text += '-';
  text += name;
  std::ranges::replace(text, '_', '-');
  return text;
}

/// Which settings of a value are looked at.
enum class Which {
  kAtWork,  ///< Those that mean something beside what the others are (`has`).
  kAll
};

/// Calls `visit(option, setting, value)` for every setting that people can type, those of parts
/// included. A type without a description has none.
/// @param value   may be const.
/// @param prefix  of the options, e.g. "attack".
template <class T, class Visit>
void each_setting(T& value, Visit&& visit, const std::string& prefix = {},
                  Which which = Which::kAtWork) {
  using Type = std::remove_const_t<T>;
  if constexpr (Described<Type>) {
    static_assert(detail::describes_all<Type>(), "describe() should name every member of the type");
    boost::hana::for_each(Type::describe(), [&](const auto& setting) {
      using Member = typename std::remove_cvref_t<decltype(setting)>::type;
      if constexpr (requires { value.has(setting.name); })
        if (which == Which::kAtWork && !value.has(setting.name)) return;
      const auto option = option_name(prefix, setting.option);
      auto& member = setting.of(value);
      if constexpr (Described<Member>) {
        const auto of_part = [&](const std::string& name, const auto& inner, auto& of_inner) {
          if (std::ranges::find(setting.without, inner.name) == setting.without.end())
            visit(name, inner, of_inner);
        };
        each_setting(member, of_part, option, which);
      } else if constexpr (Typed<Member>) {
        visit(option, setting, member);
      }
    });
  }
}

/// What people see and type of a value: words without quotes.
template <Typed T>
std::string typed_text(const T& value) {
  if constexpr (std::is_convertible_v<const T&, std::string_view>)
    return std::string(value);
  else
    return settings_text(value);
}

/// The settings as options, one `--name value` a line: what a changed configuration differs in is
/// then an option that people know.
template <class T>
std::string settings_lines(const T& value, const std::string& prefix = {}) {
  std::string lines;
  each_setting(
      value,
      [&](const std::string& option, const auto&, const auto& member) {
        lines += fmt::format("--{} {}\n", option, typed_text(member));
      },
      prefix);
  return lines;
}

/// Calls `check()` of a value and of its parts, where they have one.
/// @throws Error  where settings do not go together.
template <class T>
void check_settings(const T& value) {
  if constexpr (requires { value.check(); }) value.check();
  if constexpr (Described<T>)
    boost::hana::for_each(T::describe(),
                          [&](const auto& setting) { check_settings(setting.of(value)); });
}

}  // namespace serpette
