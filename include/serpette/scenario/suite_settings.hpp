#pragma once

#include "serpette/core/settings.hpp"

namespace serpette {

/// How hard the suite of attacks looks (scenario/suite.hpp).
struct SuiteSettings {
  double epsilon = 0.05;  ///< Radius of every attack's L∞ ball [pixel value].
  int steps = 50;         ///< Of PGD, APGD, and of C&W for each price.
  int restarts = 3;       ///< Random starts of PGD; an image that is evaded needs no other.
  int queries = 500;      ///< Images that Square shows to the detector.
  int curve_steps = 20;   ///< Of PGD at every strength of the curve.

  static constexpr auto describe() {
    return settings(
        setting<&SuiteSettings::epsilon>("Radius of every attack's ball [pixel value]",
                                         above(0, 1)),
        setting<&SuiteSettings::steps>("Steps of PGD, APGD and C&W", at_least(1)),
        setting<&SuiteSettings::restarts>("Random starts of PGD", from_to(1, 1000)),
        setting<&SuiteSettings::queries>("Images that Square shows to the detector", at_least(1)),
        setting<&SuiteSettings::curve_steps>("Steps of PGD at every strength of the curve",
                                             at_least(1)));
  }
};

}  // namespace serpette
