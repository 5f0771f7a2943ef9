#pragma once

#include <CLI/CLI.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "serpette/app/cli.hpp"
#include "serpette/prune/by_target.hpp"

namespace serpette::cli {

/// What people want of the pruned network: a ratio, or what the ratio is to reach. Exactly one of
/// four options; what belongs to another is refused.
class RatioTarget {
 public:
  /// What a bisection measures at a ratio.
  using Measure = std::function<double(Ratio)>;

  void add_to(CLI::App& app) {
    app.add_option("--ratio", ratio_, "Share to remove, in percent, in [0, 100)");
    app.add_option("--keep", keep_,
                   "Or: the largest ratio that keeps this share of the AP50 which the same "
                   "training\nreaches unpruned, in (0, 1]; every ratio that is tried is trained")
        ->check(number_to(1, "above 0 to 1", ""));
    app.add_option("--of", of_,
                   "What --keep is a share of: AP50 under the scenario's attack, "
                   "or clean")
        ->check(one_of({"robust_AP50", "AP50"}))
        ->default_str("robust_AP50");
    app.add_option("--max-ms", max_ms_,
                   "Or: the least pruning at which the network takes no longer than this, in "
                   "milliseconds\nan image on this CPU; found before anything is trained")
        ->check(kNonNegative);
    app.add_option(
           "--max-parameters", max_parameters_,
           "Or: the least pruning that leaves no more parameters; of whole filters. Found before "
           "anything\nis trained; where trained scores leave more, the ratio grows and is trained "
           "again")
        ->check(kSome);
    app.add_option("--up-to", up_to_, "The largest ratio that a search tries, in percent")
        ->default_str("99");
  }

  /// @throws Error  if not exactly one of the four was given, or one that goes with another.
  void check() const {
    std::vector<std::string> given;
    for (const auto& [is, name] : {std::pair{ratio_.has_value(), "--ratio"},
                                   {keep_.has_value(), "--keep"},
                                   {max_ms_.has_value(), "--max-ms"},
                                   {max_parameters_.has_value(), "--max-parameters"}})
      if (is) given.emplace_back(name);
    require(given.size() == 1, "--ratio",
            "or one of --keep, --max-ms and --max-parameters should be given, got {}",
            given.empty() ? "none of them" : fmt::format("{}", fmt::join(given, " and ")));
    require(!of_ || keep_, "--of", "should come with --keep, got {}", given.front());
    require(!up_to_ || !ratio_, "--up-to",
            "should come with --keep, --max-ms or --max-parameters, got --ratio");
    require(!keep_ || *keep_ > 0, "--keep", "should be a share above 0 to 1, got {}",
            keep_.value_or(0));
    if (ratio_) (void)Ratio::parse(*ratio_, "--ratio");
    (void)range();
  }

  /// The ratio that was given, if it was.
  [[nodiscard]] std::optional<Ratio> ratio() const {
    return ratio_ ? std::optional(Ratio::parse(*ratio_, "--ratio")) : std::nullopt;
  }
  [[nodiscard]] bool keeps() const { return keep_.has_value(); }
  [[nodiscard]] bool clean() const { return of_ == "AP50"; }
  [[nodiscard]] std::optional<double> max_ms() const { return max_ms_; }
  [[nodiscard]] std::optional<std::int64_t> max_parameters() const { return max_parameters_; }

  /// @name The search of each, every probe printed and remembered
  /// @throws Error  if the target is out of reach, saying what would do.
  /// @{
  Ratio search_keeping(const Measure& ap50) {
    const double whole = ap50(Ratio());
    require(whole > 0, "--keep",
            "should be a share of something, got an AP50 of 0 at ratio 0; train the network longer "
            "(--pretrain-steps, --finetune-steps)");
    std::string_view what = clean() ? "AP50" : "robust AP50";
    return largest_ratio(
               "--keep", *keep_ * whole, range(),
               [&](Ratio r) { return r == Ratio() ? whole : ap50(r); },
               [&](const Probe& p) {
                 tell(p, fmt::format("{} {:.3f}, {:.1f} % of {:.3f}", what, p.value,
                                     100 * p.value / whole, whole));
               })
        .ratio;
  }
  Ratio search_milliseconds(const Measure& ms) {
    return least_ratio("--max-ms", *max_ms_, range(), ms,
                       [&](const Probe& p) { tell(p, fmt::format("{:.3f} ms", p.value)); })
        .ratio;
  }
  /// @param mask     of any scores: what is counted before anything is trained.
  /// @param trained  parameters of the network that is pruned at a ratio and trained.
  Ratio search_parameters(const Graph& graph, const std::function<Mask(Ratio)>& mask,
                          const Measure& trained) {
    auto fine = range();
    fine.resolution = Ratio::parse("0.1");
    const auto counted = ratio_within_parameters(
        graph, *max_parameters_, mask, fine,
        [&](const Probe& p) { tell(p, fmt::format("{:.0f} parameters", p.value)); });
    return trained_within_parameters(
               counted.ratio, parameters(graph), *max_parameters_, fine, trained,
               [&](const Probe& p) { tell(p, fmt::format("{:.0f} parameters, trained", p.value)); })
        .ratio;
  }
  /// @}

  [[nodiscard]] const std::vector<Probe>& probes() const { return probes_; }

 private:
  [[nodiscard]] SearchRange range() const {
    SearchRange range;
    if (up_to_) range.most = Ratio::parse(*up_to_, "--up-to");
    require(range.most > range.least, "--up-to", "should be above 0 %, got {}", range.most.str());
    return range;
  }
  void tell(const Probe& probe, const std::string& measured) {
    fmt::print("probe: ratio {} %: {}: {}\n", probe.ratio.str(), measured,
               probe.meets ? "meets it" : "does not");
    std::fflush(stdout);
    std::erase_if(probes_, [&](const Probe& p) { return p.ratio == probe.ratio; });  // only counted
    probes_.push_back(probe);
  }

  std::optional<std::string> ratio_, of_, up_to_;
  std::optional<double> keep_, max_ms_;
  std::optional<std::int64_t> max_parameters_;
  std::vector<Probe> probes_;
};

}  // namespace serpette::cli
