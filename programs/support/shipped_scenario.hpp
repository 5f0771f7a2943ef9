#pragma once

namespace serpette::cli {

/// The program of one of the shipped scenarios, by its command-line id.
int shipped_scenario(const char* id, int argc, char** argv);

}  // namespace serpette::cli
