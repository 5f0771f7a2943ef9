#pragma once

#include <CLI/CLI.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include "serpette/app/cli.hpp"
#include "serpette/app/setting_options.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/method/trial.hpp"
#include "serpette/scenario/suite_settings.hpp"

namespace serpette::cli {

/// Whether finished networks are measured under the suite of attacks, and how hard it looks.
class SuiteOptions {
 public:
  SuiteOptions() { settings_.offer(SuiteSettings{}, "suite"); }

  void add_to(CLI::App& app) {
    app.add_flag("--suite", wanted_,
                 "Measure every network under the suite of attacks too, each image under its worst "
                 "(--dry-run says what it costs)");
    app.add_option("--suite-strengths", strengths_,
                   "And under PGD at these radii, for curves of AP50 over ε, each in [0, 1]")
        ->delimiter(',')
        ->type_name("LIST")
        ->check(kFraction);
    settings_.add_to(app);
  }

  /// @throws Error  if a setting of the suite comes without it, or a radius twice.
  void check() const {
    const auto given = settings_.names_given();
    require(wanted_ || given.empty(), given.empty() ? "" : given.front(),
            "should come with --suite, got none");
    require(wanted_ || strengths_.empty(), "--suite-strengths",
            "should come with --suite, got none");
    require(std::ranges::find(given, "--suite-curve-steps") == given.end() || !strengths_.empty(),
            "--suite-curve-steps", "should come with --suite-strengths, got none");
    for (const double strength : strengths_)
      require(std::ranges::count(strengths_, strength) == 1, "--suite-strengths",
              "should name each radius once, got {} twice", strength);
  }

  /// The attacks, clean images first; none where no suite is wanted. Compiled once, in
  /// serpette::app.
  [[nodiscard]] std::vector<Trial> trials() const;

 private:
  bool wanted_ = false;
  std::vector<double> strengths_;
  SettingOptions settings_;
};

}  // namespace serpette::cli
