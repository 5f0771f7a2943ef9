#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include "serpette/io/detections.hpp"
#include "serpette/method/robustness.hpp"
#include "serpette/study/seal.hpp"
#include "serpette/study/store.hpp"

namespace serpette {

/// Finished trials in a folder, each its detections and a seal that says what of and holds the
/// numbers: a suite that was stopped goes on with the attack that it was at.
class KeptTrials {
 public:
  /// @param truth  of the images that are evaluated.
  /// @param of     what results depend on besides the attack; one line.
  /// @param store  and `truth` outlive this.
  KeptTrials(const Store& store, std::filesystem::path folder, const Instances& truth,
             std::string of = {})
      : store_(store), folder_(std::move(folder)), truth_(truth), of_(std::move(of)) {}

  /// What is kept of the trial under this name, or else what `compute()` gives, kept from now on.
  template <class Compute>
  TrialResult get(const std::string& name, const Trial& trial, Compute&& compute) const {
    const auto file = folder_ / name / "detections.csv", seal = folder_ / name / "seal.txt";
    const auto& key = trial.attack.settings;
    if (const auto kept = Seal::read(seal);
        kept && kept->text("attack") == key && kept->text("of") == of_ && kept->holds(file)) {
      TrialResult result;
      result.evaluation = evaluation_of(truth_, read_detections(file, truth_));
      result.evaluation.unreadable = kept->template number<std::int64_t>("unreadable");
      result.max_abs = kept->template number<double>("max_abs");
      result.mean_l2 = kept->template number<double>("mean_l2");
      result.seconds = kept->template number<double>("seconds");
      return result;
    }
    auto result = compute();
    store_.begin();
    std::filesystem::remove(seal);
    write_detections_csv(file, result.evaluation.detections, truth_);
    Seal kept;
    kept.set("attack", key);
    kept.set("of", of_);
    kept.set("unreadable", result.evaluation.unreadable);
    kept.set("max_abs", result.max_abs);
    kept.set("mean_l2", result.mean_l2);
    kept.set("seconds", result.seconds);
    kept.set_file(file);
    kept.write(seal);
    return result;
  }

 private:
  const Store& store_;
  std::filesystem::path folder_;
  const Instances& truth_;
  std::string of_;
};

}  // namespace serpette
