#pragma once

#include <string>
#include <vector>

namespace serpette::cli {

/// What tells one program of many scenarios from another.
struct StudyKind {
  std::string title;        ///< Of the report.
  std::string description;  ///< For --help.
  std::string out;          ///< Default of --out.
  int runs = 1;             ///< Default of --runs.
  /// Scenarios that run beside the paper's five unless --scenarios says others.
  std::vector<std::string> beside{};
};

/// The main function of a program of several scenarios, on data that people give or on drawn scenes
/// and the slim YOLOv3 that ship with the project; ends with a report. Compiled once for all of
/// them.
int shipped_study(const StudyKind& kind, int argc, char** argv);

}  // namespace serpette::cli
