#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/core/ratio.hpp"
#include "serpette/core/settings.hpp"

/// @file
/// What options may be, checked while they are read; needs no LibTorch. CLI11's own ranges let NaN
/// through, and its transformers name no allowed word.

namespace serpette::cli {

/// For options that are finite numbers from 0 to `most`.
/// @param wanted  what errors say they should be.
/// @param type    what --help calls them.
inline CLI::Validator number_to(double most, const std::string& wanted, const std::string& type) {
  return {[most, wanted](std::string& text) {
            char* end = nullptr;
            const double x = std::strtod(text.c_str(), &end);
            const bool whole = !text.empty() && *end == 0;
            return whole && std::isfinite(x) && x >= 0 && x <= most
                       ? std::string()
                       : fmt::format("should be a number {}, got \"{}\"", wanted, text);
          },
          type};
}

/// For options that are finite numbers of at least 0.
inline const CLI::Validator kNonNegative =
    number_to(std::numeric_limits<double>::max(), "of at least 0", "");

/// For options that are a part of a whole.
inline const CLI::Validator kFraction = number_to(1, "from 0 to 1", "in [0, 1]");

/// For options that are whole numbers from `least` to `most`.
template <std::integral Int>
CLI::Validator whole_number(Int least, Int most = std::numeric_limits<Int>::max()) {
  const bool open = most == std::numeric_limits<Int>::max();
  const auto range =
      open ? fmt::format("of at least {}", least) : fmt::format("from {} to {}", least, most);
  return {[=](std::string& text) {
            Int value{};
            const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
            return code == std::errc{} && end == text.data() + text.size() && value >= least &&
                           value <= most
                       ? std::string()
                       : fmt::format(
                             "should be a whole number {}, got \"{}\"{}", range, text,
                             code == std::errc::result_out_of_range && !text.starts_with('-')
                                 ? ", which is too large"
                                 : "");
          },
          open ? "" : fmt::format("in [{}, {}]", least, most)};
}

/// For options that count, with and without 0.
inline const CLI::Validator kCount = whole_number(std::int64_t{0});
inline const CLI::Validator kSome = whole_number(std::int64_t{1});
/// For the root of all randomness.
inline const CLI::Validator kSeed = whole_number(std::uint64_t{0});

/// For options that are one of these words.
inline CLI::Validator one_of(const std::vector<std::string>& words) {
  return {[words](std::string& text) {
            if (std::ranges::find(words, text) != words.end()) return std::string();
            const auto but_last = std::span(words).first(words.size() - 1);
            return fmt::format("should be {} or {}, got \"{}\"", fmt::join(but_last, ", "),
                               words.back(), text);
          },
          fmt::format("{{{}}}", fmt::join(words, ","))};
}

/// Puts the options that `add` adds under a heading of --help.
template <class Add>
void under(CLI::App& app, const std::string& heading, Add&& add) {
  const auto before = app.get_options().size();
  add();
  const auto options = app.get_options();
  for (std::size_t i = before; i < options.size(); ++i) options[i]->group(heading);
}

/// Adds --force (app/used_folder.hpp).
inline void add_force(CLI::App& app, bool& force) {
  app.add_flag("--force", force,
               "Where --out holds results of other settings, move them to OUT.1 (.2, …) first");
}

/// An option that is one of an enumeration's words.
/// @param place  gives the Value to write to.
template <HasWords Value, class Place>
CLI::Option* add_words(CLI::App& app, const std::string& name, const Place& place,
                       const std::string& help) {
  std::vector<std::string> all;
  for (const auto& [word, meaning] : words(Value{})) all.emplace_back(word);
  const auto read = [place, name](const std::string& text) {
    read_setting(text, place(), {}, name);
  };
  return app.add_option_function<std::string>(name, read, help)->check(one_of(all));
}

/// The same, whose default is what `value` is.
template <HasWords Value>
CLI::Option* add_choice(CLI::App& app, const std::string& name, Value& value,
                        const std::string& help) {
  const auto place = [&value]() -> Value& { return value; };
  return add_words<Value>(app, name, place, help)->default_str(typed_text(value));
}
/// The same where it matters whether one was named.
template <HasWords Value>
CLI::Option* add_choice(CLI::App& app, const std::string& name, std::optional<Value>& value,
                        const std::string& help) {
  return add_words<Value>(app, name, [&value]() -> Value& { return value.emplace(); }, help);
}

/// Pruning ratios as people listed them, 0 in front where it is not among them.
/// @throws Error  if one is no ratio.
inline std::vector<std::string> with_unpruned(std::vector<std::string> ratios) {
  const auto is_unpruned = [](const std::string& text) {
    return Ratio::parse(text, "--ratios") == Ratio();
  };
  if (std::ranges::none_of(ratios, is_unpruned)) ratios.insert(ratios.begin(), "0");
  return ratios;
}

/// Refuses what stands twice among values that people listed.
/// @param what    what errors call one of them.
/// @param text    how a value is printed.
/// @throws Error  if two are equal.
template <class Value, class Text = std::identity>
void require_once(const std::vector<Value>& values, std::string_view option, std::string_view what,
                  const Text& text = {}) {
  for (const auto& value : values)
    require(std::ranges::count(values, value) == 1, option,
            "should name each {} once, got {} twice", what, text(value));
}

}  // namespace serpette::cli
