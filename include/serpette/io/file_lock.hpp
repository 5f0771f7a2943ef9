#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <concepts>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "serpette/core/contract.hpp"
#include "serpette/io/host_name.hpp"
#include "serpette/io/open_above_streams.hpp"
#include "serpette/io/read_file.hpp"

namespace serpette {

/// For work that a second process should not even wait for.
struct OneAtATime {
  /// Called if another holds the lock, with who it is ("PID on HOST"); should throw.
  std::function<void(std::string_view owner)> busy;
};

/// Work that several processes or threads might do at once is done by one: the others wait here
/// until it is finished, and should then look whether anything is left to do. Ends with the
/// process, however that ends. On a file system that knows no locks nobody waits: use it to save
/// work, not to keep results right.
class FileLock {
 public:
  /// Waits until the lock is free.
  /// @param path     a file of the lock's own beside what it guards; made if it is not there, and
  ///                 its folder.
  /// @param waiting  called ten times a second as long as another holds the lock; may throw to give
  ///                 up.
  /// @throws Error  if the file cannot be made.
  template <std::invocable Waiting>
  FileLock(std::filesystem::path path, Waiting&& waiting) : FileLock(Opened{}, std::move(path)) {
    while (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      if (errno != EWOULDBLOCK) break;  // a file system without locks
      waiting();
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
  explicit FileLock(std::filesystem::path path) : FileLock(std::move(path), [] {}) {}

  /// Does not wait; the file then tells others who holds it.
  /// @param says    what else it tells them, from its second line on.
  /// @throws Error  if the file cannot be written; whatever `second.busy` throws.
  FileLock(std::filesystem::path path, const OneAtATime& second, std::string_view says = {})
      : FileLock(Opened{}, std::move(path)) {
    // A file system without locks cannot tell; there people have to.
    if (::flock(file_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      second.busy(Told::by(path_).owner);
      fail(path_.string(), "should be free");
    }
    const auto told =
        fmt::format("{} on {}{}{}", ::getpid(), host_name(), says.empty() ? "" : "\n", says);
    require(::ftruncate(file_, 0) == 0 &&
                ::pwrite(file_, told.data(), told.size(), 0) == std::ssize(told),
            path_.string(), "should be writable, got \"{}\"", std::strerror(errno));
  }

  /// What the file of a lock tells: who holds it, or held it last, and what that one `says`.
  struct Told {
    std::string owner, says;
    static Told by(const std::filesystem::path& path) {
      const auto all = read_file(path);
      const auto end = std::min(all.find('\n'), all.size());
      return {all.substr(0, end), all.substr(std::min(end + 1, all.size()))};
    }
  };

  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock() { ::close(file_); }

  /// Removes the file: for when the work is done, and everybody who comes later will see that
  /// without a lock.
  void done() const { ::unlink(path_.c_str()); }

 private:
  struct Opened {};
  /// The file, not locked yet.
  FileLock(Opened, std::filesystem::path path) : path_(std::move(path)) {
    std::error_code code;
    if (path_.has_parent_path()) std::filesystem::create_directories(path_.parent_path(), code);
    file_ = detail::open_above_streams(path_.c_str(), O_RDWR | O_CREAT, 0666);
    require(file_ >= 0, path_.string(), "should be writable, got \"{}\"",
            code ? code.message() : std::strerror(errno));
  }

  std::filesystem::path path_;
  int file_ = -1;
};

}  // namespace serpette
