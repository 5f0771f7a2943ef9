#include "support/shipped_scenario.hpp"

int main(int argc, char** argv) {
  return serpette::cli::shipped_scenario("unstructured_deeplift_greyscale", argc, argv);
}
