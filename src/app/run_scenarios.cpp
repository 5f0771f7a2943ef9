#include "serpette/app/run_scenarios.hpp"

#include <ATen/Parallel.h>
#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "serpette/app/dry_run.hpp"
#include "serpette/app/load_experiment.hpp"
#include "serpette/app/say_notes.hpp"
#include "serpette/app/used_folder.hpp"
#include "serpette/core/counted.hpp"
#include "serpette/core/reused_memory.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/deploy/plan.hpp"
#include "serpette/graph/footprint.hpp"
#include "serpette/scenario/catalogue.hpp"
#include "serpette/study/configuration_of.hpp"
#include "serpette/study/grid.hpp"
#include "serpette/study/progress.hpp"
#include "serpette/study/status.hpp"
#include "serpette/study/sweep.hpp"
#include "serpette/study/time_again.hpp"

namespace serpette::cli {

namespace {

/// What readers know scenarios by.
/// @throws Error  if an id is unknown, two scenarios have the same settings, or an option was given
/// that none of them has.
std::vector<std::string> scenario_labels(const ScenarioList& scenarios,
                                         const std::vector<std::string>& ids,
                                         const PolicyOptions& policies) {
  std::vector<std::string> labels;
  std::set<std::string> seen;
  for (const auto& id : ids) {
    if (id == kOriginal) {
      labels.push_back(scenario_label(id));
      continue;
    }
    const auto& entry = find_scenario(scenarios, id);
    require(seen.insert(policies.apply_to(entry.scenario).settings()).second, "--scenarios",
            "should be scenarios that differ, got {} after one of the same settings", id);
    labels.push_back(entry.label);
  }
  policies.require_used(fmt::format("{}", fmt::join(ids, ", ")), ids);
  return labels;
}

/// Refuses settings of a budget that none of the scenarios has a use for, and a momentum of the
/// score training that its optimizer has none for.
/// @throws Error  naming the option.
void require_effect(const ScenarioList& scenarios, const std::vector<std::string>& ids,
                    const BudgetOptions& budget, const PolicyOptions& policies) {
  const auto any = [&](const auto& uses) {
    return std::ranges::any_of(ids, [&](const std::string& id) {
      return id != kOriginal && uses(find_scenario(scenarios, id).scenario.score);
    });
  };
  const bool trained = any([](const ErasedScore& s) { return s.training.has_value(); });
  const bool looks =
      any([](const ErasedScore& s) { return s.score_all || s.needs_input || s.needs_gradient; });
  for (const auto& option : budget.given()) {
    require(trained || !option.starts_with("--score-training-"), option,
            "should come with a scenario whose score is trained, as HYDRA's is, got {}",
            fmt::join(ids, ", "));
    require(looks || option != "--score-images", option,
            "should come with a scenario whose score looks at images, as DeepLIFT does, got {}",
            fmt::join(ids, ", "));
  }
  constexpr const char* kMomentum = "--score-momentum";  // StraightThroughSgd's: SGD alone reads it
  const auto optimizer = budget.chosen().scores.optimizer;
  require(!trained || optimizer == TrainSettings::Optimizer::kSgd ||
              std::ranges::count(policies.names_given(), kMomentum) == 0,
          kMomentum, "should come with --score-training-optimizer sgd, got {}, which has its own",
          typed_text(optimizer));
}

/// Refuses stages of no step where a scenario's policies live by them.
/// @throws Error  naming the option.
void require_steps(const ErasedScenario& scenario, const Budget& budget) {
  require(
      !scenario.pruning.learning || budget.scores.steps > 0, "--score-training-steps",
      "should be at least 1 with --allocation learned, whose rates are trained with the scores, "
      "got 0");
  const auto rounds = std::ssize(scenario.schedule.ratios(Ratio::percent(50)));
  const auto check = [&](std::int64_t steps, const char* of) {
    require(rounds == 1 || steps >= rounds, "--schedule-rounds",
            "should be at most the {} steps of {}, which rounds share, got {}", steps, of, rounds);
  };
  check(budget.finetune.steps, "fine-tuning");
  if (scenario.score.training) check(budget.scores.steps, "score training");
}

/// The files of --color-weights, by the names of the colour modes whose scenarios start from them.
/// @throws Error  if one is not COLOR=FILE, or its colour mode stands twice or is none of the
/// scenarios'.
std::map<std::string, std::filesystem::path> color_weights(const ScenarioList& scenarios,
                                                           const std::vector<std::string>& ids,
                                                           const ExperimentOptions& o) {
  constexpr const char* kOption = "--color-weights";
  std::set<std::string> colors;
  for (const auto& id : ids)
    if (id != kOriginal) colors.emplace(find_scenario(scenarios, id).scenario.color.name);
  const auto same_letters = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) ==
           std::tolower(static_cast<unsigned char>(b));
  };
  std::map<std::string, std::filesystem::path> files;
  for (const auto& text : o.color_weights) {
    const auto name = text.substr(0, text.find('='));
    require(name.size() + 1 < text.size(), kOption, "should be COLOR=FILE, got \"{}\"", text);
    const auto color = std::ranges::find_if(
        colors, [&](const auto& c) { return std::ranges::equal(c, name, same_letters); });
    require(color != colors.end(), kOption,
            "should be for a colour mode of the scenarios ({}), got \"{}\"",
            fmt::join(colors, ", "), name);
    require(files.emplace(*color, text.substr(name.size() + 1)).second, kOption,
            "should be given once for each colour mode, got {} twice", *color);
  }
  return files;
}

