#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "serpette/method/budgets.hpp"
#include "support/cli.hpp"

namespace serpette::cli {

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

/// A named budget, and numbers of it that were set alone: they win over the name, in whatever order
/// they come.
struct BudgetOptions {
  std::string name = "demo";
  std::optional<std::int64_t> pretrain_steps, score_steps, finetune_steps, batch_size, score_images,
      test_limit, timing_images, timing_warmup;
  std::optional<double> pretrain_learning_rate, finetune_learning_rate;

  void add_to(CLI::App& app) {
    app.add_option("--budget", name, "smoke, demo or paper; see the table below")
        ->capture_default_str();
    app.add_option("--pretrain-steps", pretrain_steps, "Steps of robust pre-training")
        ->check(kCount);
    app.add_option("--score-steps", score_steps, "Steps of HYDRA's score training, per ratio")
        ->check(kCount);
    app.add_option("--finetune-steps", finetune_steps, "Steps of robust fine-tuning, per cell")
        ->check(kCount);
    app.add_option("--batch-size", batch_size, "Images per step")
        ->check(whole_number(std::int64_t{1}, std::int64_t{1} << 20));
    app.add_option("--score-images", score_images, "Images that DeepLIFT averages over")
        ->check(kSome);
    app.add_option("--test-limit", test_limit, "Test images to evaluate on; 0: all")->check(kCount);
    app.add_option("--timing-images", timing_images, "Images timed one by one")->check(kSome);
    app.add_option("--timing-warmup", timing_warmup, "Images before the timing starts")
        ->check(kCount);
    app.add_option("--pretrain-learning-rate", pretrain_learning_rate, "Its learning rate")
        ->check(kNonNegative);
    app.add_option("--finetune-learning-rate", finetune_learning_rate, "Its learning rate")
        ->check(kNonNegative);
    app.footer(budget_table());
  }

  /// The budget of that name with the numbers that were given.
  /// @throws Error  if there is no budget of that name.
  [[nodiscard]] Budget chosen() const {
    Budget b = budget_named(name).budget;
    const auto set = [](auto& number, const auto& given) {
      if (given) number = *given;
    };
    set(b.pretrain.steps, pretrain_steps);
    set(b.scores.steps, score_steps);
    set(b.finetune.steps, finetune_steps);
    set(b.score_images, score_images);
    set(b.evaluate.images, test_limit);
    set(b.evaluate.timing_images, timing_images);
    set(b.evaluate.timing_warmup, timing_warmup);
    set(b.pretrain.learning_rate, pretrain_learning_rate);
    set(b.finetune.learning_rate, finetune_learning_rate);
    for (auto* stage : {&b.pretrain, &b.scores, &b.finetune}) set(stage->batch_size, batch_size);
    return b;
  }
};

}  // namespace serpette::cli
