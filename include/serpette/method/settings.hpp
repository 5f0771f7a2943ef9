#pragma once

#include <array>
#include <cstdint>

#include "serpette/core/precision.hpp"
#include "serpette/core/settings.hpp"

namespace serpette {

/// How one training stage (robust pre-training, fine-tuning, score training) runs: SGD or Adam with
/// a linear warm-up and a cosine to zero. What its steps minimise is the scenario's objective.
struct TrainSettings {
  enum class Optimizer { kSgd, kAdam, kAdamW };

  std::int64_t steps = 1000;  ///< Optimizer steps; 0 leaves the detector as it is.
  std::int64_t batch_size = 8;
  double learning_rate = 1e-3;
  double momentum = 0.9;       ///< SGD's; Adam and AdamW have their own 0.9 and 0.999.
  double weight_decay = 5e-4;  ///< On convolution weights only, as darknet does.
  std::int64_t warmup = 0;     ///< Steps of the linear rise; at most half of all count.
  double clip = 0;             ///< Largest norm of the whole gradient; 0: no limit.
  Optimizer optimizer = Optimizer::kSgd;
  double average = 0;  ///< Share of the past in the moving average that the stage ends with; 0:
                       ///< what its last step left.
  std::int64_t statistics_images = 0;  ///< Images that batch norm's statistics are taken anew from
                                       ///< before the first step; 0: kept as they are.
  Precision precision = Precision::kFloat32;  ///< Of the steps' products, the attacks' included.
                                              ///< What is measured is measured in float32.

  friend constexpr auto words(Optimizer) {
    return std::array<Word<Optimizer>, 3>{
        {{"sgd", Optimizer::kSgd}, {"adam", Optimizer::kAdam}, {"adamw", Optimizer::kAdamW}}};
  }
  static constexpr auto describe() {
    return settings(
        setting<&TrainSettings::steps>("Optimizer steps", at_least(0)),
        setting<&TrainSettings::batch_size>("Images per step", from_to(1, 1 << 20)),
        setting<&TrainSettings::learning_rate>("Its peak", at_least(0)),
        setting<&TrainSettings::momentum>("SGD's momentum", from_to(0, 1)),
        setting<&TrainSettings::weight_decay>("On convolution weights", at_least(0)),
        setting<&TrainSettings::warmup>("Steps of the linear rise; no more than half of all count",
                                        at_least(0)),
        setting<&TrainSettings::clip>("Largest gradient norm; 0: no limit", at_least(0)),
        setting<&TrainSettings::optimizer>("How weights move"),
        setting<&TrainSettings::average>("Share of the past in a moving average; 0: none",
                                         from_to(0, 1)),
        setting<&TrainSettings::statistics_images>(
            "Images for batch norm's statistics before the first step; 0: kept", at_least(0)),
        setting<&TrainSettings::precision>("Of the steps' products"));
  }
};

/// How evaluation and timing run.
struct EvaluateSettings {
  std::int64_t batch_size = 8;
  std::int64_t images = 0;  ///< At most this many of the test images, the first by id; 0: all.
  std::int64_t timing_images = 50;  ///< Timed one by one, after the warm-up.
  std::int64_t timing_warmup = 5;

  static constexpr auto describe() {
    return settings(
        setting<&EvaluateSettings::batch_size>("Test images at once", from_to(1, 1 << 20))
            .as("test_batch_size"),
        setting<&EvaluateSettings::images>("Test images to evaluate on; 0: all", at_least(0))
            .as("test_limit"),
        setting<&EvaluateSettings::timing_images>("Images timed one by one", at_least(1)),
        setting<&EvaluateSettings::timing_warmup>("Images before the timing starts", at_least(0)));
  }
};

/// All numbers of a run that are not a policy's own. `budgets.hpp` names three sets of them.
struct Budget {
  TrainSettings pretrain;  ///< Robust pre-training, once per run.
  TrainSettings
      scores;  ///< Score training; learning rate and momentum come from the policy's optimizer.
  TrainSettings finetune;          ///< Robust fine-tuning, once per cell.
  std::int64_t score_images = 64;  ///< Images that one-pass scores average over.
  EvaluateSettings evaluate;

  static constexpr auto describe() {
    return settings(
        part<&Budget::pretrain>("pretrain"),
        part<&Budget::scores>("score_training", {"learning_rate", "momentum", "weight_decay"}),
        part<&Budget::finetune>("finetune"),
        setting<&Budget::score_images>("Images that one-pass scores average over", at_least(1)),
        part<&Budget::evaluate>(""));
  }
};

}  // namespace serpette
