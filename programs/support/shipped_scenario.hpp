#pragma once

namespace serpette::cli {

/// The program of one shipped scenario, by its command-line id; compiled once for all of them.
int shipped_scenario(const char* id, int argc, char** argv);

}  // namespace serpette::cli
