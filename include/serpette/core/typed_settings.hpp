#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "serpette/core/settings.hpp"

namespace serpette {

/// A setting that people can type, of a value whose type is not known where it is used.
struct TypedSetting {
  std::string option;        ///< Its word on the command line, without dashes: `attack-steps`.
  std::string help, wanted;  ///< What it means, and what it may be.
  std::string value;         ///< What it is, as people would type it.
  bool is_flag = false;      ///< true or false.
  /// @throws Error  if the setting may not be this; `place` is what errors call it.
  std::function<void(std::string_view text, std::string_view place)> check;
};

/// All settings of a value that people can type, in the order of its description, those included
/// that mean nothing as the others are.
/// @param prefix  of the options, e.g. "attack".
template <class T>
std::vector<TypedSetting> typed_settings(const T& value, const std::string& prefix = {}) {
  std::vector<TypedSetting> all;
  each_setting(
      value,
      [&](const std::string& option, const auto& setting, const auto& member) {
        using Member = typename std::remove_cvref_t<decltype(setting)>::type;
        all.push_back({option, std::string(setting.help), wanted<Member>(setting.bounds),
                       typed_text(member), std::same_as<Member, bool>,
                       [bounds = setting.bounds](std::string_view text, std::string_view place) {
                         Member read{};
                         read_setting(text, read, bounds, place);
                       }});
      },
      prefix, Which::kAll);
  return all;
}

/// What people typed for an option (without dashes), if they did.
using GivenSettings = std::function<std::optional<std::string>(const std::string& option)>;

/// The value with the settings that were given and that it has.
/// @throws Error  if one may not be that, or they do not go together.
template <class T>
[[nodiscard]] T with_settings(T value, const GivenSettings& given, const std::string& prefix = {}) {
  each_setting(
      value,
      [&](const std::string& option, const auto& setting, auto& member) {
        if (const auto text = given(option))
          read_setting(*text, member, setting.bounds, "--" + option);
      },
      prefix);
  check_settings(value);
  return value;
}

}  // namespace serpette
