#pragma once

#include <CLI/CLI.hpp>
#include <optional>

#include "serpette/concepts/attack.hpp"
#include "serpette/concepts/score_init.hpp"
#include "serpette/scenario/scenario.hpp"
#include "serpette/score/deep_lift.hpp"
#include "support/cli.hpp"

namespace serpette::cli {

/// The settings of the shipped policies as options; what is not given keeps the policy's default.
struct PolicyOptions {
  std::optional<double> epsilon, step, attacked, score_learning_rate;
  std::optional<int> steps;
  bool random_start = false;
  std::optional<Reference> reference;
  std::optional<AttributionRule> rule;
  std::optional<Target> target;

  void add_to(CLI::App& app) {
    app.add_option("--epsilon", epsilon, "Attack: largest change of a pixel (0.05)")
        ->check(kFraction);
    app.add_option("--attack-step", step, "Attack: size of one PGD step (0.02)")->check(kFraction);
    app.add_option("--attack-steps", steps, "Attack: number of PGD steps (5)")
        ->check(whole_number(0, 100000));
    app.add_flag("--attack-random-start", random_start, "Attack: start PGD at a random point");
    app.add_option("--attacked", attacked, "Part of every training batch that is attacked (0.5)")
        ->check(kFraction);
    add_choice(app, "--deeplift-reference", reference,
               {{"zeros", Reference::kZeros},
                {"grey", Reference::kLetterboxGrey},
                {"mean", Reference::kImageMean},
                {"blurred", Reference::kBlurred},
                {"clean-twin", Reference::kCleanTwin}},
               "DeepLIFT: what images are compared with (zeros)");
    add_choice(
        app, "--deeplift-rule", rule,
        {{"rescale", AttributionRule::kRescale}, {"reveal-cancel", AttributionRule::kRevealCancel}},
        "DeepLIFT: how multipliers pass a nonlinearity (rescale)");
    add_choice(app, "--deeplift-target", target,
               {{"detection", Target::kDetection}, {"detection+box", Target::kDetectionAndBox}},
               "DeepLIFT: logits that it explains, objectness and class, or the box's too "
               "(detection)");
    app.add_option("--score-learning-rate", score_learning_rate,
                   "HYDRA: first learning rate of the score training (0.1)")
        ->check(kNonNegative);
  }

  /// The scenario with these settings.
  template <AnyScenario S>
  [[nodiscard]] S apply_to(S scenario) const {
    apply(scenario.attack);
    apply(scenario.score);
    if constexpr (requires { scenario.objective.attacked; })
      scenario.objective.attacked = attacked.value_or(scenario.objective.attacked);
    return scenario;
  }

 private:
  template <Attack A>
  void apply(A& attack) const {
    if constexpr (requires { attack.epsilon; }) attack.epsilon = epsilon.value_or(attack.epsilon);
    if constexpr (requires { attack.step; }) attack.step = step.value_or(attack.step);
    if constexpr (requires { attack.steps; }) attack.steps = steps.value_or(attack.steps);
    if constexpr (requires { attack.random_start; }) attack.random_start |= random_start;
  }

  template <ScoreInit Score>
  void apply(Score& score) const {
    if constexpr (requires { score.reference; })
      score.reference = reference.value_or(score.reference);
    if constexpr (requires { score.rule; }) score.rule = rule.value_or(score.rule);
    if constexpr (requires { score.target; }) score.target = target.value_or(score.target);
    if constexpr (requires { score.optimizer.learning_rate; })
      score.optimizer.learning_rate = score_learning_rate.value_or(score.optimizer.learning_rate);
  }
};

}  // namespace serpette::cli
