#pragma once

#include <stdlib.h>

#include <filesystem>
#include <stdexcept>
#include <string>

namespace serpette::test {

/// A fresh folder that lives as long as the test.
class Scratch {
 public:
  Scratch() : path_((std::filesystem::temp_directory_path() / "serpette-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr)
      throw std::runtime_error("no scratch folder at " + path_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] std::filesystem::path path() const { return path_; }
  friend std::filesystem::path operator/(const Scratch& folder, const std::filesystem::path& name) {
    return folder.path() / name;
  }

 private:
  std::string path_;
};

}  // namespace serpette::test
