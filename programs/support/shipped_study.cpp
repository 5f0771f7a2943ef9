#include "support/shipped_study.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "serpette/app/cli.hpp"
#include "serpette/app/program.hpp"
#include "serpette/app/run_scenarios.hpp"
#include "serpette/color/greyscale_rec601.hpp"
#include "serpette/data/drawn_data.hpp"
#include "serpette/io/temporary_folder.hpp"
#include "serpette/study/cells.hpp"
#include "support/demo_data.hpp"
#include "support/shipped_scenarios.hpp"
#include "support/study_report.hpp"

namespace serpette::cli {

namespace {

/// What people type to set up a study.
struct StudyOptions {
  ExperimentOptions experiment;
  DrawnData data{.train = 1000, .test = 64};
  std::vector<std::string> scenarios;
  std::string shown_default;                ///< What --help says that --scenarios is.
  std::vector<const CLI::Option*> drawn{};  ///< What there is to draw.

  explicit StudyOptions(const StudyKind& kind) {
    experiment.out = kind.out;
    experiment.runs = kind.runs;
    for (const auto& entry : shipped_scenarios())
      if (entry.in_paper) scenarios.push_back(entry.id);
    for (const auto& id : kind.beside)
      scenarios.push_back(find_scenario(shipped_scenarios(), id).id);
    shown_default = fmt::format("the paper's five{}{}", kind.beside.empty() ? "" : ", ",
                                fmt::join(kind.beside, ", "));
    experiment.policies.offer_scenarios(shipped_scenarios());
  }

  void add_to(CLI::App& app) {
    experiment.add_to(app, true);
    app.add_option("--scenarios", scenarios, "Which scenarios to run, by their programs' names")
        ->delimiter(',')
        ->type_name("LIST")
        ->default_str(shown_default);
    // Neither part of a study can do without pictures.
    const auto drawable = whole_number(std::int64_t{1}, DrawnData::kFirstTestId - 1);
    drawn = {app.add_option("--train-pictures", data.train,
                            "Pictures to draw for training, where no data are given")
                 ->check(drawable)
                 ->capture_default_str(),
             app.add_option("--test-pictures", data.test, "Pictures to draw for testing")
                 ->check(drawable)
                 ->capture_default_str()};
  }

  /// Whether a scenario sees grey.
  [[nodiscard]] bool sees_grey() const {
    return std::ranges::any_of(scenarios, [](const std::string& id) {
      return id != kOriginal &&
             find_scenario(shipped_scenarios(), id).scenario.color.name == GreyscaleRec601::name;
    });
  }

  /// Whether people give the data.
  /// @throws Error  if they give only a part of it, or say what to draw as well.
  [[nodiscard]] bool data_given() const {
    const bool given = experiment.data_given();
    for (const auto* option : drawn)
      require(!given || option->count() == 0, option->get_name(),
              "should come without data, where scenes are drawn; got --images and the like");
    return given;
  }
};

void write_report_of(const ExperimentOptions& o, const std::string& title) {
  const auto budget = o.budget.chosen();
  ReportOptions report;
  report.page.title = title;
  report.page.introduction = fmt::format(
      "A robust YOLOv3 is trained against its attack, pruned at {} ratios in {} runs of each "
      "scenario, fine-tuned, and evaluated clean and under attack.",
      o.ratios.size(), o.runs);
  report.page.facts = {{"Budget", o.budget.name},
                       {"Runs", fmt::to_string(o.runs)},
                       {"Seed", fmt::to_string(o.seed)},
                       {"Pre-training steps per run", fmt::to_string(budget.pretrain.steps)},
                       {"Fine-tuning steps per cell", fmt::to_string(budget.finetune.steps)},
                       {"Score-training steps (HYDRA)", fmt::to_string(budget.scores.steps)}};
  report.samples = {
      .cells = o.out / "cells", .images = o.test_images, .annotations = o.test_annotations};
  report.place = (o.out / "cells.csv").string();
  report.evaluations_place = (o.out / "evaluations.csv").string();
  report.evaluations = read_evaluations(report.evaluations_place);
  const auto result = write_study_report(read_cells(o.out / "cells.csv"), o.out, report);
  for (const auto& note : result.notes) fmt::print(stderr, "note: {}\n", note);
  fmt::print("report: {}\n", result.page.string());
}

}  // namespace

int shipped_study(const StudyKind& kind, int argc, char** argv) {
  return run_main([&] {
    StudyOptions options(kind);
    auto& o = options.experiment;
    CLI::App app(kind.description);
    options.add_to(app);
    parse(app, argc, argv);

    check_options(shipped_scenarios(), options.scenarios, o);  // before anything is drawn
    const bool reports = !o.part.dry_run && o.part.whole();
    if (reports) ReportFolder::require_own(o.out, ReportKind::kReport);
    const bool own_scenes = !options.data_given(), own_network = !o.network_given();
    if (own_network) use_shipped_network(o, options.sees_grey());
    // A dry run leaves nothing: scenes that are not there yet are drawn elsewhere, for its while.
    std::optional<TemporaryFolder> elsewhere;
    if (own_scenes && o.part.dry_run && !std::filesystem::exists(o.out / "scenes"))
      o.out = elsewhere.emplace().path();
    if (own_scenes) use_drawn_scenes(o, options.data);
    auto& ids = options.scenarios;  // the network as it came is a line in every figure
    if (std::ranges::find(ids, kOriginal) == ids.end())
      ids.insert(ids.begin(), std::string(kOriginal));
    const int status = run_scenarios(shipped_scenarios(), ids, o);
    if (status == 0 && reports) write_report_of(o, kind.title);
    return status;
  });
}

}  // namespace serpette::cli
