#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "serpette/core/contract.hpp"

namespace serpette {

/// A file that could not be written: the disk is full, or may not be written to. Whatever else is
/// to be written will fail as well.
struct Unwritable : Error {
  using Error::Error;
};

namespace detail {
/// Of this process alone, also where several hosts share a folder.
inline std::string temporary_name(const std::filesystem::path& path) {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  return fmt::format("{}.part-{}-{}", path.string(), host, ::getpid());
}
}  // namespace detail

/// Refuses a file that could not be written, before hours are spent on what is to go there. Folders
/// on the way are made.
/// @throws Unwritable  if it is a folder, or no file can be made beside it.
inline void require_writable(const std::filesystem::path& path) {
  const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  const auto refuse = [&](const char* got) {
    throw Unwritable(fmt::format("{}: should be writable, got \"{}\"", path.string(), got));
  };
  if (std::filesystem::is_directory(path)) refuse("a folder");
  const std::string temporary = detail::temporary_name(path);
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) refuse(std::strerror(errno));
  ::close(file);
  ::unlink(temporary.c_str());
}

/// A file that is complete on disk under a temporary name, beside where it is to go: `commit`
/// renames it. Of several that belong together all are staged before the first is committed. One
/// that is not committed leaves nothing behind.
class StagedFile {
 public:
  /// Folders on the way are made.
  /// @param flush   false where a power cut may cost the file: the many small ones of a data set
  /// that
  ///                can be made again.
  /// @throws Unwritable  if the file cannot be written; no temporary is left.
  StagedFile(std::filesystem::path path, std::span<const std::byte> bytes, bool flush = true)
      : path_(std::move(path)), temporary_(detail::temporary_name(path_)), flush_(flush) {
    std::error_code code;
    std::filesystem::create_directories(folder(), code);
    if (!std::filesystem::is_directory(folder()))
      throw Unwritable(fmt::format("{}: should be a folder to write into, got: {}",
                                   folder().string(), code ? code.message() : "no folder"));
    const int file = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0) give_up("creating a file for", bytes.size());
    for (auto rest = bytes; !rest.empty();) {
      const auto written = ::write(file, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        const int reason = errno;
        ::close(file);
        errno = reason;
        give_up("writing", bytes.size());
      }
      rest = rest.subspan(static_cast<std::size_t>(written));
    }
    const bool flushed = !flush || ::fsync(file) == 0 ||
                         errno == EINVAL;  // EINVAL: a file system that has nothing to flush
    const int reason = errno;
    if (::close(file) != 0 || !flushed) {
      if (!flushed) errno = reason;
      give_up("flushing", bytes.size());
    }
  }
  StagedFile(std::filesystem::path path, std::string_view text, bool flush = true)
      : StagedFile(std::move(path), std::as_bytes(std::span(text)), flush) {}
  StagedFile(const StagedFile&) = delete;
  StagedFile& operator=(const StagedFile&) = delete;
  ~StagedFile() {
    if (!committed_) ::unlink(temporary_.c_str());
  }

  /// Gives the file its name: a reader sees either all of it or what was there before.
  /// @throws Unwritable  if it cannot be renamed; what was there before is then untouched.
  void commit() {
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) give_up("renaming", 0);
    committed_ = true;
    if (!flush_) return;
    // The new name itself is on disk only once the folder is; a file system that cannot do this is
    // no error.
    if (const int directory = ::open(folder().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        directory >= 0) {
      ::fsync(directory);
      ::close(directory);
    }
  }

 private:
  [[nodiscard]] std::filesystem::path folder() const {
    return path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
  }
  [[noreturn]] void give_up(const char* doing, std::size_t size) const {
    const int reason = errno;
    ::unlink(temporary_.c_str());
    throw Unwritable(fmt::format("{}: should be writable, got \"{}\" while {}{}", path_.string(),
                                 std::strerror(reason), doing,
                                 size > 0 ? fmt::format(" {} bytes", size) : ""));
  }

  std::filesystem::path path_;
  std::string temporary_;
  bool flush_, committed_ = false;
};

/// Writes a file so that a reader sees either all of it or what was there before, whatever happens
/// in between (full disk, kill, power). Folders on the way are made.
/// @param flush   as for StagedFile.
/// @throws Unwritable  if the file cannot be written; the old one, if any, is then untouched and no
/// temporary is left.
inline void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes,
                       bool flush = true) {
  StagedFile(path, bytes, flush).commit();
}

/// The same for text.
inline void write_file(const std::filesystem::path& path, std::string_view text,
                       bool flush = true) {
  write_file(path, std::as_bytes(std::span(text)), flush);
}

}  // namespace serpette
