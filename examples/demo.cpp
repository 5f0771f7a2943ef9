// The paper's five scenarios on drawn scenes, from nothing to one HTML page:
//   demo --out out/demo
#include "support/study.hpp"

int main(int argc, char** argv) {
  using namespace serpette;
  return cli::run_main([&] {
    cli::StudyProgram program;
    program.title = "Pruning a robust detector: five scenarios on drawn scenes";
    program.options.out = "out/demo";
    program.options.runs = 3;
    program.data.train = 1000;
    program.data.test = 64;
    CLI::App app(
        "The paper's five scenarios on drawn scenes: data, robust training, pruning, evaluation, "
        "report.");
    program.add_to(app);
    cli::parse(app, argc, argv);
    return program.run();
  });
}
