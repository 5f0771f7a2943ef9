#pragma once

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace serpette {

/// Removes what killed processes of this host left half written below a folder: temporary files
/// (`NAME.part-HOST-PID`, io/atomic_file.hpp) of processes that are no more.
inline void remove_leftovers(const std::filesystem::path& root) {
  namespace fs = std::filesystem;
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  const auto mark = std::string(".part-") + host + "-";
  std::error_code code;  // what cannot be listed or removed costs room, no more
  for (fs::recursive_directory_iterator at(root, code), end; !code && at != end;
       at.increment(code)) {
    const auto name = at->path().filename().string();
    const auto found = name.rfind(mark);
    if (found == name.npos) continue;
    const auto digits = std::string_view(name).substr(found + mark.size());
    pid_t process = 0;
    const auto [last, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), process);
    const bool is_number = error == std::errc{} && last == digits.data() + digits.size();
    std::error_code ignored;
    if (is_number && process > 0 && ::kill(process, 0) != 0 && errno == ESRCH)
      fs::remove(at->path(), ignored);
  }
}

}  // namespace serpette
