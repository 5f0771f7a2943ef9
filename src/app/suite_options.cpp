#include "serpette/app/suite_options.hpp"

#include <utility>

#include "serpette/scenario/suite.hpp"

namespace serpette::cli {

std::vector<Trial> SuiteOptions::trials() const {
  check();
  if (!wanted_) return {};
  const auto settings = settings_.apply_to(SuiteSettings{}, "suite");
  auto trials = robustness_suite(settings, true);
  for (auto& trial : strength_curve(settings, strengths_)) trials.push_back(std::move(trial));
  return trials;
}

}  // namespace serpette::cli
