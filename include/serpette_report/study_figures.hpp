#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette_report/families.hpp"
#include "serpette_report/figure.hpp"
#include "serpette_report/palette.hpp"
#include "serpette_report/paper_means.hpp"
#include "serpette_report/statistics/describe.hpp"
#include "serpette_report/study.hpp"

/// @file
/// The figures of a study.

namespace serpette {

/// The untouched network's line, if the study has it.
inline std::vector<Level> original_level(const Study& study, const std::string& profile,
                                         const Metric& m) {
  const auto values = study.original(profile, m);
  if (values.empty()) return {};
  const auto d = describe(values);
  return {{scenario_label(kOriginal), original_style(), d.mean, d.population_sd}};
}

/// A curve per scenario: means over the ratio, bars of one (population) standard deviation, a dot
/// per run; and a line for the untouched network.
inline Figure ratio_figure(const Study& study, std::string title,
                           std::span<const std::string> scenarios, const std::string& profile,
                           const Metric& m) {
  Figure figure{std::move(title),
                "Pruning ratio [%]",
                study.label(m) + (m.unit.empty() ? "" : fmt::format(" [{}]", m.unit)),
                {},
                original_level(study, profile, m)};
  const auto styles = scenario_styles(study.scenarios());
  for (const auto& scenario : scenarios) {
    const auto index = static_cast<std::size_t>(std::ranges::find(study.scenarios(), scenario) -
                                                study.scenarios().begin());
    Series series{scenario_label(scenario), styles[index], {}, {}, {}};
    for (const auto& ratio : study.ratios()) {
      auto values = study.values(scenario, ratio, profile, m);
      const auto d = describe(values);
      series.x.push_back(percent(ratio));
      series.mean.push_back(d.mean);
      series.spread.push_back(d.population_sd);
      series.runs.push_back(values.size() > 1 ? std::move(values) : std::vector<double>{});
    }
    figure.series.push_back(std::move(series));
  }
  return figure;
}

/// What scenarios keep of their AP50 under attack, and, dotted in the same colour, what the
/// paper's keep of its mAP.
inline Figure retention_figure(const Study& study, std::span<const std::string> scenarios,
                               const std::string& profile) {
  const auto& m = metric("retention_robust_AP50");
  auto figure = ratio_figure(study, study.label(m), scenarios, profile, m);
  for (std::size_t i = 0, ours = figure.series.size(); i < ours; ++i) {
    Series series{scenario_label(scenarios[i]) + " (paper)",
                  {figure.series[i].style.hue, "", "1 4"},
                  {},
                  {},
                  {}};
    for (const auto& ratio : study.ratios())
      if (const auto part = paper_retention(scenarios[i], ratio)) {
        series.x.push_back(percent(ratio));
        series.mean.push_back(*part);
        series.spread.push_back(0);
      }
    // Kernels and filters stand beside the same curve: it is drawn once.
    const bool again = std::ranges::any_of(figure.series, [&](const Series& s) {
      return s.style.dash == "1 4" && s.mean == series.mean;
    });
    if (!series.x.empty() && !again) figure.series.push_back(std::move(series));
  }
  return figure;
}

/// The paper's Fig. 1 and 2 as far as the study has their scenarios, under both readings; what is
/// kept, beside the paper; then every metric with all scenarios.
/// @return  name of the file, figure.
inline std::vector<std::pair<std::string, Figure>> report_figures(const Study& study,
                                                                  const std::string& profile) {
  std::vector<std::pair<std::string, Figure>> figures;
  const auto add = [&](const std::string& file, const std::string& title,
                       std::vector<std::string> wanted, std::string_view id) {
    std::erase_if(wanted, [&](const auto& s) { return !study.knows(s); });
    if (wanted.size() >= 2 && study.has(id))
      figures.emplace_back(file, ratio_figure(study, title, wanted, profile, metric(id)));
  };
  for (const auto reading : kReadings) {
    std::vector<std::string> four{"unstructured_deeplift", "unstructured_hydra",
                                  under(reading, "structured_deeplift"),
                                  under(reading, "structured_hydra")};
    const bool kernels = reading == Reading::kKernels;
    if (kernels && !study.knows(four[2]) && !study.knows(four[3])) continue;
    const std::string file = kernels ? "_kernels" : "", words = kernels ? ", kernels" : "";
    add("fig_1a" + file, "Fig. 1a: mAP, DeepLIFT versus HYDRA" + words, four, "robust_AP50");
    add("fig_1a_clean" + file, "Fig. 1a on clean images, DeepLIFT versus HYDRA" + words, four,
        "AP50");
    add("fig_1b" + file, "Fig. 1b: inference time, DeepLIFT versus HYDRA" + words, four,
        "ms_total");
  }
  const std::vector<std::string> colors{"unstructured_deeplift", "unstructured_deeplift_greyscale"};
  add("fig_2a", "Fig. 2a: mAP, colour versus greyscale", colors, "robust_AP50");
  add("fig_2a_clean", "Fig. 2a on clean images, colour versus greyscale", colors, "AP50");
  add("fig_2b", "Fig. 2b: inference time, colour versus greyscale", colors, "ms_total");
  if (study.has("retention_robust_AP50"))
    figures.emplace_back("retention_beside_paper",
                         retention_figure(study, study.scenarios(), profile));
  for (const auto& m : study.metrics())
    figures.emplace_back(std::string(m.id),
                         ratio_figure(study, study.label(m), study.scenarios(), profile, m));
  return figures;
}

}  // namespace serpette
