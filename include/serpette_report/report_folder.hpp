#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <list>
#include <map>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/read_file.hpp"

namespace serpette {

namespace detail {
/// Lets this process have so many files open, beside some hundreds, where it may: those that belong
/// together stay open until all are written, a report's hundreds; a usual limit is 1024.
inline void allow_open_files(std::size_t count) {
  constexpr std::size_t kBeside = 256;
  struct ::rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;  // then the first too many says so
  const auto wanted = std::max<::rlim_t>(limit.rlim_cur, count + kBeside);
  limit.rlim_cur = std::min(limit.rlim_max, wanted);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}
}  // namespace detail

/// What a folder holds. Both have an index.html and figures, so a folder holds one of them.
enum class ReportKind { kReport, kComparison };

/// The folder that a report or a comparison is written into: its files stay inside, and those of an
/// earlier one of its kind that this one does not write again go, so that no table of other cells
/// stays beside new ones. What was written stands in `report_files.txt` or `compare_files.txt`; a
/// file that stands in no such list is left alone.
/// Files are gathered first and written together: what fails before leaves all as it was.
class ReportFolder {
 public:
  /// @throws Error  as `require_own`.
  explicit ReportFolder(std::filesystem::path folder, ReportKind kind = ReportKind::kReport)
      : folder_(std::move(folder)), kind_(kind) {
    require_own(folder_, kind_);
  }

  /// Refuses a folder that holds the other kind, before work is done for what is to go there.
  /// @throws Error  if a file of the other kind's list is there.
  static void require_own(const std::filesystem::path& folder, ReportKind kind) {
    const auto other = kind == ReportKind::kReport ? ReportKind::kComparison : ReportKind::kReport;
    std::error_code code;
    for (const auto& name : listed(folder, other))
      require(!std::filesystem::exists(folder / name, code), folder.string(),
              "should be another folder than that of a {}, got one with its {} (see {} there)",
              words(other).what, name, words(other).list);
  }

  /// Adds a file to those that `write` writes.
  /// @param name    of the file, or one folder and it: "runs.csv", "tables/table_V.csv".
  /// @throws Error  for a name that leads elsewhere.
  void add(const std::string& name, std::string text) {
    require_inside(name);
    texts_.insert_or_assign(name, std::move(text));
  }

  /// Counts a file that another program makes here after `write` as ours, if it does; an older one
  /// under that name goes, as it shows other cells.
  void expect(const std::string& name) {
    require_inside(name);
    expected_.insert(name);
  }

  /// Writes what was added; where one file cannot be written, none is.
  /// @param inputs  what it is made from; what is no file is passed over.
  /// @throws Error  if an input is among the files that would be replaced or removed, or a file
  /// cannot be written.
  void write(std::span<const std::filesystem::path> inputs) {
    auto changed = expected_;
    changed.insert(words(kind_).list);
    for (const auto& [name, text] : texts_) changed.insert(name);
    for (auto& name : listed(folder_, kind_)) changed.insert(std::move(name));
    std::error_code code;
    std::vector<std::filesystem::path> files(inputs.begin(), inputs.end());
    std::erase_if(files,
                  [&](const auto& file) { return !std::filesystem::is_regular_file(file, code); });
    for (const auto& name : changed) require_no_input(folder_ / name, files);
    detail::allow_open_files(texts_.size());
    std::list<StagedFile> staged;
    for (const auto& [name, text] : texts_) staged.emplace_back(folder_ / name, text);
    for (auto& file : staged) file.commit();
    for (const auto& name : expected_) std::filesystem::remove(folder_ / name, code);
  }

  /// Removes what the one before wrote and this one did not, and lists what is there now.
  /// @return  files in `tables` and `figures` that no list has, as those before `report_files.txt`
  /// came up: they may be of other cells.
  std::vector<std::string> finish() {
    std::set<std::string> written;
    std::error_code code;
    for (const auto& [name, text] : texts_) written.insert(name);
    for (const auto& name : expected_)
      if (std::filesystem::exists(folder_ / name, code)) written.insert(name);
    for (const auto& name : listed(folder_, kind_))
      if (!written.contains(name)) std::filesystem::remove(folder_ / name, code);
    const auto [list_name, what] = words(kind_);
    auto list = fmt::format(
        "Files of the {0} in this folder; the next {0} removes what it does not write again.\n",
        what);
    for (const auto& name : written) list += name + "\n";
    write_file(folder_ / list_name, list);
    std::vector<std::string> strangers;
    for (const auto* const part : {"tables", "figures"}) {
      for (const auto& entry : std::filesystem::directory_iterator(folder_ / part, code)) {
        auto name = std::string(part) + "/" + entry.path().filename().string();
        if (!written.contains(name)) strangers.push_back(std::move(name));
      }
    }
    std::ranges::sort(strangers);
    return strangers;
  }

 private:
  struct Words {
    const char* list;  ///< Where its files stand.
    const char* what;  ///< What people call it.
  };
  static Words words(ReportKind kind) {
    return kind == ReportKind::kReport ? Words{"report_files.txt", "report"}
                                       : Words{"compare_files.txt", "comparison"};
  }

  /// One file name, or a folder's and a file's; none hidden, none of a folder above.
  static bool is_inside(std::string_view name) {
    const auto plain = [](std::string_view part) {
      return !part.empty() && part.front() != '.' && part.find('/') == std::string_view::npos &&
             part.find('\0') == std::string_view::npos;
    };
    const auto slash = name.find('/');
    return slash == std::string_view::npos
               ? plain(name)
               : plain(name.substr(0, slash)) && plain(name.substr(slash + 1));
  }
  static void require_inside(const std::string& name) {
    require(is_inside(name), name, "should name a file inside the report's folder");
  }

  /// What a list names inside the folder; none where there is no list.
  static std::vector<std::string> listed(const std::filesystem::path& folder, ReportKind kind) {
    std::vector<std::string> names;
    std::error_code code;
    const auto list = folder / words(kind).list;
    if (!std::filesystem::is_regular_file(list, code)) return names;
    std::istringstream lines(read_file(list));
    std::string name;
    std::getline(lines, name);  // what the list is
    while (std::getline(lines, name))
      if (is_inside(name)) names.push_back(name);
    return names;
  }

  std::filesystem::path folder_;
  ReportKind kind_;
  std::map<std::string, std::string> texts_;  ///< By name.
  std::set<std::string> expected_;
};

}  // namespace serpette
