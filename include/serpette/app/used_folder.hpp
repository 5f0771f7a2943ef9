#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <concepts>
#include <cstdio>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/file_lock.hpp"
#include "serpette/io/read_file.hpp"
#include "serpette/study/configuration.hpp"
#include "serpette/study/store.hpp"

namespace serpette::cli {

/// The line of a configuration that names the program.
inline constexpr std::string_view kProgramLine = "program";

/// The lock of who moves the results of other settings out of a folder.
inline constexpr std::string_view kForce = ".lock-force";

/// Refuses results that would replace an input. In a folder of inputs a `configuration.txt` is no
/// label of a picture but an earlier run's.
/// @param outputs  files and folders in `out`.
/// @throws Error   naming the first that is an input, or stands in a folder of them.
inline void require_no_input_in(const std::filesystem::path& out,
                                std::initializer_list<const char*> outputs,
                                std::initializer_list<std::filesystem::path> inputs) {
  std::error_code unknown;  // whoever reads it says what is wrong
  for (const std::string_view output : outputs)
    for (const auto& input : inputs)
      if (output != Store::kConfiguration || !std::filesystem::is_directory(input, unknown))
        require_no_input(out / output, {input});
}

/// The first of `ROOT.1`, `ROOT.2`, … that is not there; of a link, beside what it leads to, as
/// files can be moved there.
inline std::filesystem::path place_aside(const std::filesystem::path& root) {
  auto name = std::filesystem::weakly_canonical(root);
  if (!name.has_filename()) name = name.parent_path();
  for (int i = 1;; ++i)
    if (auto place = name.string() + fmt::format(".{}", i);
        !std::filesystem::exists(std::filesystem::symlink_status(place)))
      return place;
}

/// Refuses a folder in which another process works on a part. To be called in the entrance: whoever
/// is refused itself, as all shards are that start at once, holds no part outside.
/// @throws Error   if a part is held.
inline void require_idle(const std::filesystem::path& root) {
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    const auto name = entry.path().filename().string();
    if (!name.starts_with(Store::kPart) || name == Store::kEntrance || name == kForce ||
        name == ".lock-scenes")
      continue;
    const FileLock part(entry.path(), [&] {
      fail(root.string(),
           "should be free before its results are moved, but a process works in it ({})", name);
    });
  }
}

/// Moves results to `place_aside(root)`, and says so. Where one cannot be moved none is: those
/// before it go back.
/// @return  where they are now.
/// @throws Error  naming the one, and where others are if they could not go back.
inline std::filesystem::path set_aside(const std::filesystem::path& root,
                                       const std::vector<std::filesystem::path>& results) {
  namespace fs = std::filesystem;
  auto place = place_aside(root);
  fs::create_directory(place);
  for (auto from = results.begin(); from != results.end(); ++from) {
    std::error_code code;
    fs::rename(*from, place / from->filename(), code);
    if (!code) continue;
    std::error_code ignored;  // of what stays there
    for (auto moved = results.begin(); moved != from; ++moved)
      fs::rename(place / moved->filename(), *moved, ignored);
    fs::remove(place, ignored);
    fail(from->string(), "should be movable to {}, got \"{}\"{}", place.string(), code.message(),
         fs::exists(place, ignored) ? "; what was moved before it could not go back" : "");
  }
  fmt::print(stderr, "note: {} held results of other settings; they are in {} now\n", root.string(),
             place.string());
  return place;
}

/// What a folder of results holds; pictures that were drawn for it (`scenes`) and locks are none.
inline std::vector<std::filesystem::path> results_in(const std::filesystem::path& root) {
  std::vector<std::filesystem::path> results;
  for (const auto& entry : std::filesystem::directory_iterator(root))
    if (const auto name = entry.path().filename().string();
        name != "scenes" && !name.starts_with(".lock"))
      results.push_back(entry.path());
  return results;
}

