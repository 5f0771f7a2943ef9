#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/file_lock.hpp"
#include "serpette/io/read_file.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

/// 16 hex digits that stand for a text (FNV-1a, 64 bits): names files of results by what they
/// depend on.
inline std::string fingerprint(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return fmt::format("{:016x}", hash);
}

/// What a stage leaves for later ones: tensors, and the seconds it took when it was computed.
struct StageResult {
  std::vector<at::Tensor> tensors;
  double seconds = 0;
};

/// The folder of an experiment. Stages are kept under a fingerprint of all they depend on, written
/// atomically: a killed run finds its finished stages again, and scenarios that share a stage
/// compute it once. A file that was damaged since counts as none. One process per part at a time.
class Store {
 public:
  /// @param configuration  text that identifies the experiment; kept in `configuration.txt`.
  /// @param part           which part of the experiment this process does; processes of different
  /// parts may work in
  ///                       one folder at once.
  /// @throws Error  if another process works in the folder, or it holds another configuration's
  /// results.
  Store(std::filesystem::path root, std::string_view configuration, std::string_view part = "all")
      : root_(std::move(root)) {
    std::error_code code;
    std::filesystem::create_directories(root_, code);
    require(std::filesystem::is_directory(root_), root_.string(),
            "should be a folder for results, got: {}", code ? code.message() : "a file");
    lock(part);
    const auto file = root_ / "configuration.txt";
    if (std::filesystem::exists(file)) {
      const auto found = read_file(file);
      if (found != configuration) {
        ::close(lock_);
        fail(root_.string(), "holds another configuration's results; take a new folder.\n{}",
             difference(configuration, found));
      }
    } else {
      write_file(file, configuration);
    }
  }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  ~Store() { ::close(lock_); }

  [[nodiscard]] const std::filesystem::path& root() const { return root_; }

  /// The result of stage `name` under `key`: read if it was finished before, else computed and
  /// kept. Where several processes or threads want it, one computes it and the others wait.
  /// @param waiting  called now and then meanwhile; may throw to give up.
  template <class Compute, class Waiting = void (*)()>
  StageResult stage(
      std::string_view name, std::string_view key, Compute&& compute,
      Waiting&& waiting = [] {}) const {
    const auto file = stage_file(name, key);
    if (auto kept = read(file)) return *std::move(kept);
    const FileLock lock(file.string() + ".lock", waiting);
    if (auto kept = read(file)) return *std::move(kept);
    StageResult result;
    const auto start = std::chrono::steady_clock::now();
    result.tensors = std::forward<Compute>(compute)();
    result.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    auto kept = result.tensors;
    for (auto& tensor : kept) tensor = tensor.cpu();
    kept.push_back(at::scalar_tensor(result.seconds, at::kDouble));
    std::ostringstream out;
    torch::save(kept, out);
    auto bytes = std::move(out).str();
    bytes += fingerprint(bytes);
    write_file(file, bytes);
    lock.done();
    return result;
  }

  /// Whether a stage is finished.
  [[nodiscard]] bool has(std::string_view name, std::string_view key) const {
    return std::filesystem::exists(stage_file(name, key));
  }

  /// Forgets a stage that nothing will ask for again.
  void drop(std::string_view name, std::string_view key) const {
    std::error_code ignored;  // what stays costs room, no more
    std::filesystem::remove(stage_file(name, key), ignored);
  }

 private:
  [[nodiscard]] std::filesystem::path stage_file(std::string_view name,
                                                 std::string_view key) const {
    return root_ / "stages" / fmt::format("{}-{}.pt", name, fingerprint(key));
  }

  /// A kept result; none if there is no such file, or not the bytes that were written.
  static std::optional<StageResult> read(const std::filesystem::path& file) {
    if (!std::filesystem::exists(file)) return std::nullopt;
    auto bytes = read_file(file);
    const auto size = bytes.size() - std::min(bytes.size(), fingerprint("").size());
    if (bytes.substr(size) != fingerprint(std::string_view(bytes).substr(0, size)))
      return std::nullopt;
    bytes.resize(size);
    StageResult result;
    std::istringstream in(std::move(bytes));
    torch::load(result.tensors, in);
    result.seconds = result.tensors.back().item<double>();
    result.tensors.pop_back();
    return result;
  }

  void lock(std::string_view part) {
    const auto file = root_ / fmt::format(".lock-{}", part);
    lock_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    require(lock_ >= 0, file.string(), "should be writable, got \"{}\"", std::strerror(errno));
    // A file system without locks cannot tell; there people have to.
    if (::flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      const auto owner = read_file(file);
      ::close(lock_);
      fail(root_.string(), "should be free, but process {} works in it",
           owner.empty() ? "unknown" : owner);
    }
    char host[256] = {};
    ::gethostname(host, sizeof host - 1);
    const auto owner = fmt::format("{} on {}", ::getpid(), host);
    if (::ftruncate(lock_, 0) != 0 || ::pwrite(lock_, owner.data(), owner.size(), 0) < 0) {
      ::close(lock_);
      fail(file.string(), "should be writable, got \"{}\"", std::strerror(errno));
    }
  }

  /// The first line in which two configurations differ.
  static std::string difference(std::string_view expected, std::string_view found) {
    while (!expected.empty() || !found.empty()) {
      const auto a = expected.substr(0, expected.find('\n')), b = found.substr(0, found.find('\n'));
      if (a != b) return fmt::format("  expected: {}\n  found:    {}", a, b);
      expected.remove_prefix(std::min(expected.size(), a.size() + 1));
      found.remove_prefix(std::min(found.size(), b.size() + 1));
    }
    return {};
  }

  std::filesystem::path root_;
  int lock_ = -1;
};

}  // namespace serpette
