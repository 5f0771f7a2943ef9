#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "serpette_report/study.hpp"

namespace serpette {

/// A metric that tables and tests are made of, by the paper's name.
struct Family {
  std::string_view name;    ///< In the paper's words, "mAP" and "time"; ours beside: "clean mAP".
  std::string_view metric;  ///< Column of cells.csv.
  std::string_view unit;
  int decimals;  ///< As the paper prints values.
  bool more_is_better;
  std::string_view words;  ///< As sentences say it.
};

/// The paper's mAP is measured under PGD; the clean one stands beside it.
inline constexpr std::array kFamilies{
    Family{"mAP", "robust_AP50", "", 3, true, "AP50 under attack"},
    Family{"time", "ms_total", "ms", 1, false, "total time per image"},
    Family{"clean mAP", "AP50", "", 3, true, "AP50 on clean images"}};

/// The families that a study has measured.
inline std::vector<Family> families(const Study& study) {
  std::vector<Family> found;
  for (const auto& family : kFamilies)
    if (study.has(family.metric)) found.push_back(family);
  return found;
}

/// The family of that name.
inline const Family& family(std::string_view name) {
  for (const auto& f : kFamilies)
    if (f.name == name) return f;
  fail("family", "should be mAP, time or clean mAP, got \"{}\"", name);
}

/// What the paper's structured pruning removes: whole filters, or, as its author reads it since,
/// whole kernels. Tables, tests and claims exist for both.
enum class Reading { kFilters, kKernels };
inline constexpr std::array kReadings{Reading::kFilters, Reading::kKernels};

/// The id that a scenario of the paper has under a reading: "structured_hydra" → "kernel_hydra".
inline std::string under(Reading reading, std::string_view id) {
  constexpr std::string_view kFilters = "structured_";
  if (reading == Reading::kFilters || !id.starts_with(kFilters)) return std::string(id);
  return "kernel_" + std::string(id.substr(kFilters.size()));
}

/// A table of ours after one of the paper's: "VII", "VII clean", "VII kernels", "VII clean
/// kernels".
inline std::string table_like(std::string_view number, std::string_view family_name,
                              Reading reading) {
  return std::string(number) + (family_name == "clean mAP" ? " clean" : "") +
         (reading == Reading::kKernels ? " kernels" : "");
}

/// The paper's table of all runs (V–XIV), or ours after it; "" for scenarios that the paper does
/// not know.
inline std::string runs_table(std::string_view family_name, std::string_view scenario) {
  static constexpr std::array<std::string_view, 5> kScenarios{
      "unstructured_deeplift", "unstructured_hydra", "structured_deeplift", "structured_hydra",
      "unstructured_deeplift_greyscale"};
  static constexpr std::array<std::string_view, 10> kTables{"V", "VI", "VII", "VIII", "IX",
                                                            "X", "XI", "XII", "XIII", "XIV"};
  for (std::size_t i = 0; i < kScenarios.size(); ++i)
    for (const auto reading : kReadings)
      if (under(reading, kScenarios[i]) == scenario)
        return table_like(kTables[i + (family_name == "time" ? 5 : 0)], family_name, reading);
  return "";
}

/// Two scenarios compared, in one family of tests.
struct Comparison {
  std::string table;          ///< The paper's (I–IV) or ours after it, "" where there is none.
  std::string family;         ///< As Family::name.
  std::string label;          ///< As the paper's row.
  std::string first, second;  ///< Scenario ids.
};

/// The paper's comparisons of scenarios that the study has, in its order, under both readings;
/// then every scenario that the paper does not know against each other one. A study without any of
/// the paper's pairs compares all its scenarios.
inline std::vector<Comparison> comparisons(const Study& study) {
  struct Pair {
    std::string_view label, first, second;
    bool is_structured, is_color;
  };
  static constexpr std::array kPairs{
      Pair{"DeepLIFT vs. HYDRA (Unstructured)", "unstructured_deeplift", "unstructured_hydra",
           false, false},
      Pair{"DeepLIFT vs. HYDRA (Structured)", "structured_deeplift", "structured_hydra", true,
           false},
      Pair{"Unstructured vs. Structured (DeepLIFT)", "unstructured_deeplift", "structured_deeplift",
           true, false},
      Pair{"Unstructured vs. Structured (HYDRA)", "unstructured_hydra", "structured_hydra", true,
           false},
      Pair{"Greyscale vs Colour (Unstructured DeepLIFT)", "unstructured_deeplift_greyscale",
           "unstructured_deeplift", false, true}};
  const auto& ids = study.scenarios();
  std::vector<Comparison> list;
  for (const auto& f : families(study)) {
    const auto before = list.size();
    for (const auto reading : kReadings)
      for (const auto& pair : kPairs) {
        const auto first = under(reading, pair.first), second = under(reading, pair.second);
        // A pair without a structured side stands in the other reading's table where there is one.
        const bool again = reading == Reading::kKernels && !pair.is_structured;
        const bool completes = again && !pair.is_color && study.knows("kernel_deeplift") &&
                               study.knows("kernel_hydra");
        if (!study.knows(first) || !study.knows(second) || (again && !completes)) continue;
        const std::string_view number =
            f.name == "time" ? (pair.is_color ? "IV" : "II") : (pair.is_color ? "III" : "I");
        auto label = std::string(pair.label);
        if (reading == Reading::kKernels)
          if (const auto at = label.find("Structured");
              at != std::string::npos && pair.is_structured)
            label.replace(at, std::string_view("Structured").size(), "Kernels");
        list.push_back({table_like(number, f.name, reading), std::string(f.name), std::move(label),
                        first, second});
      }
    const bool as_paper = list.size() > before;
    for (std::size_t i = 0; i < ids.size(); ++i)
      for (std::size_t j = i + 1; j < ids.size(); ++j) {
        const bool own = runs_table("mAP", ids[i]).empty() || runs_table("mAP", ids[j]).empty();
        const bool readings = under(Reading::kKernels, ids[i]) == ids[j];
        if (!as_paper || own || readings)
          list.push_back({"", std::string(f.name),
                          scenario_label(ids[i]) + " vs. " + scenario_label(ids[j]), ids[i],
                          ids[j]});
      }
  }
  return list;
}

}  // namespace serpette
