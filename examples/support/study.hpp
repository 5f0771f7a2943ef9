#pragma once

#include "serpette/data/drawn_data.hpp"
#include "serpette/io/file_lock.hpp"
#include "serpette/report/read_cells.hpp"
#include "serpette/report/report.hpp"
#include "support/experiment.hpp"

namespace serpette::cli {

/// A study of several scenarios, on data that people give or on drawn scenes and the slim YOLOv3
/// that ship with the project; ends with a report. What `demo` and `study` share.
struct StudyProgram {
  ExperimentOptions options;
  BudgetOverrides overrides;
  PolicyOptions policies;
  DrawnData data;
  std::vector<std::string> scenarios;
  std::string title;

  StudyProgram() {
    boost::hana::for_each(kScenarios, [&](const auto& entry) {
      if (entry.in_paper) scenarios.emplace_back(entry.id);
    });
  }

  void add_to(CLI::App& app) {
    add_experiment_options(app, options, true);
    overrides.add_to(app);
    policies.add_to(app);
    app.add_option("--scenarios", scenarios, "Which scenarios to run")
        ->delimiter(',')
        ->capture_default_str();
    app.add_option("--train-pictures", data.train,
                   "Pictures to draw for training, where no data are given")
        ->capture_default_str();
    app.add_option("--test-pictures", data.test, "Pictures to draw for testing")
        ->capture_default_str();
  }

  /// @return  exit status.
  int run() {
    options.numbers = overrides.apply(budget_named(options.budget).budget);
    const int given = !options.images.empty() + !options.annotations.empty() +
                      !options.test_images.empty() + !options.test_annotations.empty();
    require(given == 0 || given == 4, "data",
            "should be given by all of --images, --annotations, --test-images and "
            "--test-annotations, or by none, got {}",
            given);
    require(options.cfg.empty() == options.weights.empty(), "network",
            "should be given by both --cfg and --weights, or by neither");
    if (options.cfg.empty()) {
      const auto network = shared_folder("demo", "yolov3-slim.cfg", SERPETTE_DEMO);
      options.cfg = network / "yolov3-slim.cfg";
      options.weights = network / "yolov3-slim.weights";
    }
    if (given == 0) {
      const auto folder = options.out / "scenes";
      {
        const FileLock lock(options.out / ".lock-scenes");  // shards may start at once
        data.write(folder);
      }
      options.images = folder / "train" / "images";
      options.annotations = folder / "train" / "instances.json";
      options.test_images = folder / "test" / "images";
      options.test_annotations = folder / "test" / "instances.json";
    }
    const int status = run_scenarios(kScenarios, scenarios, options, policies);
    return status == 0 && !options.dry_run && options.shards == 1 ? report() : status;
  }

 private:
  int report() const {
    ReportOptions report;
    report.page.title = title;
    report.page.introduction = fmt::format(
        "A robust YOLOv3 is trained against its attack, pruned at {} ratios in {} runs of each "
        "scenario, "
        "fine-tuned, and evaluated clean and under attack.",
        options.ratios.size(), options.runs);
    report.page.facts = {
        {"Budget", options.budget},
        {"Runs", fmt::to_string(options.runs)},
        {"Seed", fmt::to_string(options.seed)},
        {"Pre-training steps per run", fmt::to_string(options.numbers.pretrain.steps)},
        {"Fine-tuning steps per cell", fmt::to_string(options.numbers.finetune.steps)},
        {"Score-training steps (HYDRA)", fmt::to_string(options.numbers.scores.steps)}};
    report.samples = {.cells = options.out / "cells",
                      .images = options.test_images,
                      .annotations = options.test_annotations};
    report.place = (options.out / "cells.csv").string();
    const auto result = write_report(read_cells(options.out / "cells.csv"), options.out, report);
    for (const auto& note : result.notes) fmt::print(stderr, "note: {}\n", note);
    fmt::print("report: {}\n", result.page.string());
    return 0;
  }
};

}  // namespace serpette::cli
