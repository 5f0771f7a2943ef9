#pragma once

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <system_error>

#include "serpette/core/parse_number.hpp"

/// @file
/// Files are written under a temporary name, `NAME.part-HOST-NAMESPACE-PID`, and then renamed. What
/// a killed process left under such a name goes when another one that numbers processes alike
/// writes into the folder: containers of one host name may have process ids of their own.

namespace serpette {

namespace detail {

/// What stands between a file's name and the process that writes it.
inline std::string part_mark() {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  struct ::stat ids {};
  if (::stat("/proc/self/ns/pid", &ids) != 0) ids.st_ino = 0;  // a system that has one for all
  return std::string(".part-") + host + "-" + std::to_string(ids.st_ino) + "-";
}

/// Whether a file is the temporary one of a process that could be asked here and is no more.
inline bool is_left_over(const std::filesystem::path& file) {
  const auto mark = part_mark();
  const auto name = file.filename().string();
  const auto found = name.rfind(mark);
  if (found == std::string::npos) return false;
  const auto process = parse_number<pid_t>(std::string_view(name).substr(found + mark.size()));
  return process > 0 && ::kill(*process, 0) != 0 && errno == ESRCH;
}

template <class Iterator>
void remove_leftovers(const std::filesystem::path& folder) {
  std::error_code code;  // what cannot be listed or removed costs room, no more
  for (Iterator at(folder, code), end; !code && at != end; at.increment(code)) {
    std::error_code ignored;
    if (is_left_over(at->path())) std::filesystem::remove(at->path(), ignored);
  }
}

}  // namespace detail

/// Removes what killed processes of this host left half written below a folder of ours.
inline void remove_leftovers(const std::filesystem::path& root) {
  detail::remove_leftovers<std::filesystem::recursive_directory_iterator>(root);
}

/// The same in a folder that may hold anything, and not below it: when this process asks for the
/// first time. Whatever writes a file asks.
inline void remove_leftovers_in(const std::filesystem::path& folder) {
  static std::mutex mutex;
  static std::set<std::filesystem::path> seen;
  const std::scoped_lock lock(mutex);
  if (seen.insert(folder).second)
    detail::remove_leftovers<std::filesystem::directory_iterator>(folder);
}

}  // namespace serpette
