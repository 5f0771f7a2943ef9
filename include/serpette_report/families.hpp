#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette_report/study.hpp"

namespace serpette {

/// A metric that tables and tests are made of, by the paper's name.
struct Family {
  std::string_view name;  ///< In the paper's words: "mAP", "time"; ours beside them: "robust mAP".
  std::string_view metric;  ///< Column of cells.csv.
  std::string_view unit;
  int decimals;  ///< As the paper prints values.
  bool more_is_better;
};

inline constexpr std::array kFamilies{Family{"mAP", "AP50", "", 3, true},
                                      Family{"time", "ms_total", "ms", 1, false},
                                      Family{"robust mAP", "robust_AP50", "", 3, true}};

/// The families that a study has measured.
inline std::vector<Family> families(const Study& study) {
  std::vector<Family> found;
  for (const auto& family : kFamilies)
    if (study.has(family.metric)) found.push_back(family);
  return found;
}

/// Number of the paper's table of all runs (V–XIV), "" where the paper has none.
inline std::string_view runs_table(std::string_view family, std::string_view scenario) {
  static constexpr std::array<std::string_view, 5> kScenarios{
      "unstructured_deeplift", "unstructured_hydra", "structured_deeplift", "structured_hydra",
      "unstructured_deeplift_greyscale"};
  static constexpr std::array<std::string_view, 10> kTables{"V", "VI", "VII", "VIII", "IX",
                                                            "X", "XI", "XII", "XIII", "XIV"};
  for (std::size_t i = 0; i < kScenarios.size(); ++i)
    if (kScenarios[i] == scenario && family != "robust mAP")
      return kTables[i + (family == "time" ? 5 : 0)];
  return "";
}

/// Two scenarios compared, in one family of tests.
struct Comparison {
  std::string table;          ///< The paper's (I–IV), "" where it has none.
  std::string family;         ///< As Family::name.
  std::string label;          ///< As the paper's row.
  std::string first, second;  ///< Scenario ids.
};

/// The paper's comparisons of scenarios that the study has, in its order; then, for every scenario
/// the paper does not know, that scenario against each other one. A study without any of the
/// paper's pairs compares all its scenarios.
inline std::vector<Comparison> comparisons(const Study& study) {
  struct Pair {
    std::string_view label, first, second;
    bool is_color;
  };
  static constexpr std::array kPairs{
      Pair{"DeepLIFT vs. HYDRA (Unstructured)", "unstructured_deeplift", "unstructured_hydra",
           false},
      Pair{"DeepLIFT vs. HYDRA (Structured)", "structured_deeplift", "structured_hydra", false},
      Pair{"Unstructured vs. Structured (DeepLIFT)", "unstructured_deeplift", "structured_deeplift",
           false},
      Pair{"Unstructured vs. Structured (HYDRA)", "unstructured_hydra", "structured_hydra", false},
      Pair{"Greyscale vs Colour (Unstructured DeepLIFT)", "unstructured_deeplift_greyscale",
           "unstructured_deeplift", true}};
  const auto& ids = study.scenarios();
  const auto known = [&](std::string_view id) { return std::ranges::find(ids, id) != ids.end(); };
  std::vector<Comparison> list;
  const bool as_paper =
      std::ranges::any_of(kPairs, [&](const Pair& p) { return known(p.first) && known(p.second); });
  for (const auto& family : families(study)) {
    for (const auto& pair : kPairs) {
      if (!known(pair.first) || !known(pair.second)) continue;
      const std::string_view table = family.name == "mAP"    ? (pair.is_color ? "III" : "I")
                                     : family.name == "time" ? (pair.is_color ? "IV" : "II")
                                                             : "";
      list.push_back({std::string(table), std::string(family.name), std::string(pair.label),
                      std::string(pair.first), std::string(pair.second)});
    }
    for (std::size_t i = 0; i < ids.size(); ++i)
      for (std::size_t j = i + 1; j < ids.size(); ++j)
        if (!as_paper || runs_table("mAP", ids[i]).empty() || runs_table("mAP", ids[j]).empty())
          list.push_back({"", std::string(family.name),
                          scenario_label(ids[i]) + " vs. " + scenario_label(ids[j]), ids[i],
                          ids[j]});
  }
  return list;
}

/// The family of that name.
inline const Family& family(std::string_view name) {
  for (const auto& f : kFamilies)
    if (f.name == name) return f;
  fail("family", "should be mAP, time or robust mAP, got \"{}\"", name);
}

}  // namespace serpette
