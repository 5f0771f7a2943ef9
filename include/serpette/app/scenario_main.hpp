#pragma once

#include "serpette/scenario/list.hpp"

namespace serpette::cli {

/// The main function of a scenario's program: its whole command line. Compiled once, for Yolov3 on
/// CocoFolder, in the library serpette::app: a program of one's own compiles its policies alone.
int scenario_main(const ListedScenario& scenario, int argc, char** argv);

/// The same for one scenario of a user's own, which is in no list.
/// @param id        what cells.csv holds; letters, digits, `_` and `-`.
/// @param label     what readers know it by.
/// @param scenario  with the settings that are its defaults.
template <AnyScenario S>
int scenario_main(const char* id, const char* label, int argc, char** argv,
                  const S& scenario = {}) {
  return scenario_main(Registered<S>{id, label, false, scenario}, argc, argv);
}

}  // namespace serpette::cli
