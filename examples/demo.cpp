// The paper's five scenarios on drawn scenes, from nothing to one HTML page:
//   demo --out out/demo
// Draws the data, prunes the slim YOLOv3 that ships with the project at nine ratios in three runs, and reports.
#include "serpette/data/drawn_data.hpp"
#include "serpette/report/read_cells.hpp"
#include "serpette/report/report.hpp"
#include "support/experiment.hpp"

int main(int argc, char** argv) {
  using namespace serpette;
  return cli::run_main([&] {
    cli::ExperimentOptions options;
    options.out = "out/demo";
    options.runs = 3;
    DrawnData data{.train = 1000, .test = 64};
    cli::BudgetOverrides overrides;
    cli::AttackOptions attack;
    std::vector<std::string> scenarios;
    boost::hana::for_each(kScenarios, [&](const auto& entry) {
      if (entry.in_paper) scenarios.emplace_back(entry.id);
    });
    CLI::App app("The paper's five scenarios on drawn scenes: data, robust training, pruning, evaluation, report.");
    cli::add_experiment_options(app, options, true);
    overrides.add_to(app);
    attack.add_to(app);
    app.add_option("--scenarios", scenarios, "Which scenarios to run")->delimiter(',')->capture_default_str();
    app.add_option("--train-pictures", data.train, "Pictures to draw for training")->capture_default_str();
    app.add_option("--test-pictures", data.test, "Pictures to draw for testing")->capture_default_str();
    cli::parse(app, argc, argv);

    options.numbers = overrides.apply(budget_named(options.budget).budget);
    const std::filesystem::path network(SERPETTE_DEMO);
    if (options.cfg.empty()) options.cfg = network / "yolov3-slim.cfg";
    if (options.weights.empty()) options.weights = network / "yolov3-slim.weights";
    if (options.images.empty() && options.annotations.empty()) {
      const auto folder = options.out / "scenes";
      data.write(folder);
      options.images = folder / "train" / "images";
      options.annotations = folder / "train" / "instances.json";
      options.test_images = folder / "test" / "images";
      options.test_annotations = folder / "test" / "instances.json";
    }
    const int status = cli::run_scenarios(kScenarios, scenarios, options, attack);
    if (status != 0) return status;

    ReportOptions report;
    report.page.title = "Pruning a robust detector: five scenarios on drawn scenes";
    report.page.introduction =
        fmt::format("A slim YOLOv3 is trained against PGD, pruned at {} ratios in {} runs of each scenario, fine-tuned "
                    "against PGD, and evaluated on {} pictures, clean and under attack.",
                    options.ratios.size(), options.runs, data.test);
    report.page.facts = {{"Command", fmt::format("demo --runs {} --seed {}", options.runs, options.seed)},
                         {"Budget", options.budget},
                         {"Fine-tuning steps per cell", fmt::to_string(options.numbers.finetune.steps)},
                         {"Score-training steps (HYDRA)", fmt::to_string(options.numbers.scores.steps)}};
    report.page.pictures = {{options.out / "grid.png", "Detections across pruning ratios, run 1"}};
    report.place = (options.out / "cells.csv").string();
    fmt::print("report: {}\n", write_report(read_cells(options.out / "cells.csv"), options.out, report).page.string());
    return 0;
  });
}
