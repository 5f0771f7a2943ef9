#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "serpette/core/contract.hpp"
#include "serpette/core/parse_number.hpp"
#include "serpette/io/host_name.hpp"
#include "serpette/io/open_above_streams.hpp"

/// @file
/// Files are written under a temporary name, `NAME.part-serpette-HOST-PID-N`, and then renamed. Who
/// writes one holds its lock until then, and the lock ends with the process, however that ends: one
/// that can be locked was left by a killed process, and goes when anybody writes into the folder.
/// Processes of containers may be called alike, so that the name tells nothing of whether one
/// lives. Of another host a file stays for a day: some shared file systems have locks that hold on
/// one host alone. On one without locks nothing is removed.

namespace serpette {

namespace detail {

/// What stands between a file's name and who writes it.
inline constexpr std::string_view kPartMark = ".part-serpette-";

/// So many temporary names are tried for one file.
inline constexpr int kMostParts = 100;

/// The `n`-th temporary name of this process, for what is to become `path`.
inline std::string part_name(const std::filesystem::path& path, unsigned n) {
  return fmt::format("{}{}{}-{}-{}", path.string(), kPartMark, host_name(), ::getpid(), n);
}

/// The host whose process gave a file its temporary name; none if it is no such name.
inline std::optional<std::string> host_of_part(std::string_view name) {
  const auto mark = name.rfind(kPartMark);
  if (mark == std::string_view::npos || mark == 0) return {};
  auto rest = name.substr(mark + kPartMark.size());
  for (int numbers = 0; numbers < 2; ++numbers) {  // N, then PID: a host may have a - in its name
    const auto dash = rest.rfind('-');
    if (dash == std::string_view::npos || !parse_number<unsigned>(rest.substr(dash + 1))) return {};
    rest = rest.substr(0, dash);
  }
  return std::string(rest);
}

/// Takes a file's lock if nobody has it.
/// @return  0, EWOULDBLOCK if somebody has, or why a file system has none.
inline int lock_at_once(int file) {
  while (::flock(file, LOCK_EX | LOCK_NB) != 0)
    if (errno != EINTR) return errno;
  return 0;
}

/// Whether nobody has written to the file that is open since yesterday.
inline bool is_old(int file) {
  constexpr std::time_t kDay = 24 * 60 * 60;
  struct ::stat open {};
  return ::fstat(file, &open) == 0 && open.st_mtime < std::time(nullptr) - kDay;
}

/// Whether the file that is open is a plain one that still has this name.
inline bool has_name(int file, const char* name) {
  struct ::stat open {};
  struct ::stat named {};
  return ::fstat(file, &open) == 0 && ::lstat(name, &named) == 0 && S_ISREG(named.st_mode) &&
         open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

/// A file that is being written under a temporary name. It is locked while it is open, and goes
/// with this object unless it was renamed. Without a name it is a device or a pipe, which stays.
class Part {
 public:
  Part(std::string name, int file) : name_(std::move(name)), file_(file) {}
  /// None: `reason` is errno's.
  explicit Part(int reason) : reason_(reason) {}
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;
  ~Part() {
    if (file_ >= 0 && !name_.empty()) ::unlink(name_.c_str());  // before others may have its lock
    close();
  }

  [[nodiscard]] const std::string& name() const { return name_; }
  /// To write to; −1 if there is none.
  [[nodiscard]] int file() const { return file_; }
  /// Why there is none.
  [[nodiscard]] int reason() const { return reason_; }

  /// Gives the file its name, and then its lock back.
  /// @return  whether it could be renamed; errno says why not.
  bool rename(const std::filesystem::path& path) {
    if (::rename(name_.c_str(), path.c_str()) != 0) return false;
    close();
    return true;
  }
  void close() {
    if (file_ >= 0) ::close(std::exchange(file_, -1));
  }

 private:
  std::string name_;
  int file_ = -1, reason_ = 0;
};

/// Makes an empty file beside where `path` is to be.
/// @param mode  of the file, less what umask takes.
inline Part open_part(const std::filesystem::path& path, ::mode_t mode) {
  static std::atomic<unsigned> next{0};
  for (int tries = 0; tries < kMostParts; ++tries) {
    auto name = part_name(path, next++);
    const int file = open_above_streams(name.c_str(), O_WRONLY | O_CREAT | O_EXCL, mode);
    if (file < 0 && errno == EEXIST) continue;  // of a process that is called alike
    if (file < 0) return Part(errno);
    const int refused = lock_at_once(file);
    // Between the two lines above others may take it for one that was left, as it has no lock.
    const bool taken = refused == EWOULDBLOCK || (refused == 0 && !has_name(file, name.c_str()));
    if (!taken) return {std::move(name), file};
    ::close(file);
  }
  return Part(EEXIST);
}

/// A device or a pipe, to write to as it is.
/// @param flags  more of ::open's.
inline Part open_in_place(const std::filesystem::path& path, int flags = 0) {
  const int file = open_above_streams(path.c_str(), O_WRONLY | flags, 0);
  return file < 0 ? Part(errno) : Part({}, file);
}

/// Removes a file that has a temporary name and is nobody's.
inline void remove_if_left(const std::filesystem::path& path) {
  const auto host = host_of_part(path.filename().string());
  if (!host) return;
  constexpr int kHow = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  int file = ::open(path.c_str(), O_WRONLY | kHow);  // NFS has locks only on what can be written
  if (file < 0 && errno == EACCES) file = ::open(path.c_str(), O_RDONLY | kHow);
  if (file < 0) return;
  // The name may be another file's by now: whoever else clears the folder was quicker.
  if ((*host == host_name() || is_old(file)) && lock_at_once(file) == 0 &&
      has_name(file, path.c_str()))
    ::unlink(path.c_str());
  ::close(file);
}

template <class Iterator>
void remove_leftovers(const std::filesystem::path& folder) {
  std::error_code code;  // what cannot be listed or removed costs room, no more
  for (Iterator at(folder, code), end; !code && at != end; at.increment(code))
    remove_if_left(at->path());
}

}  // namespace detail

/// Removes what killed processes left half written below a folder of ours.
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
