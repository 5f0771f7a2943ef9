#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "serpette/core/contract.hpp"

namespace serpette {

/// A fresh folder, readable by its owner alone, that goes with the value.
class TemporaryFolder {
 public:
  /// @throws Error  if none can be made where temporary files go (TMPDIR).
  TemporaryFolder() : path_((std::filesystem::temp_directory_path() / "serpette-XXXXXX").string()) {
    require(::mkdtemp(path_.data()) != nullptr, path_, "should be a folder to write into");
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] std::filesystem::path path() const { return path_; }
  friend std::filesystem::path operator/(const TemporaryFolder& folder,
                                         const std::filesystem::path& name) {
    return folder.path() / name;
  }

 private:
  std::string path_;
};

}  // namespace serpette
