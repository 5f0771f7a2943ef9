#pragma once

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/core/fingerprint.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/file_lock.hpp"
#include "serpette/io/leftovers.hpp"
#include "serpette/io/read_file.hpp"
#include "serpette/method/stage_store.hpp"
#include "serpette/method/tensor_file.hpp"
#include "serpette/study/configuration.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

/// A folder that holds results of another training.
struct OtherConfiguration : Error {
  using Error::Error;
};

/// The folder of a study. Stages are kept under a fingerprint of all they depend on, written
/// atomically: a killed run finds its finished stages again, and scenarios that share a stage
/// compute it once. A file that was damaged since counts as none. One process per part and per cell
/// at a time.
///
/// What the results depend on stands in `configuration.txt` from the first result on: until then
/// the folder is anybody's.
class Store {
 public:
  /// @param configuration  what the results of this process depend on.
  /// @param part   what others know this process by: those of different names may work in one
  ///               folder at once.
  /// @param cells  the folders of the cells that it writes; no other that works here may have one.
  /// @throws Error  if another process works on the part or on one of the cells, or
  ///                (`OtherConfiguration`) the folder holds results of another training.
  explicit Store(std::filesystem::path root, Configuration configuration = {},
                 std::string_view part = "all", const std::vector<std::string>& cells = {})
      : root_(folder_of_results(std::move(root))),
        configuration_(std::move(configuration)),
        entrance_(std::in_place, root_ / kEntrance),
        part_(root_ / fmt::format("{}{}", kPart, part), OneAtATime{[&](std::string_view owner) {
                fail(root_.string(), "should be free, but process {} works in it",
                     owner.empty() ? "unknown" : owner);
              }},
              fmt::format("{}", fmt::join(cells, "\n"))) {
    require_own(part, {cells.begin(), cells.end()});
    check(kept_configuration());
    entrance_.reset();
    remove_leftovers(root_);
  }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// The file that says what the results here depend on.
  static constexpr const char* kConfiguration = "configuration.txt";
  /// The lock of who looks whether it may work here, or says what the results depend on.
  static constexpr const char* kEntrance = ".lock-configuration";
  /// How the locks of those who work here begin, the name of the part behind it.
  static constexpr std::string_view kPart = ".lock-";

  [[nodiscard]] const std::filesystem::path& root() const { return root_; }

  /// What was kept here before and is measured in another way now, and the other kinds of machines
  /// that took part: a line each, for people.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

  /// Says in `configuration.txt` that results of this configuration are here; to be called before
  /// the first of them is written.
  /// @throws OtherConfiguration  if another process has meanwhile begun with another one.
  void begin() const {
    std::call_once(begun_, [&] {
      const FileLock lock(root_ / kEntrance);
      auto kept = kept_configuration();
      check(kept);
      if (!kept) kept = Configuration{};
      for (const auto& line : configuration_.training)
        if (std::ranges::find(kept->training, line.name, &ConfigurationLine::name) ==
            kept->training.end())
          kept->training.push_back(line);
      kept->measuring = configuration_.measuring;
      for (const auto& machine : configuration_.machines)
        if (std::ranges::find(kept->machines, machine) == kept->machines.end())
          kept->machines.push_back(machine);
      if (const auto text = kept->text(); text != text_of_configuration())
        write_file(root_ / kConfiguration, text);
    });
  }

  /// The result of stage `name` under `key`: read if it was finished before, else computed and
  /// kept. Where several processes or threads want it, one computes it and the others wait.
  /// @param compute  gives the StageResult.
  /// @param waiting  called now and then meanwhile; may throw to give up.
  template <class Compute, class Waiting = void (*)()>
  StageResult stage(
      std::string_view name, std::string_view key, Compute&& compute,
      Waiting&& waiting = [] {}) const {
    const auto file = stage_file(root_, name, key);
    if (auto kept = read(file)) return *std::move(kept);
    const FileLock lock(file.string() + ".lock", waiting);
    if (auto kept = read(file)) return *std::move(kept);
    StageResult result = std::forward<Compute>(compute)();
    auto kept = result.tensors;
    kept.push_back(at::scalar_tensor(result.seconds, at::kDouble));
    kept.push_back(at::scalar_tensor(result.unreadable, at::kLong));
    const auto bytes = tensor_bytes(std::move(kept));
    begin();
    write_file(file, bytes);
    remove(unfinished(name, key));
    lock.done();
    return result;
  }

