#pragma once

#include <array>
#include <string_view>

#include "serpette/core/contract.hpp"
#include "serpette/method/settings.hpp"

namespace serpette {

/// A budget under the name people give on the command line.
struct NamedBudget {
  std::string_view name, meaning;
  Budget budget;
};

/// smoke: the smallest that still runs every stage. demo: the drawn scenes on two cores in minutes.
/// paper: what the paper spent, on 50,000 images at 416 × 416 on a GPU.
inline constexpr std::array<NamedBudget, 3> kBudgets{{
    {"smoke",
     "the smallest that still runs every stage",
     {.pretrain = {.steps = 2, .batch_size = 2, .learning_rate = 1e-4},
      .scores = {.steps = 2, .batch_size = 2},
      .finetune = {.steps = 2, .batch_size = 2, .learning_rate = 1e-4},
      .score_images = 2,
      .evaluate = {.batch_size = 4, .images = 8, .timing_images = 3, .timing_warmup = 1}}},
    {"demo",
     "the drawn scenes on two cores",
     {.pretrain = {.steps = 100, .batch_size = 8, .learning_rate = 1e-3, .warmup = 5, .clip = 50},
      .scores = {.steps = 20, .batch_size = 8, .clip = 50},
      .finetune = {.steps = 48,
                   .batch_size = 8,
                   .learning_rate = 2e-3,
                   .warmup = 2,
                   .optimizer = TrainSettings::Optimizer::kAdam},
      .score_images = 32,
      .evaluate = {.batch_size = 16, .images = 64, .timing_images = 50, .timing_warmup = 5}}},
    {"paper",
     "the paper's: 50,000 images of 416 x 416, on a GPU",
     {.pretrain = {.steps = 31250, .batch_size = 16, .learning_rate = 1e-3, .warmup = 1000},
      .scores = {.steps = 9375, .batch_size = 16},
      .finetune = {.steps = 15625, .batch_size = 16, .learning_rate = 1e-3, .warmup = 200},
      .score_images = 1000,
      .evaluate = {.batch_size = 16, .images = 0, .timing_images = 500, .timing_warmup = 20}}},
}};

/// @throws Error  if there is no budget of that name.
inline const NamedBudget& budget_named(std::string_view name) {
  for (const auto& named : kBudgets)
    if (named.name == name) return named;
  fail("--budget", "should be smoke, demo or paper, got \"{}\"", name);
}

}  // namespace serpette
