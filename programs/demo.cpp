// The paper's five scenarios on drawn scenes, from nothing to one HTML page:
//   demo --out out/demo
#include "support/shipped_study.hpp"

namespace serpette::demo_program {

int main(int argc, char** argv) {
  return cli::shipped_study(
      {.title = "Pruning a robust detector: five scenarios on drawn scenes",
       .description = "The paper's five scenarios on drawn scenes: data, robust training, pruning, "
                      "evaluation, report.",
       .out = "out/demo",
       .runs = 2},
      argc, argv);
}

}  // namespace serpette::demo_program
