// 07 Study: two variants of one's own side by side, over ratios and runs.
//
// A study computes every cell (scenario × run × ratio) once and keeps each stage on disk: kill it
// anywhere and run it again. Scenarios may be types or, as here, settings of one type: is a kernel
// worth its mean weight or its largest? `smoke` is the smallest budget that runs every stage; the
// program `report` makes tables, figures and tests of study/cells.csv, `compare` puts it beside
// another study.
#include <serpette/app/program.hpp>
#include <serpette/app/run_scenarios.hpp>
#include <serpette/data/drawn_data.hpp>
#include <serpette/scenario/paper.hpp>

using namespace serpette;
using KernelMagnitude = Scenario<Magnitude, Kernel, Pgd, Rgb>;

int main(int argc, char** argv) {
  return cli::run_main([&] {
    cli::ExperimentOptions study;
    study.out = argc > 1 ? argv[1] : "study";
    study.cfg = SERPETTE_SHARE "/demo/yolov3-slim.cfg";
    study.weights = SERPETTE_SHARE "/demo/yolov3-slim.weights";
    study.budget.name = "smoke";
    study.ratios = {"0", "75"};

    const auto scenes = study.out / "scenes";  // or your own images, in COCO's layout
    DrawnData{.train = 16, .test = 8}.write(scenes);
    study.images = scenes / "train/images";
    study.annotations = scenes / "train/instances.json";
    study.test_images = scenes / "test/images";
    study.test_annotations = scenes / "test/instances.json";

    const ScenarioList scenarios{
        Registered<KernelMagnitude>{"kernel_mean", "Mean of the kernel", false},
        Registered<KernelMagnitude>{"kernel_max",
                                    "Largest of the kernel",
                                    false,
                                    {.granularity = {.reduce = Reducer::kMax}}}};
    return cli::run_scenarios(scenarios, {"kernel_mean", "kernel_max"}, study);
  });
}
