#pragma once

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/read_file.hpp"

namespace serpette {

/// The folder that a report is written into: its files stay inside, and those of an earlier report
/// that this one does not write again go, so that no table of other cells stays beside new ones.
/// What was written stands in `report_files.txt`; a file that a report did not write is left alone.
class ReportFolder {
 public:
  explicit ReportFolder(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// Writes a file whole or not at all.
  /// @param name    of the file, or one folder and it: "runs.csv", "tables/table_V.csv".
  /// @throws Error  for a name that leads elsewhere, or a file that cannot be written.
  std::filesystem::path write(const std::string& name, std::string_view text) {
    require_inside(name);
    const auto path = folder_ / name;
    write_file(path, text);
    note(name);
    return path;
  }

  /// Counts a file that another program wrote here as the report's.
  void note(const std::string& name) { written_.insert(name); }

  /// Removes what the report before wrote and this one did not, and lists what is there now.
  /// @return  files in `tables` and `figures` that no report's list has, as those before
  /// `report_files.txt` came up: they may be of other cells.
  std::vector<std::string> finish() {
    for (const auto& name : listed())
      if (!written_.contains(name) && is_inside(name)) {
        std::error_code code;
        std::filesystem::remove(folder_ / name, code);
      }
    std::string list =
        "Files of the report in this folder; the next report removes what it does not write "
        "again.\n";
    for (const auto& name : written_) list += name + "\n";
    write_file(folder_ / kList, list);
    std::vector<std::string> strangers;
    for (const auto* const part : {"tables", "figures"}) {
      std::error_code code;
      for (const auto& entry : std::filesystem::directory_iterator(folder_ / part, code)) {
        const auto name = std::string(part) + "/" + entry.path().filename().string();
        if (!written_.contains(name)) strangers.push_back(name);
      }
    }
    std::ranges::sort(strangers);
    return strangers;
  }

 private:
  static constexpr const char* kList = "report_files.txt";

  /// One file name, or a folder's and a file's; none hidden, none of a folder above.
  static bool is_inside(std::string_view name) {
    const auto plain = [](std::string_view part) {
      return !part.empty() && part.front() != '.' && part.find('/') == part.npos &&
             part.find('\0') == part.npos;
    };
    const auto slash = name.find('/');
    return slash == name.npos ? plain(name)
                              : plain(name.substr(0, slash)) && plain(name.substr(slash + 1));
  }
  static void require_inside(const std::string& name) {
    require(is_inside(name), name, "should name a file inside the report's folder");
  }

  [[nodiscard]] std::vector<std::string> listed() const {
    std::vector<std::string> names;
    std::error_code code;
    if (!std::filesystem::is_regular_file(folder_ / kList, code)) return names;
    std::istringstream lines(read_file(folder_ / kList));
    std::string name;
    std::getline(lines, name);  // what the list is
    while (std::getline(lines, name)) names.push_back(name);
    return names;
  }

  std::filesystem::path folder_;
  std::set<std::string> written_;
};

}  // namespace serpette
