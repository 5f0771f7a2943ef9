#include "serpette/app/suite_options.hpp"

#include <utility>

#include "serpette/scenario/suite.hpp"

namespace serpette::cli {

std::vector<Trial> SuiteOptions::trials(bool transfer) const {
  check();
  if (!wanted_) return {};
  auto trials = robustness_suite(settings(), transfer);
  for (auto& trial : strength_curve(settings(), strengths_)) trials.push_back(std::move(trial));
  return trials;
}

}  // namespace serpette::cli
