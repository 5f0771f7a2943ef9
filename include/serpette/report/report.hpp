#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "serpette/io/atomic_file.hpp"
#include "serpette/io/cells.hpp"
#include "serpette/report/figure.hpp"
#include "serpette/report/page.hpp"
#include "serpette/report/study.hpp"
#include "serpette/statistics/describe.hpp"

namespace serpette {

/// What a report shows, and what it accepts.
struct ReportOptions {
  PageOptions page;
  StudyRules rules;
  std::string place = "cells";  ///< What error messages call the cells, e.g. the file they come from.
};

/// A curve per scenario: mean dots over the ratio, standard-deviation bars.
inline Figure ratio_figure(const Study& study, const std::string& title, std::span<const std::string> scenarios,
                           const std::string& profile, const Metric& metric) {
  Figure figure{title, "Pruning ratio [%]",
                std::string(metric.label) + (metric.unit.empty() ? "" : fmt::format(" [{}]", metric.unit)), {}};
  for (const auto& scenario : scenarios) {
    const auto index = static_cast<std::size_t>(std::ranges::find(study.scenarios(), scenario) - study.scenarios().begin());
    Series series{scenario_label(scenario), series_style(index), {}, {}, {}};
    for (const auto& ratio : study.ratios()) {
      const auto d = describe(study.values(scenario, ratio, profile, metric));
      series.x.push_back(100 * Ratio::parse(ratio).fraction());
      series.mean.push_back(d.mean);
      series.spread.push_back(d.population_sd);
    }
    figure.series.push_back(std::move(series));
  }
  return figure;
}

/// Writes `index.html`, one page that opens offline, and `figures/*.svg` into a folder.
/// @throws Error  if the cells make no study (see Study) or the folder cannot be written.
/// @return        the page's path.
inline std::filesystem::path write_report(std::span<const CellRow> cells, const std::filesystem::path& folder,
                                          const ReportOptions& options = {}) {
  const Study study(std::vector(cells.begin(), cells.end()), options.place, options.rules);
  for (const auto& m : kMetrics)
    write_file(folder / "figures" / fmt::format("{}.svg", m.id),
               figure_svg(ratio_figure(study, std::string(m.label), study.scenarios(), study.main_profile(), m)));
  write_file(folder / "index.html", page_html(study, options.page));
  return folder / "index.html";
}

}  // namespace serpette
