#pragma once

#include <string>

#include "serpette/deploy/plan.hpp"
#include "serpette/deploy/plan_file.hpp"
#include "support/catch.hpp"
#include "support/pruned_network.hpp"
#include "support/reference_network.hpp"
#include "support/scratch.hpp"

namespace serpette::test {

/// A plan in fewer bits gives heads near the float one's, has forms of its precision, and is read
/// as it was saved.
/// @param options  with its precision, and unmeasured.
/// @param bound    of the largest difference, over the head's largest number.
/// @param mark     of its forms' names.
/// @return         its choices, as they are written.
inline std::string near_and_kept(const ReferenceNetwork& network,
                                 const deploy::PlanOptions& options, double bound,
                                 const std::string& mark) {
  const Scratch folder;
  const auto path = folder / "network.plan";
  const auto images = images_for(network.graph(), 2);
  auto whole = deploy::make_plan(network, {.measure = false});
  auto narrow = deploy::make_plan(network, options);
  CHECK(whole.precision() == deploy::PlanPrecision::kFloat32);
  const auto wanted = whole.forward(images), heads = narrow.forward(images);
  for (std::size_t h = 0; h < heads.size(); ++h)
    CHECK(((heads[h] - wanted[h]).abs().max() / wanted[h].abs().max()).item<double>() < bound);
  const auto forms = deploy::write_choices(narrow.choices());
  CHECK_THAT(forms, Catch::Matchers::ContainsSubstring(mark));
  deploy::save_plan(narrow, path);
  auto again = deploy::load_plan(path);
  CHECK(again.precision() == options.precision);
  CHECK(deploy::write_choices(again.choices()) == forms);
  CHECK(deploy::write_plan(again) == deploy::write_plan(narrow));
  const auto kept = again.forward(images);
  for (std::size_t h = 0; h < heads.size(); ++h) CHECK(at::equal(kept[h], heads[h]));
  return forms;
}

}  // namespace serpette::test
