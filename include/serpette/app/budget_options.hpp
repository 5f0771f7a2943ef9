#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "serpette/app/cli.hpp"
#include "serpette/app/setting_options.hpp"
#include "serpette/method/budgets.hpp"

namespace serpette::cli {

/// What --precision means to every program that trains.
inline constexpr auto kPrecisionHelp =
    "Of the products in training steps, f32 or bf16: about twice as fast on processors with "
    "AVX-512 BF16 or AMX, slower on others; measured is in f32";

/// One line per budget, for --help: what the names mean in numbers.
inline std::string budget_table() {
  auto table = fmt::format(
      "\nBudgets (each number can be set alone):\n  {:<8}{:>10}{:>8}{:>10}{:>8}{:>14}{:>13}{:>8}\n",
      "", "pretrain", "score", "finetune", "batch", "score images", "test images", "timed");
  for (const auto& [name, meaning, b] : kBudgets)
    table +=
        fmt::format("  {:<8}{:>10}{:>8}{:>10}{:>8}{:>14}{:>13}{:>8}  {}\n", name, b.pretrain.steps,
                    b.scores.steps, b.finetune.steps, b.finetune.batch_size, b.score_images,
                    b.evaluate.images ? fmt::to_string(b.evaluate.images) : "all",
                    b.evaluate.timing_images, meaning);
  return table;
}

/// A named budget, and settings of it that were given alone: they win over the name, and those of
/// one stage over those of all stages, in whatever order they come.
struct BudgetOptions {
  std::string name = "demo";
  double stretch = 1;  ///< Of the steps of robust training and fine-tuning; a program's, no option.

  BudgetOptions() {
    alone_.offer(Budget{}, {}, false);
    alone_.also("--score-steps", "--score-training-steps");
  }

  void add_to(CLI::App& app) {
    app.add_option("--budget", name, "smoke, demo or paper; see the table below")
        ->capture_default_str();
    app.add_option("--batch-size", batch_size_, "Images per step of every stage")
        ->check(whole_number(std::int64_t{1}, std::int64_t{1} << 20));
    add_choice(app, "--precision", precision_, kPrecisionHelp);
    alone_.add_to(app);
    app.footer(budget_table());
  }

  /// The budget of that name with the settings that were given.
  /// @throws Error  if there is no budget of that name, or a setting has no effect.
  [[nodiscard]] Budget chosen() const {
    Budget b = budget_named(name).budget;
    for (auto* stage : {&b.pretrain, &b.scores, &b.finetune}) {
      stage->batch_size = batch_size_.value_or(stage->batch_size);
      stage->precision = precision_.value_or(stage->precision);
    }
    b = alone_.apply_to(b);
    for (auto* stage : {&b.pretrain, &b.finetune})
      stage->steps = std::llround(stretch * static_cast<double>(stage->steps));
    for (const auto& [stage, settings] :
         {std::pair{"pretrain", &b.pretrain}, std::pair{"finetune", &b.finetune}})
      require(settings->optimizer == TrainSettings::Optimizer::kSgd ||
                  !alone_.given()(fmt::format("{}-momentum", stage)),
              fmt::format("--{}-momentum", stage),
              "should come with --{}-optimizer sgd, got {}, which has its own", stage,
              typed_text(settings->optimizer));
    return b;
  }

  /// The settings that were given alone, by the names of their options.
  [[nodiscard]] std::vector<std::string> given() const { return alone_.names_given(); }

 private:
  std::optional<std::int64_t> batch_size_;
  std::optional<Precision> precision_;
  SettingOptions alone_;
};

}  // namespace serpette::cli
