#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <filesystem>
#include <map>
#include <mutex>
#include <numeric>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "serpette/core/in_parallel.hpp"
#include "serpette/core/seed.hpp"
#include "serpette/io/csv.hpp"
#include "serpette/io/detections.hpp"
#include "serpette/io/draw.hpp"
#include "serpette/io/image.hpp"
#include "serpette/method/run_cell.hpp"
#include "serpette/study/cells.hpp"
#include "serpette/study/progress.hpp"

namespace serpette {

/// All cells of scenarios × runs × ratios. Runs come one after the other, so that a stopped sweep
/// has whole runs; within a run the order is shuffled by the seed, so that drift of time and
/// machine does not pose as an effect of scenario or ratio.
inline std::vector<CellId> plan_cells(const std::vector<std::string>& scenarios, int runs,
                                      const std::vector<Ratio>& ratios, Seed seed) {
  std::vector<CellId> plan;
  for (int run = 1; run <= runs; ++run) {
    std::vector<CellId> cells;
    for (const auto& scenario : scenarios)
      for (const auto ratio : ratios) cells.push_back({scenario, run, ratio});
    Generator rng(seed.derive("order").derive(static_cast<std::uint64_t>(run)));
    for (const auto i : shuffled(static_cast<std::int64_t>(cells.size()), rng))
      plan.push_back(cells[static_cast<std::size_t>(i)]);
  }
  return plan;
}

/// The part of a plan that one of several machines does: a stretch of it, so that runs stay whole
/// where they can, and a machine is no more than a block of the statistics; lengths differ by one
/// at most.
/// @param shard  1 to `shards`.
inline std::vector<CellId> shard_of(const std::vector<CellId>& plan, int shard, int shards) {
  require(shards >= 1 && shard >= 1 && shard <= shards, "shard",
          "should be i/n with 1 <= i <= n, got {}/{}", shard, shards);
  const auto end = [&](int k) { return plan.begin() + std::ssize(plan) * k / shards; };
  return {end(shard - 1), end(shard)};
}

/// The files of one cell; cells.csv is written last and says that the cell is finished. A table
/// that was damaged since counts as none.
class CellFiles {
 public:
  CellFiles(const Store& store, const CellId& id) : folder_(store.root() / "cells" / id.folder()) {}

  [[nodiscard]] bool finished() const { return whole("cells.csv") && whole("details.csv"); }
  [[nodiscard]] bool failed() const { return std::filesystem::exists(folder_ / "failed.txt"); }
  [[nodiscard]] std::string failure() const { return read_file(folder_ / "failed.txt"); }
  [[nodiscard]] std::string cells() const { return read_file(folder_ / "cells.csv"); }
  [[nodiscard]] std::string details() const { return read_file(folder_ / "details.csv"); }
  [[nodiscard]] std::filesystem::path sample() const { return folder_ / "sample.png"; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

  void fail(std::string_view reason) const { write_file(folder_ / "failed.txt", reason); }

  /// Writes network, detections, sample picture, and last the numbers.
  template <Detector D, Dataset Test>
  void write(const CellResult<D>& result, const Test& test, std::int64_t evaluated) const {
    std::filesystem::create_directories(folder_);
    result.network.save(folder_ / "network.cfg", folder_ / "network.weights");
    write_detections_csv(folder_ / "detections.csv", result.clean, test.instances());
    write_detections_csv(folder_ / "detections_attacked.csv", result.attacked, test.instances());
    write_sample(result, test, evaluated);
    write_file(folder_ / "details.csv", details_csv(result.rows));
    std::filesystem::remove(folder_ / "failed.txt");
    write_file(folder_ / "cells.csv", cells_csv(result.rows));
  }

 private:
  /// Whether a table is there with both its rows.
  [[nodiscard]] bool whole(const char* table) const try {
    const auto file = folder_ / table;
    if (!std::filesystem::exists(file)) return false;
    auto text = read_file(file);
    const bool ends = text.ends_with('\n');
    CsvReader csv(file.string(), std::move(text), kIdentity);
    return csv.next() && csv.next() && !csv.next() && ends;
  } catch (const Error&) {
    return false;
  }

  template <Detector D, Dataset Test>
  void write_sample(const CellResult<D>& result, const Test& test, std::int64_t evaluated) const {
    const auto& instances = test.instances();
    for (const auto index : telling_order(instances, evaluated)) {
      const auto picture = test.picture(static_cast<std::int64_t>(index));
      if (!picture) continue;  // unreadable: another one will do
      std::vector<Detection> shown;
      for (const auto& d : above(result.clean, kPaperConfidence))
        if (d.image_id == instances.images[index].id) shown.push_back(d);
      Image drawn = *picture;
      draw_detections(drawn, shown, instances.categories);
      return write_png(sample(), drawn);
    }
  }

  /// The evaluated pictures, those with the most kinds of objects first: the first is shown for
  /// every cell.
  static std::vector<std::size_t> telling_order(const Instances& instances,
                                                std::int64_t evaluated) {
    std::vector<std::set<int>> kinds(instances.images.size());
    std::unordered_map<std::int64_t, std::size_t> index;
    for (std::size_t i = 0; i < instances.images.size(); ++i) index[instances.images[i].id] = i;
    for (const auto& a : instances.annotations) kinds[index.at(a.image_id)].insert(a.category);
    std::vector<std::size_t> order(
        evaluated > 0 ? std::min(kinds.size(), static_cast<std::size_t>(evaluated)) : kinds.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t x, std::size_t y) {
      return kinds[x].size() > kinds[y].size();
    });
    return order;
  }

