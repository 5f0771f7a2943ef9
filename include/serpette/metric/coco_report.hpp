#pragma once

#include <fmt/format.h>

#include <string>

#include "serpette/metric/coco_evaluation.hpp"

namespace serpette {

/// The 12 numbers as a JSON object with the keys AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm
/// ARl; doubles read back to the same value.
inline std::string summary_json(const CocoSummary& summary) {
  std::string text = "{";
  for (const auto& [name, value] : summary.numbers())
    text += fmt::format("{}\n  \"{}\": {}", text.size() == 1 ? "" : ",", name, value);
  return text + "\n}\n";
}

/// The 12 numbers for people, one line each.
inline std::string summary_text(const CocoSummary& summary) {
  std::string text;
  for (const auto& [name, value] : summary.numbers())
    text += fmt::format("  {:<6} {:9.6f}\n", name, value);
  return text;
}

}  // namespace serpette