/// So many workers of one thread each as were asked for; else small networks keep one core busy
/// each, and large ones are faster one at a time on all cores. On a GPU one at a time.
Workers workers_for(const Graph& graph, at::Device device, int asked) {
  if (asked > 0) return {asked, 1};
  constexpr std::int64_t kSmall = 500'000'000;
  const bool small = device.is_cpu() && macs(graph) < kSmall;
  if (small) return {std::max(1, static_cast<int>(std::thread::hardware_concurrency())), 1};
  return {1, at::get_num_threads()};
}

/// Names the cells of a plan that are not finished.
/// @return  how many they are.
std::int64_t name_missing(const std::vector<PlannedCell>& plan, const Store& store) {
  std::int64_t missing = 0;
  for (const auto& cell : plan)
    if (const CellFiles files(store.root(), cell); !files.finished()) {
      const auto why = files.failure();
      fmt::print(stderr, "missing: {}{}\n", cell_folder(cell.id),
                 why ? fmt::format(" (failed: {})", *why) : "");
      ++missing;
    }
  return missing;
}

}  // namespace

void check_options(const ScenarioList& scenarios, const std::vector<std::string>& ids,
                   const ExperimentOptions& o) {
  const auto budget = o.budget.chosen();
  (void)parse_ratios(o.ratios);
  (void)parse_device(o.device);
  (void)scenario_labels(scenarios, ids, o.policies);
  (void)color_weights(scenarios, ids, o);
  require_effect(scenarios, ids, o.budget, o.policies);
  for (const auto& id : ids)
    if (id != kOriginal)
      require_steps(o.policies.apply_to(find_scenario(scenarios, id).scenario), budget);
  o.suite.check();
}

int threads_of_cell(const Graph& graph, at::Device device, int workers) {
  return workers_for(graph, device, workers).threads;
}

