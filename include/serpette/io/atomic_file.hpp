#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "serpette/core/contract.hpp"
#include "serpette/io/image_suffix.hpp"
#include "serpette/io/leftovers.hpp"

namespace serpette {

/// A file that could not be written: the disk is full, or may not be written to. Whatever else is
/// to be written will fail as well.
struct Unwritable : Error {
  using Error::Error;
};

namespace detail {

/// Where output to `path` goes: a link is followed, so that it stays one.
struct OutputPlace {
  std::filesystem::path path;
  ::mode_t mode = 0666;  ///< Of the file there; for a new one less what umask takes.
  bool is_there = false;
  bool in_place = false;  ///< A device or a pipe: written to, never replaced.
};

inline OutputPlace output_place(const std::filesystem::path& path) {
  OutputPlace place{.path = path};
  const auto refuse = [&](std::string_view got) {
    throw Unwritable(fmt::format("{}: should be writable, got \"{}\"", path.string(), got));
  };
  if (path.empty()) throw Unwritable("output: should have the name of a file, got none");
  if (const auto name = path.filename(); name.empty() || name == "." || name == "..")
    refuse("a folder");
  struct ::stat known {};
  // Before the links: that of a pipe without a name (/dev/stdout, a shell's >(…)) leads nowhere.
  if (::stat(path.c_str(), &known) == 0 && (S_ISCHR(known.st_mode) || S_ISFIFO(known.st_mode))) {
    place.is_there = place.in_place = true;
    return place;
  }
  std::error_code code;
  constexpr int kMostLinks = 40;  // as the system follows
  for (int i = 0; std::filesystem::is_symlink(place.path, code); ++i) {
    if (i == kMostLinks) refuse(std::strerror(ELOOP));
    place.path = place.path.parent_path() / std::filesystem::read_symlink(place.path);
  }
  if (::stat(place.path.c_str(), &known) != 0) return place;
  place.is_there = true;
  place.mode = known.st_mode & 07777;
  if (S_ISDIR(known.st_mode)) refuse("a folder");
  if (!S_ISREG(known.st_mode)) refuse("a disk or a socket");
  return place;
}

/// Makes the folder of an output, those on the way too; one directly under the root is a slip of
/// the keyboard, not a wish.
/// @throws Unwritable  if it cannot be made, or a folder at the root would have to be.
inline void make_folders(const std::filesystem::path& folder) {
  std::error_code code;
  auto missing = std::filesystem::absolute(folder, code).lexically_normal();
  for (auto above = missing.parent_path(); above != above.root_path(); above = above.parent_path())
    missing = above;
  if (!code && missing.has_relative_path() && !std::filesystem::exists(missing, code))
    throw Unwritable(
        fmt::format("{}: should be in a folder that exists, got none: {} would be made "
                    "at the root; make it first if it is meant",
                    folder.string(), missing.string()));
  std::filesystem::create_directories(folder, code);
  const auto reason = code ? code.message() : "none";
  if (!std::filesystem::is_directory(folder, code))
    throw Unwritable(
        fmt::format("{}: should be a folder to write into, got \"{}\"", folder.string(), reason));
}

/// Whether class names travel with a network, as own.names beside own.cfg or own.weights, or with
/// one that is trained: programs write them with it and may do so again. Others are a data set's,
/// as obj.names beside obj.data.
inline bool is_names_of_network(const std::filesystem::path& names) {
  const auto is_beside = [&](const char* extension) {
    std::error_code code;
    return std::filesystem::is_regular_file(
        std::filesystem::path(names).replace_extension(extension), code);
  };
  if (is_beside("data")) return false;
  for (const char* extension :  // own.names may be beside a network that is called own alone
       {"cfg", "weights", "last.weights", "configuration", "checkpoint", "checkpoint.lock", ""})
    if (is_beside(extension)) return true;
  return false;
}

/// Whether a file is this folder or stands in it, links followed.
inline bool is_within(const std::filesystem::path& file, const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  std::error_code code;
  const auto inside =
      fs::weakly_canonical(file, code).lexically_relative(fs::weakly_canonical(folder, code));
  return !inside.empty() && inside.begin()->string() != "..";
}

/// Whether a file is one of those that data sets are made of, by its name.
inline bool is_of_data_set(const std::filesystem::path& file) {
  const auto suffix = file.extension();
  for (const char* known : {".xml", ".txt", ".yaml", ".yml", ".data"})
    if (suffix == known) return true;
  return has_image_suffix(file) || (suffix == ".names" && !is_names_of_network(file));
}

}  // namespace detail

/// Refuses a file that could not be written, before hours are spent on what is to go there. Folders
/// on the way are made.
/// @throws Unwritable  if it has no name or is a folder, or no file can be made beside it.
inline void require_writable(const std::filesystem::path& path) {
  const auto place = detail::output_place(path);
  const auto& file_path = place.path;
  const auto folder = file_path.has_parent_path() ? file_path.parent_path() : ".";
  detail::make_folders(folder);
  const auto tried = place.in_place ? detail::open_in_place(file_path, O_NONBLOCK)
                                    : detail::open_part(file_path, 0666);
  if (tried.reason() != 0)
    throw Unwritable(fmt::format("{}: should be writable, got \"{}\"", path.string(),
                                 std::strerror(tried.reason())));
}

/// Refuses output that would replace what it is made from.
/// @param inputs  files and folders; of annotations those that `files_of_annotations` gives.
/// @throws Error  if `output` is one of these files or folders, under whatever name, or a picture,
/// annotation or list of classes (.xml, .txt, .yaml, .yml, .data, .names) that stands in one of the
/// folders; names that travel with a network are none.
inline void require_no_input(const std::filesystem::path& output,
                             std::span<const std::filesystem::path> inputs) {
  struct ::stat replaced {};
  if (::stat(output.c_str(), &replaced) != 0) return;  // nothing is there that could be lost
  const bool is_data = S_ISREG(replaced.st_mode) && detail::is_of_data_set(output);
  for (const auto& input : inputs) {  // of a data set hundreds of thousands: one look at each
    struct ::stat known {};
    if (input.empty() || ::stat(input.c_str(), &known) != 0) continue;
    const bool folder = S_ISDIR(known.st_mode);
    if (!folder && !S_ISREG(known.st_mode)) continue;
    require(known.st_dev != replaced.st_dev || known.st_ino != replaced.st_ino, output.string(),
            "should be another {} than the input {}, got the same", folder ? "folder" : "file",
            input.string());
    if (!folder || !is_data) continue;
    require(!detail::is_within(output, input), output.string(),
            "should be another file than those of the input {}, got one of them", input.string());
  }
}
inline void require_no_input(const std::filesystem::path& output,
                             std::initializer_list<std::filesystem::path> inputs) {
  require_no_input(output, std::span(inputs.begin(), inputs.size()));
}

/// A file that is complete on disk under a temporary name, beside where it is to go: `commit`
/// renames it. Of several that belong together all are staged before the first is committed. One
/// that is not committed leaves nothing behind, and what killed processes left in the folder goes.
/// A file that is replaced keeps its mode, a link stays a link; a device or pipe is written to as
/// it is, at once.
class StagedFile {
 public:
  /// Folders on the way are made.
  /// @param flush   false where a power cut may cost the file: the many small ones of a data set
  /// that can be made again.
  /// @throws Unwritable  if the file cannot be written; no temporary is left.
  StagedFile(const std::filesystem::path& path, std::span<const std::byte> bytes, bool flush = true)
      : place_(detail::output_place(path)), part_(opened()), flush_(flush) {
    if (part_.file() < 0) give_up("creating a file for", bytes.size(), part_.reason());
    for (auto rest = bytes; !rest.empty();) {
      const auto written = ::write(part_.file(), rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) give_up("writing", bytes.size(), errno);
      rest = rest.subspan(static_cast<std::size_t>(written));
    }
    if (place_.is_there && !place_.in_place && ::fchmod(part_.file(), place_.mode) != 0 &&
        errno != EPERM)
      give_up("setting the mode of", bytes.size(), errno);
    // EINVAL: a file system, device or pipe that has nothing to flush.
    if (flush && ::fsync(part_.file()) != 0 && errno != EINVAL)
      give_up("flushing", bytes.size(), errno);
    // NFS may say only when a file is closed that there was no room; this other handle of it can be
    // closed and leaves the lock.
    if (const int again = ::fcntl(part_.file(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        again < 0 || ::close(again) != 0)
      give_up("flushing", bytes.size(), errno);
    if (place_.in_place) part_.close();  // who reads a pipe waits for its end
  }
  StagedFile(const std::filesystem::path& path, std::string_view text, bool flush = true)
      : StagedFile(path, std::as_bytes(std::span(text)), flush) {}
  StagedFile(const StagedFile&) = delete;
  StagedFile& operator=(const StagedFile&) = delete;

  /// Gives the file its name: a reader sees either all of it or what was there before.
  /// @throws Unwritable  if it cannot be renamed; what was there before is then untouched.
  void commit() {
    if (place_.in_place) return;
    if (!part_.rename(place_.path)) give_up("renaming", 0, errno);
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
    return place_.path.has_parent_path() ? place_.path.parent_path() : std::filesystem::path(".");
  }
  [[nodiscard]] detail::Part opened() const {
    if (place_.in_place) return detail::open_in_place(place_.path);
    detail::make_folders(folder());
    remove_leftovers_in(folder());
    // What replaces a secret is never readable by others, not even for a moment.
    return detail::open_part(place_.path, place_.is_there ? 0600 : 0666);
  }
  [[noreturn]] void give_up(const char* doing, std::size_t size, int reason) const {
    throw Unwritable(fmt::format("{}: should be writable, got \"{}\" while {}{}",
                                 place_.path.string(), std::strerror(reason), doing,
                                 size > 0 ? fmt::format(" {} bytes", size) : ""));
  }

  detail::OutputPlace place_;
  detail::Part part_;
  bool flush_;
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
