#pragma once

#include <CLI/CLI.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/app/cli.hpp"
#include "serpette/app/setting_options.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/method/trial.hpp"
#include "serpette/scenario/suite_settings.hpp"

namespace serpette::cli {

/// The suite of attacks as options: how hard it looks, and the radii of its curve.
class SuiteOptions {
 public:
  /// For programs that measure under the suite when they are asked to: --suite, --suite-….
  SuiteOptions() : SuiteOptions("suite", {}) {}

  /// For a program that is about the suite: --epsilon, --strengths, ….
  /// @param strengths  of the curve where none are given.
  static SuiteOptions always(std::vector<double> strengths) { return {"", std::move(strengths)}; }

  void add_to(CLI::App& app) {
    if (!prefix_.empty())
      app.add_flag(
          "--" + prefix_, wanted_,
          "Measure every network under the suite of attacks too, each image under its worst "
          "(--dry-run says what it costs)");
    app.add_option_function<std::vector<std::string>>(
           option("strengths"), [this](const auto& texts) { read_strengths(texts); },
           "Radii of PGD for a curve of AP50 over ε, each above 0 to 1; none: \"\"")
        ->delimiter(',')
        ->type_name("LIST")
        ->default_str(fmt::format("{}", fmt::join(strengths_, ",")));
    settings_.add_to(app);
  }

  /// @throws Error  if a setting of the suite comes without it, or a radius twice.
  void check() const {
    const auto given = this->given();
    require(wanted_ || given.empty(), given.empty() ? "" : given.front(),
            "should come with --suite, got none");
    require(wanted_ || strengths_.empty(), option("strengths"),
            "should come with --suite, got none");
    require(std::ranges::find(given, option("curve-steps")) == given.end() || !strengths_.empty(),
            option("curve-steps"), "should come with {}, got none", option("strengths"));
    require_once(strengths_, option("strengths"), "radius");
  }

  [[nodiscard]] SuiteSettings settings() const {
    return settings_.apply_to(SuiteSettings{}, prefix_);
  }
  [[nodiscard]] const std::vector<double>& strengths() const { return strengths_; }
  /// Those that were given, by the names of their options.
  [[nodiscard]] std::vector<std::string> given() const { return settings_.names_given(); }

  /// The attacks, clean images first and those of the curve last; none where no suite is wanted.
  /// Compiled once, in serpette::app.
  /// @param transfer  whether there is another network to attack.
  /// @throws Error    as check.
  [[nodiscard]] std::vector<Trial> trials(bool transfer) const;

 private:
  SuiteOptions(std::string prefix, std::vector<double> strengths)
      : prefix_(std::move(prefix)), wanted_(prefix_.empty()), strengths_(std::move(strengths)) {
    settings_.offer(SuiteSettings{}, prefix_);
  }
  void read_strengths(const std::vector<std::string>& texts) {
    strengths_.clear();
    if (texts == std::vector<std::string>{""}) return;
    for (const auto& text : texts)
      read_setting(text, strengths_.emplace_back(), above(0, 1), option("strengths"));
  }
  [[nodiscard]] std::string option(std::string_view name) const {
    return "--" + option_name(prefix_, name);
  }

  std::string prefix_;
  bool wanted_;
  std::vector<double> strengths_;
  SettingOptions settings_;
};

}  // namespace serpette::cli
