// The paper's five scenarios on drawn scenes, and two that share out by LAMP what goes, from
// nothing to one HTML page:
//   demo --out out/demo
#include "support/shipped_study.hpp"

namespace serpette::demo_program {

int main(int argc, char** argv) {
  return cli::shipped_study(
      {.title = "Pruning a robust detector: seven scenarios on drawn scenes",
       .description = "The paper's five scenarios and two by LAMP on drawn scenes: data, robust "
                      "training, pruning, evaluation, report.",
       .out = "out/demo",
       .runs = 2,
       .beside = {"unstructured_hydra_lamp", "structured_hydra_lamp"}},
      argc, argv);
}

}  // namespace serpette::demo_program
