// All scenarios × runs × ratios, each cell computed once, on one machine or many:
//   study --budget demo --out out/study   450 cells on drawn scenes
//   study … --shard 2/8                   the second eighth of the cells, anywhere
//   study … --collect                     merge what all shards wrote, check it is complete, report
#include "support/shipped_study.hpp"

namespace serpette::study_program {

int main(int argc, char** argv) {
  return cli::shipped_study(
      {.title = "Pruning a robust detector: a study",
       .description = "Runs a study of many cells: kill it anywhere and run it again, it goes on "
                      "where it was.",
       .out = "out/study",
       .runs = 10},
      argc, argv);
}

}  // namespace serpette::study_program
