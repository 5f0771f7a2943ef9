#pragma once

#include <array>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette_report/families.hpp"
#include "serpette_report/study.hpp"
#include "serpette_report/tests.hpp"

namespace serpette {

/// A sentence of the paper, held against a study.
struct Claim {
  std::string text;     ///< What the paper says.
  std::string reading;  ///< What "structured" is taken to mean: "filters", "kernels"; "" where the
                        ///< sentence does not say it.
  std::string measure;  ///< What was compared: "AP50 under attack", "AP50 on clean images", ….
  std::string verdict;  ///< "supported", "partly supported", "not supported", "contradicted"; of a
                        ///< claimed equality "not refuted", "refuted at some ratios": tests can
                        ///< refute one, but not prove it.
  std::string reason;   ///< Ratio by ratio.
};

namespace detail {

enum class Expect { kFirstMore, kFirstLess, kNoDifference };

struct ClaimRule {
  std::string_view text, family, first, second;
  double low, high;  ///< Percent, both included.
  Expect expect;
};

/// What the paper says in its section IV, as tests.
inline constexpr std::array kClaims{
    ClaimRule{"DeepLIFT scores give a higher mAP than HYDRA's scaled start under unstructured "
              "pruning, 50–85 %",
              "mAP", "unstructured_deeplift", "unstructured_hydra", 50, 85, Expect::kFirstMore},
    ClaimRule{"DeepLIFT scores give a higher mAP than HYDRA's scaled start under structured "
              "pruning, 50–85 %",
              "mAP", "structured_deeplift", "structured_hydra", 50, 85, Expect::kFirstMore},
    ClaimRule{
        "Unstructured pruning keeps a higher mAP than structured pruning with DeepLIFT, 25–90 %",
        "mAP", "unstructured_deeplift", "structured_deeplift", 25, 90, Expect::kFirstMore},
    ClaimRule{"Unstructured pruning keeps a higher mAP than structured pruning with HYDRA, 25–90 %",
              "mAP", "unstructured_hydra", "structured_hydra", 25, 90, Expect::kFirstMore},
    ClaimRule{"The score start makes no clear difference to the inference time under unstructured "
              "pruning",
              "time", "unstructured_deeplift", "unstructured_hydra", 0, 99, Expect::kNoDifference},
    ClaimRule{
        "The score start makes no clear difference to the inference time under structured pruning",
        "time", "structured_deeplift", "structured_hydra", 0, 99, Expect::kNoDifference},
    ClaimRule{"At 50 % DeepLIFT is slightly faster than HYDRA under unstructured pruning", "time",
              "unstructured_deeplift", "unstructured_hydra", 50, 50, Expect::kFirstLess},
    ClaimRule{"At 50 % DeepLIFT is slightly faster than HYDRA under structured pruning", "time",
              "structured_deeplift", "structured_hydra", 50, 50, Expect::kFirstLess},
    ClaimRule{"Structured pruning is faster than unstructured pruning with DeepLIFT from 65 % on",
              "time", "structured_deeplift", "unstructured_deeplift", 65, 99, Expect::kFirstLess},
    ClaimRule{"Structured pruning is faster than unstructured pruning with HYDRA from 65 % on",
              "time", "structured_hydra", "unstructured_hydra", 65, 99, Expect::kFirstLess},
    ClaimRule{"Greyscale images cost mAP, 0–65 %", "mAP", "unstructured_deeplift_greyscale",
              "unstructured_deeplift", 0, 65, Expect::kFirstLess},
    ClaimRule{"At 95 and 99 % colour makes no difference to mAP", "mAP",
              "unstructured_deeplift_greyscale", "unstructured_deeplift", 95, 99,
              Expect::kNoDifference},
    ClaimRule{"Greyscale networks are slightly faster, 0–65 %", "time",
              "unstructured_deeplift_greyscale", "unstructured_deeplift", 0, 65,
              Expect::kFirstLess}};

inline std::string join(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace detail

namespace detail {

/// The readings under which a sentence about these scenarios says something, each with its word.
inline std::vector<std::pair<Reading, std::string>> readings_of(std::string_view first,
                                                                std::string_view second) {
  if (!first.starts_with("structured_") && !second.starts_with("structured_"))
    return {{Reading::kFilters, ""}};
  return {{Reading::kFilters, "filters"}, {Reading::kKernels, "kernels"}};
}

/// One sentence under one reading, in one family of tests; nothing if no test is about it.
inline std::optional<Claim> judged(const ClaimRule& rule, const Family& f, Reading reading,
                                   std::span<const PairTest> tests) {
  const auto one = under(reading, rule.first), two = under(reading, rule.second);
  std::vector<std::string> with, against, open;
  double escaped =
      0;  // the largest difference that the intervals of the open ratios leave room for
  for (const auto& t : tests) {
    const bool same = t.comparison.first == one && t.comparison.second == two;
    const bool swapped = t.comparison.first == two && t.comparison.second == one;
    // What stands in both readings' tables is judged in the printed one.
    const bool elsewhere = reading == Reading::kFilters && t.comparison.table.ends_with("kernels");
    if (t.comparison.family != f.name || (!same && !swapped) || elsewhere ||
        percent(t.ratio) < rule.low || percent(t.ratio) > rule.high)
      continue;
    const double difference = swapped ? -t.difference : t.difference;
    const auto entry = t.ratio + " %";
    if (!t.significant()) {
      open.push_back(entry);
      escaped = std::fmax(escaped, std::fmax(std::abs(t.low), std::abs(t.high)));
    } else if (rule.expect == Expect::kFirstMore   ? difference > 0
               : rule.expect == Expect::kFirstLess ? difference < 0
                                                   : false) {
      with.push_back(entry);
    } else {
      against.push_back(entry);
    }
  }
  if (with.empty() && against.empty() && open.empty()) return std::nullopt;
  Claim claim{
      .text = std::string(rule.text), .reading = {}, .measure = {}, .verdict = {}, .reason = {}};
  const auto say = [&](std::string_view what, const std::vector<std::string>& ratios) {
    if (!ratios.empty())
      claim.reason +=
          fmt::format("{}{} at {}", claim.reason.empty() ? "" : "; ", what, join(ratios));
  };
  if (rule.expect == Expect::kNoDifference) {
    claim.verdict = against.empty() ? "not refuted"
                    : open.empty()  ? "contradicted"
                                    : "refuted at some ratios";
    say("a difference is found", against);
    say("none is found", open);
    if (escaped > 0 && !open.empty())
      claim.reason += fmt::format(" (there it may be up to {:.2g}{}: 95 % intervals)", escaped,
                                  f.name == "time" ? " ms" : "");
  } else {
    claim.verdict = !with.empty() && against.empty() && open.empty() ? "supported"
                    : !with.empty()                                  ? "partly supported"
                    : !against.empty()                               ? "contradicted"
                                                                     : "not supported";
    say("found", with);
    say("the opposite is found", against);
    say("not found", open);
  }
  return claim;
}

}  // namespace detail

/// The paper's claims under Welch's test after Holm's correction (5 % per family), as far as the
/// study has the scenarios: a claimed difference must be found at every ratio claimed to be
/// supported, a claimed equality must not be refuted; how large a difference may have escaped is
/// said with it. What the paper says of mAP, which it measures under PGD, is asked of clean images
/// as well, and what it says of structured pruning of filters and of kernels.
inline std::vector<Claim> paper_claims(const Study& study, std::span<const PairTest> tests) {
  std::vector<Claim> claims;
  for (const auto& rule : detail::kClaims)
    for (const auto& [reading, word] : detail::readings_of(rule.first, rule.second))
      for (const auto& f : kFamilies) {
        if (f.name != rule.family && !(rule.family == "mAP" && f.name == "clean mAP")) continue;
        if (auto claim = detail::judged(rule, f, reading, tests)) {
          claim->reading = word, claim->measure = study.label(metric(f.metric));
          claims.push_back(*std::move(claim));
        }
      }
  return claims;
}

}  // namespace serpette
