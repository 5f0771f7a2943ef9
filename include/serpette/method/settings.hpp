#pragma once

#include <cstdint>

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
  std::int64_t warmup = 0;     ///< Steps of the linear rise.
  double clip = 0;             ///< Largest norm of the whole gradient; 0: no limit.
  Optimizer optimizer = Optimizer::kSgd;
};

/// How evaluation and timing run.
struct EvaluateSettings {
  std::int64_t batch_size = 8;
  std::int64_t images = 0;  ///< At most this many of the test images, the first by id; 0: all.
  std::int64_t timing_images = 50;  ///< Timed one by one, after the warm-up.
  std::int64_t timing_warmup = 5;
};

/// All numbers of a run that are not a policy's own. `budgets.hpp` names three sets of them.
struct Budget {
  TrainSettings pretrain;  ///< Robust pre-training, once per run.
  TrainSettings
      scores;  ///< Score training; learning rate and momentum come from the policy's optimizer.
  TrainSettings finetune;          ///< Robust fine-tuning, once per cell.
  std::int64_t score_images = 64;  ///< Images that one-pass scores average over.
  EvaluateSettings evaluate;
};

}  // namespace serpette