int run_scenarios(const ScenarioList& scenarios, const std::vector<std::string>& ids,
                  const ExperimentOptions& o) {
  const ReusedMemory memory;  // before any thread starts
  const auto loaded = load_experiment(o);
  const auto labels = scenario_labels(scenarios, ids, o.policies);
  Experiment experiment(loaded.detector, loaded.train, loaded.test, loaded.budget, Seed(o.seed),
                        loaded.device);
  for (const auto& [color, file] : color_weights(scenarios, ids, o)) {
    auto network = Yolov3::load(o.cfg, file);
    say_notes(network, o.cfg, file);
    network.to(loaded.device);
    experiment.start_from(color, std::move(network));
  }
  if (loaded.device.is_cpu()) experiment.deploy = deploy::deploy_plan<Yolov3>;
  experiment.suite = o.suite.trials(true);
  // The network as it came is measured under the attack of the first scenario.
  const auto first = std::ranges::find_if(ids, [](const auto& id) { return id != kOriginal; });
  require(first != ids.end(), "scenarios", "should be some that prune, got {} alone", kOriginal);
  std::map<std::string, ErasedScenario> applied;
  for (const auto& id : ids)
    applied.emplace(
        id, o.policies.apply_to(find_scenario(scenarios, id == kOriginal ? *first : id).scenario));
  for (const auto& [id, scenario] : applied) {
    scenario.score.require_fits(loaded.detector.graph());
    scenario.pruning.require_possible(loaded.detector.graph(), loaded.ratios);
    if (const auto whole = scenario.pruning.left_whole(loaded.detector.graph());
        !whole.empty() && id != kOriginal)
      fmt::print(stderr, "note: {}: {} cannot prune {} and leaves {} whole\n", id,
                 scenario.pruning.granularity, fmt::join(whole, ", "),
                 whole.size() == 1 ? "it" : "them");
  }
  const auto dispatch = [&](const std::string& id, const auto& visit) { visit(applied.at(id)); };
  const auto workers = workers_for(loaded.detector.graph(), loaded.device, o.workers);
  const auto all = with_keys(table_cells(ids, o.runs, loaded.ratios), experiment, dispatch);
  const auto plan = with_keys(
      shard_of(plan_cells(ids, o.runs, loaded.ratios, Seed(o.seed)), o.part.shard, o.part.shards),
      experiment, dispatch);
  const auto configuration =
      configuration_of(experiment, ids, machine_kind(loaded.device, workers), dispatch);
  const bool fresh = !std::filesystem::exists(o.out);
  const Store store = open_used(o.out, o.force && !o.part.dry_run, [&] {
    return open_study(o.out, configuration, o.part.name(), all,
                      o.part.writes_cells() ? plan : std::vector<PlannedCell>());
  });
  for (const auto& note : store.notes()) fmt::print(stderr, "note: {}\n", note);
  if (o.part.dry_run) {
    print_plan(plan, experiment, store, o.retry_failed, workers, dispatch);
    if (fresh) remove_if_unused(o.out);
    return 0;
  }

  Progress progress(o.part.time_again ? 0 : static_cast<std::int64_t>(plan.size()));
  std::int64_t unfinished = 0;
  try {
    if (o.part.time_again) {
      at::set_num_threads(workers.threads);  // as each of them had
      unfinished = time_again(plan, experiment, store, progress, dispatch);
    } else {
      unfinished = o.part.collect ? name_missing(plan, store)
                                  : run_cells(plan, experiment, store, o.retry_failed, workers,
                                              progress, dispatch);
    }
  } catch (const Interrupted&) {
    progress.clear();
    if (o.part.whole()) write_tables(store, all);
    fmt::print(stderr,
               "stopped; what is done is kept in {}. Run the same command again to go on.\n",
               o.out.string());
    return 130;
  }
  progress.clear();
  fmt::print("{} of {} cells in {}\n", static_cast<std::int64_t>(plan.size()) - unfinished,
             plan.size(), clock_text(progress.seconds()));
  if (o.part.whole()) {
    write_tables(store, all);
    write_grid(store, all, ids, labels, loaded.ratios);
    fmt::print("tables: {}\n", (o.out / "cells.csv").string());
  }
  for (const auto& [what, data] :
       {std::pair{"training", &loaded.train}, std::pair{"test", &loaded.test}})
    if (const auto n = data->unreadable().size(); n > 0)
      fmt::print(stderr, "{} {} damaged and left out\n", counted(n, fmt::format("{} image", what)),
                 n == 1 ? "is" : "are");
  if (unfinished > 0 && !o.part.collect && !o.part.time_again)
    fmt::print(stderr, "{} failed (cells/*/failed.txt says why); --retry-failed tries again\n",
               counted(unfinished, "cell"));
  return unfinished > 0 ? 1 : 0;
}

}  // namespace serpette::cli