  static constexpr std::array<std::string_view, 5> kIdentity{"scenario", "run", "ratio", "seed",
                                                             "profile"};
  std::filesystem::path folder_;
};

/// `serpette::in_parallel` where each of several workers computes on one thread of its own; a
/// single one is the calling thread with all of LibTorch's threads.
template <class Job>
void in_parallel(int workers, std::size_t count, Progress& progress, const Job& job) {
  in_parallel(static_cast<std::size_t>(std::max(workers, 1)), count, job, [&](const auto& work) {
    if (workers > 1) at::set_num_threads(1);
    progress.turnstile().enter();
    try {
      work();
    } catch (...) {
      progress.turnstile().leave();
      throw;
    }
    progress.turnstile().leave();
  });
}

/// Runs one cell; a cell that fails is noted with its reason and does not stop the others, unless
/// nothing can be written any more.
/// @return  whether the cell is finished now.
template <AnyScenario S, Detector D, Dataset Train, Dataset Test>
bool finish_cell(const S& scenario, const Experiment<D, Train, Test>& experiment,
                 const Store& store, const CellId& id, Progress& progress) {
  const CellFiles files(store, id);
  const auto failed = [&](const char* reason) {
    progress.on_failed_cell(id.folder(), reason);
    files.fail(reason);
    return false;
  };
  progress.on_cell_begin();
  try {
    const auto result = run_cell(scenario, experiment, store, id, progress);
    files.write(result, experiment.test, experiment.budget.evaluate.images);
    drop_cell_stages(scenario, experiment, store, id);
    progress.on_cell(result.rows.back());
    return true;
  } catch (const Unwritable&) {
    throw;
  } catch (const Error& error) {
    return failed(error.what());
  } catch (const c10::Error& error) {  // LibTorch's own, e.g. out of memory
    return failed(error.what_without_backtrace());
  }
}

/// Runs all cells of a plan that are not finished yet: first the stages that cells share, once
/// each, then the cells. Where a shared stage fails, its cells do, and the others go on.
/// @param dispatch  `dispatch(id, visit)` calls `visit(scenario)` with the scenario of that id.
/// @return          how many cells are not finished in the end.
template <Detector D, Dataset Train, Dataset Test, class Dispatch>
std::int64_t run_cells(const std::vector<CellId>& plan,
                       const Experiment<D, Train, Test>& experiment, const Store& store,
                       bool retry_failed, int workers, Progress& progress, Dispatch&& dispatch) {
  std::vector<CellId> open;
  std::int64_t unfinished = 0;
  for (const auto& id : plan) {
    const CellFiles files(store, id);
    const bool gave_up = files.failed() && !retry_failed;
    if (files.finished())  // a kill may have come before its checkpoints were dropped
      dispatch(id.scenario,
               [&](const auto& scenario) { drop_cell_stages(scenario, experiment, store, id); });
    if (files.finished() || gave_up)
      progress.on_known_cell();
    else
      open.push_back(id);
    unfinished += gave_up && !files.finished();
  }

  std::vector<CellId> pretraining, scores;
  std::set<std::string> seen;
  for (const auto& id : open)
    dispatch(id.scenario, [&](const auto& scenario) {
      const auto keys = stage_keys(scenario, experiment, id);
      if (seen.insert(keys.pretraining).second)
        pretraining.push_back(id);
      else if (!seen.contains(keys.scores))
        scores.push_back(id);
      seen.insert(keys.scores);
    });
  std::map<std::string, std::string> broken;  // shared stages that failed, and why
  std::mutex mutex;
  const auto reason = [&](const StageKeys& keys) {
    const std::lock_guard lock(mutex);
    for (const auto& key : {keys.pretraining, keys.scores})
      if (const auto found = broken.find(key); found != broken.end()) return found->second;
    return std::string();
  };
  for (const auto& jobs : {pretraining, scores})
    in_parallel(workers, jobs.size(), progress, [&](std::size_t i) {
      dispatch(jobs[i].scenario, [&](const auto& scenario) {
        const auto keys = stage_keys(scenario, experiment, jobs[i]);
        if (!reason(keys).empty()) return;
        const auto note = [&](const char* why) {
          const std::lock_guard lock(mutex);
          broken[store.has("pretrain", keys.pretraining) ? keys.scores : keys.pretraining] = why;
        };
        try {
          prepare_run(scenario, experiment, store, jobs[i], progress);
        } catch (const Unwritable&) {
          throw;
        } catch (const Error& error) {
          note(error.what());
        } catch (const c10::Error& error) {
          note(error.what_without_backtrace());
        }
      });
    });

  std::atomic<std::int64_t> failed{0};
  in_parallel(workers, open.size(), progress, [&](std::size_t i) {
    dispatch(open[i].scenario, [&](const auto& scenario) {
      if (const auto why = reason(stage_keys(scenario, experiment, open[i])); !why.empty()) {
        progress.on_cell_begin();
        progress.on_failed_cell(open[i].folder(), why);
        CellFiles(store, open[i]).fail(why);
        ++failed;
        return;
      }
      failed += !finish_cell(scenario, experiment, store, open[i], progress);
    });
  });
  return unfinished + failed;
}

/// Writes cells.csv and details.csv of the finished cells, in the order of scenario, run and ratio.
inline void write_tables(const Store& store, const std::vector<std::string>& scenarios, int runs,
                         const std::vector<Ratio>& ratios) {
  std::string cells, details;
  for (const auto& scenario : scenarios)
    for (int run = 1; run <= runs; ++run)
      for (const auto ratio : ratios)
        if (const CellFiles files(store, {scenario, run, ratio}); files.finished()) {
          append_csv(cells, files.cells());
          append_csv(details, files.details());
        }
  write_file(store.root() / "cells.csv", cells);
  write_file(store.root() / "details.csv", details);
}

}  // namespace serpette
