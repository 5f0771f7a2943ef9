#include "support/shipped_scenario.hpp"

int main(int argc, char** argv) {
  return serpette::cli::shipped_scenario("structured_hydra", argc, argv);
}
