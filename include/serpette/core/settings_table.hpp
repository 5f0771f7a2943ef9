#pragma once

#include <fmt/core.h>

#include <string>

#include "serpette/core/settings.hpp"

namespace serpette {

/// The settings of a type as rows of a Markdown table: option, default, what it may be, meaning.
/// The documentation's tables are made of these.
/// @param prefix  of the options, e.g. "attack".
template <class T>
std::string settings_table(const std::string& prefix, const T& defaults = {}) {
  std::string table = "| Option | Default | May be | Meaning |\n| --- | --- | --- | --- |\n";
  each_setting(
      defaults,
      [&](const std::string& option, const auto& setting, const auto& value) {
        using Member = typename std::remove_cvref_t<decltype(setting)>::type;
        table += fmt::format("| `--{}` | {} | {} | {} |\n", option, typed_text(value),
                             wanted<Member>(setting.bounds), setting.help);
      },
      prefix, Which::kAll);
  return table;
}

}  // namespace serpette