/// Removes a folder that holds a dry run's locks and no more: a run may have begun there meanwhile.
inline void remove_if_unused(const std::filesystem::path& root) {
  namespace fs = std::filesystem;
  const auto is_ours = [](const fs::path& file) {
    return file.filename() == ".lock-plan" || file.filename() == Store::kEntrance;
  };
  std::error_code ignored;  // what stays is a folder too many
  for (const auto& entry : fs::directory_iterator(root, ignored))
    if (!is_ours(entry.path())) return;
  for (const char* lock : {".lock-plan", Store::kEntrance}) fs::remove(root / lock, ignored);
  fs::remove(root, ignored);  // not if somebody was quicker
}

/// Moves the results in a folder aside, while nobody can begin there.
/// @param still_others  asked when nobody can: whether they are those that are to be moved.
/// @return        whether they were; if not, all is as it was.
/// @throws Error  if a process works in the folder, or one of them cannot be moved.
template <std::predicate StillOthers>
bool move_results(const std::filesystem::path& root, StillOthers&& still_others) {
  const FileLock entrance(root / Store::kEntrance);
  if (!still_others()) return false;
  require_idle(root);
  (void)set_aside(root, results_in(root));
  return true;
}

/// What the results in a folder depend on, as it stands there; empty if nothing does.
inline std::string text_of_configuration(const std::filesystem::path& root) {
  const auto file = root / Store::kConfiguration;
  return std::filesystem::exists(file) ? read_file(file) : std::string();
}

/// Refuses a folder with the results of another program, whose files might have the same names.
/// @param program  as its line in the configuration says; empty: studies, which have no such line.
/// @throws OtherConfiguration  if the line there says another one.
inline void require_program(const std::filesystem::path& root, std::string_view program) {
  if (!std::filesystem::exists(root / Store::kConfiguration)) return;
  const auto text = [&] {
    const FileLock entrance(root / Store::kEntrance);  // nobody moves it meanwhile
    return text_of_configuration(root);
  }();
  if (text.empty()) return;
  const auto kept = Configuration::parse(text).training;
  const auto line = std::ranges::find(kept, kProgramLine, &ConfigurationLine::name);
  const std::string there = line == kept.end() ? "" : line->value;
  const auto named = [](std::string_view name) {
    return name.empty() ? "none (a study, or before programs were named)" : name;
  };
  require<OtherConfiguration>(there == program, root.string(),
                              "holds another program's results:\n  {}: {} there, {} here",
                              kProgramLine, named(there), named(program));
}

/// Opens a folder of results. Those of another configuration are refused, or where people `force`
/// it, set aside.
/// @param open     gives the Store.
/// @param program  as for require_program.
template <class Open>
auto open_used(const std::filesystem::path& root, bool force, Open&& open,
               std::string_view program = {}) {
  const auto open_own = [&] {
    require_program(root, program);
    return open();
  };
  if (!force) try {
      return open_own();
    } catch (const OtherConfiguration& other) {
      throw OtherConfiguration(fmt::format("{}\nOr add --force, which moves them to {} first.",
                                           other.what(), place_aside(root).string()));
    }
  // Of several that start at once one looks at a time: the first moves what is there, the others
  // find it moved, and never half of it.
  const FileLock one(root / kForce);
  for (bool moved = false; !moved;) {
    const auto looked = text_of_configuration(root);
    try {
      return open_own();
    } catch (const OtherConfiguration&) {
      // Without --force others may come and go meanwhile: what they left is looked at again.
      moved = move_results(root, [&] { return text_of_configuration(root) == looked; });
    }
  }
  return open_own();
}

/// The same for a program that is no study: its name stands first in the configuration.
/// @param lines     what the results depend on.
/// @param machines  `machine_kind` of a program that goes on where it was; `Store::notes` then says
///                  where others took part.
inline Store open_results(const std::filesystem::path& root, bool force, std::string_view program,
                          std::vector<ConfigurationLine> lines,
                          const std::vector<std::string>& machines = {}) {
  lines.insert(lines.begin(), ConfigurationLine{std::string(kProgramLine), std::string(program)});
  const auto open = [&] {
    return Store(root, {.training = lines, .measuring = {}, .machines = machines});
  };
  return open_used(root, force, open, program);
}

}  // namespace serpette::cli