  /// Where the training of a stage is kept until the stage is finished.
  [[nodiscard]] std::filesystem::path unfinished(std::string_view name,
                                                 std::string_view key) const {
    return stage_file(root_, name, key).replace_extension("unfinished");
  }

  /// The result of a stage; none if it is not finished, or was damaged since.
  [[nodiscard]] std::optional<StageResult> find(std::string_view name, std::string_view key) const {
    return read(stage_file(root_, name, key));
  }

  /// Whether a stage is finished.
  [[nodiscard]] bool has(std::string_view name, std::string_view key) const {
    return std::filesystem::exists(stage_file(root_, name, key));
  }

  /// Forgets a stage that nothing will ask for again.
  void drop(std::string_view name, std::string_view key) const {
    remove(stage_file(root_, name, key));
    remove(unfinished(name, key));
  }

  /// Where a stage is kept in a study's folder.
  static std::filesystem::path stage_file(const std::filesystem::path& root, std::string_view name,
                                          std::string_view key) {
    return root / "stages" / fmt::format("{}-{}.pt", name, fingerprint(key));
  }

 private:
  static void remove(const std::filesystem::path& file) {
    std::error_code ignored;  // what stays costs room, no more
    std::filesystem::remove(file, ignored);
  }

  /// A kept result; none if there is no such file, or not the bytes that were written.
  static std::optional<StageResult> read(const std::filesystem::path& file) {
    auto tensors = read_tensors(file);
    if (!tensors) return std::nullopt;
    StageResult result{.tensors = *std::move(tensors)};
    result.unreadable = result.tensors.back().item<std::int64_t>();
    result.tensors.pop_back();
    result.seconds = result.tensors.back().item<double>();
    result.tensors.pop_back();
    return result;
  }

  static std::filesystem::path folder_of_results(std::filesystem::path root) {
    std::error_code code;
    std::filesystem::create_directories(root, code);
    require(std::filesystem::is_directory(root), root.string(),
            "should be a folder for results, got: {}", code ? code.message() : "a file");
    return root;
  }

  /// Refuses cells that another part writes, too. Whoever comes later finds this part: its lock is
  /// held, and the entrance is.
  void require_own(std::string_view part, const std::set<std::string>& cells) const {
    if (cells.empty()) return;
    for (const auto& entry : std::filesystem::directory_iterator(root_)) {
      const auto name = entry.path().filename().string();
      if (!name.starts_with(kPart) || name.substr(kPart.size()) == part) continue;
      const auto told = FileLock::Told::by(entry.path());
      std::istringstream theirs(told.says);
      for (std::string cell; std::getline(theirs, cell);)
        if (cells.contains(cell)) {
          const FileLock ended(entry.path(), [&] {
            fail(root_.string(),
                 "should have nobody else at the cells of part {}, but process {} works on part "
                 "{}, which has {}, too",
                 part, told.owner, name.substr(kPart.size()), cell);
          });
          break;
        }
    }
  }

  [[nodiscard]] std::string text_of_configuration() const {
    const auto file = root_ / kConfiguration;
    return std::filesystem::exists(file) ? read_file(file) : std::string();
  }
  [[nodiscard]] std::optional<Configuration> kept_configuration() const {
    const auto text = text_of_configuration();
    if (text.empty()) return std::nullopt;
    return Configuration::parse(text);
  }

  /// Refuses results of another training, and notes what else differs.
  void check(const std::optional<Configuration>& kept) const {
    notes_.clear();
    if (!kept) return;
    if (const auto other = differences(kept->training, configuration_.training); !other.empty())
      throw OtherConfiguration(fmt::format("{}: holds another configuration's results:\n  {}",
                                           root_.string(), fmt::join(other, "\n  ")));
    for (const auto& other : differences(kept->measuring, configuration_.measuring))
      notes_.push_back(fmt::format("measured anew, training holds: {}", other));
    for (const auto& machine : kept->machines)
      if (!configuration_.machines.empty() && machine != configuration_.machines.front())
        notes_.push_back(fmt::format(
            "some results here were computed on {}, now it is {}: last digits differ, and what "
            "follows from them",
            machine, configuration_.machines.front()));
  }

  std::filesystem::path root_;
  Configuration configuration_;
  mutable std::vector<std::string> notes_;
  std::optional<FileLock> entrance_;  ///< While the constructor looks.
  FileLock part_;
  mutable std::once_flag begun_;
};
static_assert(StageStore<Store>);

}  // namespace serpette
