#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/core/typed_settings.hpp"

namespace serpette::cli {

/// The options that set a value, for errors: `--epsilon, --steps`, or `which has none`.
/// @param prefix  of the options, e.g. "attack".
template <class T>
std::string options_of(const T& value, const std::string& prefix = {}) {
  std::vector<std::string> own;
  each_setting(
      value,
      [&](const std::string& option, const auto&, const auto&) { own.push_back("--" + option); },
      prefix);
  return own.empty() ? "which has none" : fmt::format("{}", fmt::join(own, ", "));
}

/// Options that follow from the descriptions of settings (core/settings.hpp); what is not given
/// keeps its default. Needs no LibTorch.
class SettingOptions {
 public:
  /// Takes up the settings of a value. One that several have is one option, checked by each in
  /// turn when it is applied.
  /// @param prefix  of the options, e.g. "attack".
  /// @param owner   what errors call it.
  template <class T>
  void offer(const T& defaults, const std::string& prefix = {}, bool show_defaults = true,
             std::string_view owner = {}) {
    offer(typed_settings(defaults, prefix), show_defaults, owner);
  }
  /// The same of a value that is known by its settings alone.
  void offer(const std::vector<TypedSetting>& settings, bool show_defaults = true,
             std::string_view owner = {}) {
    for (const auto& setting : settings) {
      auto& option = named("--" + setting.option);
      if (option.readers.empty()) {
        option.help = setting.help;
        option.wanted = setting.wanted;
        option.flag = setting.is_flag;
        if (show_defaults) option.otherwise = setting.value;
      }
      option.readers.push_back(setting.check);
      if (!owner.empty()) option.owners.emplace_back(owner);
    }
  }

  /// A name that an option had before and goes on having.
  void also(const std::string& former, const std::string& name) {
    for (auto& option : options_)
      if (option.name() == name) option.names.push_back(former);
  }

  void add_to(CLI::App& app) {
    for (auto& option : options_) {
      const auto help =
          option.flag ? option.help : fmt::format("{}: {}", option.help, option.wanted);
      const auto names = fmt::format("{}", fmt::join(option.names, ","));
      auto* const added = option.flag ? app.add_flag(names, option.flags, help)  // or =false
                                      : app.add_option(names, option.text, help);
      added->check(
          CLI::Validator([&option](const std::string& text) { return option.fault(text); }, ""));
      if (!option.flag) added->type_name("")->default_str(option.otherwise);
    }
  }

  /// The value with the settings that were given and that it has.
  /// @throws Error  if one may not be that, or they do not go together.
  template <class T>
  [[nodiscard]] T apply_to(T value, const std::string& prefix = {}) const {
    return with_settings(std::move(value), given(), prefix);
  }

  /// What was given, for values that apply it themselves: who asks for an option uses it.
  [[nodiscard]] GivenSettings given() const {
    return [this](const std::string& name) -> std::optional<std::string> {
      for (const auto& option : options_)
        if (option.given() && option.name() == "--" + name) {
          option.used = true;
          return option.given();
        }
      return std::nullopt;
    };
  }

  /// The options that were given, by their own names.
  [[nodiscard]] std::vector<std::string> names_given() const {
    std::vector<std::string> names;
    for (const auto& option : options_)
      if (option.given()) names.push_back(option.name());
    return names;
  }

  /// @param of      what is at work, as errors call it.
  /// @param owners  the same, as it was offered.
  /// @throws Error  if an option was given that nothing has used: one of others, or one that has no
  /// effect as the others are set.
  void require_used(std::string_view of, const std::vector<std::string>& owners = {}) const {
    for (const auto& option : options_) {
      if (!option.given() || option.used) continue;
      for (const auto& owner : owners)
        require(std::ranges::find(option.owners, owner) == option.owners.end(), option.name(),
                "should have an effect beside the other settings of {}, got none", owner);
      fail(option.name(), "should be a setting of {}, got one of {}", of,
           option.owners.empty() ? "others" : fmt::format("{}", fmt::join(option.owners, ", ")));
    }
  }

 private:
  using Reader = std::function<void(std::string_view text, std::string_view place)>;
  struct Option {
    std::vector<std::string> names;  ///< First the one that follows from the description.
    std::string help{}, wanted{}, otherwise{};
    bool flag = false;
    std::vector<Reader> readers{};      ///< One per value that has the setting.
    std::vector<std::string> owners{};  ///< What these values are called, where that is known.
    std::optional<std::string> text{};
    std::vector<std::string> flags{};  ///< What was given where it is a flag.
    mutable bool used = false;

    [[nodiscard]] const std::string& name() const { return names.front(); }
    [[nodiscard]] std::optional<std::string> given() const {
      return flags.empty() ? text : flags.back();
    }

    /// What is wrong with a text that none of the readers takes.
    [[nodiscard]] std::string fault(const std::string& typed) const {
      std::string first;
      for (const auto& reader : readers) try {
          reader(typed, name());
          return {};
        } catch (const Error& error) {
          if (first.empty()) first = std::string(error.what()).substr(name().size() + 2);
        }
      return first;
    }
  };

  Option& named(const std::string& name) {
    for (auto& option : options_)
      if (option.name() == name) return option;
    return options_.emplace_back(Option{.names = {name}});
  }

  std::list<Option> options_;  // CLI11 keeps their addresses
};

}  // namespace serpette::cli
