#include "support/experiment.hpp"

int main(int argc, char** argv) { return serpette::cli::scenario_main(serpette::kScenarios, "structured_deeplift", argc, argv); }
