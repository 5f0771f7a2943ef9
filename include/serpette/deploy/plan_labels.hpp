#pragma once

#include <string>
#include <vector>

namespace serpette::deploy {

/// What a plan's user needs to know besides the network: goes with it into its file.
struct PlanLabels {
  std::vector<std::string> class_names;  ///< By class; empty: unknown.
  bool greyscale = false;                ///< It wants the luma of Rec. 601 in all three channels.

  friend bool operator==(const PlanLabels&, const PlanLabels&) = default;
};

}  // namespace serpette::deploy
