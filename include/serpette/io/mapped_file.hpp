#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <utility>

#include "serpette/core/contract.hpp"
#include "serpette/io/read_file.hpp"

namespace serpette {

/// All bytes of a file, without a copy where it can be mapped; what is no plain file (a pipe) is
/// read. Pages come as they are read, in the thread that reads them. The file must not shrink while
/// this lives: our own files are renamed into place, never cut.
class MappedFile {
 public:
  /// @throws Error  if it cannot be read; the message says why.
  explicit MappedFile(const std::filesystem::path& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    require(file >= 0, path.string(), "should be a readable file, got \"{}\"",
            std::strerror(errno));
    struct stat status = {};
    const bool is_plain = ::fstat(file, &status) == 0 && S_ISREG(status.st_mode);
    if (is_plain && status.st_size > 0) {
      const auto size = static_cast<std::size_t>(status.st_size);
      void* pages = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
      if (pages != MAP_FAILED) mapped_ = {static_cast<const std::byte*>(pages), size};
    }
    ::close(file);
    if (mapped_.empty()) read_ = read_file(path);
  }
  MappedFile(MappedFile&& other) noexcept
      : mapped_(std::exchange(other.mapped_, {})), read_(std::move(other.read_)) {}
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile() {
    if (!mapped_.empty()) ::munmap(const_cast<std::byte*>(mapped_.data()), mapped_.size());
  }

  [[nodiscard]] std::span<const std::byte> bytes() const {
    return mapped_.empty() ? std::as_bytes(std::span(read_)) : mapped_;
  }

 private:
  std::span<const std::byte> mapped_;
  std::string read_;  // where it could not be mapped
};

}  // namespace serpette
