#include <cstdio>

#include "serpette_report/report.hpp"

/// A study of one network is the smallest that reports.
int main() {
  serpette::CellRow cell;
  cell.scenario = "my_policy", cell.run = 1, cell.ratio = "0", cell.profile = "standard";
  cell.ap = cell.ap50 = cell.ap75 = cell.robust_ap = cell.robust_ap50 = 0.5;
  const serpette::Study study({cell});
  const auto html = serpette::page_html(study);
  std::printf("%zu bytes about %s\n", html.size(), serpette::scenario_label("my_policy").c_str());
  return html.find("My Policy") == std::string::npos ? 1 : 0;
}
