#pragma once

#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "serpette/io/atomic_file.hpp"
#include "serpette/study/cell_files.hpp"
#include "serpette/study/progress.hpp"
#include "serpette/study/store.hpp"
#include "serpette/study/suite.hpp"
#include "serpette/study/workers.hpp"

namespace serpette {

/// Deletes the checkpoints that only this cell asks for; its network has been saved.
inline void drop_cell_stages(const Store& store, const PlannedCell& cell) {
  const auto& keys = cell.keys;
  if (cell.id.ratio == Ratio()) return;  // all scenarios of its run ask for it
  for (const auto& round : keys.rounds)
    for (const char* stage : {"round_scores", "rounds"}) store.drop(stage, round);
  store.drop("trained_scores", keys.trained_scores);
  store.drop("finetune", keys.finetuning);
}

/// Calls `work()`; what it throws that concerns a cell alone goes to `failed(reason)`: anything but
/// a disk that cannot be written, another configuration in the folder, and a stop.
template <class Work, class Failed>
void unless_it_fails(Work&& work, Failed&& failed) {
  try {
    work();
  } catch (const Unwritable&) {
    throw;
  } catch (const OtherConfiguration&) {
    throw;
  } catch (const Error& error) {
    failed(error.what());
  } catch (const c10::Error& error) {  // LibTorch's own, e.g. out of memory
    failed(error.what_without_backtrace());
  }
}

/// Does what is left to do of one cell: trains it, measures it, or only its times, or under a
/// suite. A cell that fails is noted with its reason and does not stop the others.
/// @return  whether the cell is finished now.
template <Detector D, Dataset Train, Dataset Test>
bool finish_cell(const ErasedScenario& scenario, const Experiment<D, Train, Test>& experiment,
                 const Store& store, const PlannedCell& cell, const Workers& workers,
                 Progress& progress) {
  const auto& e = experiment;
  const CellFiles files(store.root(), cell);
  bool finished = false;
  progress.on_cell_begin(work_of(scenario, e, store, cell));
  unless_it_fails(
      [&] {
        std::optional<TrainedCell<D>> trained = files.template read<D>(e.device);
        const bool known = trained && files.evaluated();
        const bool timed = trained && files.timed();
        if (!trained) {
          trained = cell.id.scenario == kOriginal
                        ? original_cell(scenario, e)
                        : train_cell(scenario, e, store, cell.id, progress);
          store.begin();
          files.write(*trained, e.test.instances().categories, machine_kind(e.device, workers));
          drop_cell_stages(store, cell);
        }
        std::vector<CellRow> rows;
        if (timed) {
          rows = read_cells(files.folder() / "cells.csv");
        } else if (known) {
          const auto [paper, standard] = cell_times(scenario, e, trained->network, progress);
          store.begin();
          rows = files.write(paper, standard);
        } else {
          const auto measured = measure_cell(scenario, e, trained->network, cell.id, progress);
          store.begin();
          rows =
              files.write(scenario, e.seed, *trained, measured, e.test, e.budget.evaluate.images);
        }
        if (!files.has_suite())
          files.write_suite(suite_of_cell(scenario, e, store, trained->network, cell.id,
                                          cell.keys.evaluation, files, progress));
        progress.on_cell(rows.back());
        finished = true;
      },
      [&](const std::string& reason) {
        progress.on_failed_cell(cell_folder(cell.id), reason);
        files.fail(reason);
      });
  return finished;
}

/// Runs all cells of a plan that are not finished yet: first the stages that cells share, once
/// each, then the cells. Where a shared stage fails, its cells do, and the others go on.
/// @param dispatch  as for `with_keys`.
/// @return          how many cells are not finished in the end.
template <Detector D, Dataset Train, Dataset Test, class Dispatch>
std::int64_t run_cells(const std::vector<PlannedCell>& plan,
                       const Experiment<D, Train, Test>& experiment, const Store& store,
                       bool retry_failed, const Workers& workers, Progress& progress,
                       Dispatch&& dispatch) {
  std::vector<const PlannedCell*> open, pretraining, scores;
  std::map<const PlannedCell*, Work> shared_work;  // as it was planned
  std::atomic<std::int64_t> unfinished{0};
  std::set<std::string> seen;
  progress.on_suite(experiment.suite);
  for (const auto& cell : plan) {
    const CellFiles files(store.root(), cell);
    const bool finished = files.finished();
    const bool gave_up = !finished && !retry_failed && files.failure();
    unfinished += gave_up;
    if (files.trained()) drop_cell_stages(store, cell);  // a kill may have come before
    if (finished || gave_up) {
      progress.on_known_cell();
      continue;
    }
    open.push_back(&cell);
    dispatch(cell.id.scenario, [&](const auto& scenario) {
      auto work = work_of(scenario, experiment, store, cell);
      if (!seen.insert(cell.keys.finetuning).second) work.erase("robust fine-tuning");
      progress.on_plan(work, workers.count);
    });
    if (files.trained() || cell.id.scenario == kOriginal) continue;
    if (seen.insert(cell.keys.pretraining).second) {
      pretraining.push_back(&cell);
      auto& work = shared_work[&cell] = pretraining_work(experiment.budget, store, cell.keys);
      progress.on_plan(work, workers.count);
    } else if (!seen.contains(cell.keys.scores)) {
      scores.push_back(&cell);
    }
    seen.insert(cell.keys.scores);
  }

  std::map<std::string, std::string> broken;  // shared stages that failed, and why
  std::mutex mutex;
  const auto reason = [&](const StageKeys& keys) {
    const std::scoped_lock lock(mutex);
    for (const auto& key : {keys.pretraining, keys.scores})
      if (const auto found = broken.find(key); found != broken.end()) return found->second;
    return std::string();
  };
  const auto in_turn = [&](const std::vector<const PlannedCell*>& cells, const auto& job) {
    in_parallel(workers, cells.size(), progress.turnstile(), [&](std::size_t i) {
      dispatch(cells[i]->id.scenario, [&](const auto& scenario) { job(scenario, *cells[i]); });
    });
  };
  for (const auto& shared : {pretraining, scores})
    in_turn(shared, [&](const auto& scenario, const PlannedCell& cell) {
      if (!reason(cell.keys).empty()) return;
      const auto work = shared_work.find(&cell);
      progress.on_shared_begin(work == shared_work.end() ? Work() : work->second);
      unless_it_fails([&] { prepare_run(scenario, experiment, store, cell.id, progress); },
                      [&](const std::string& why) {
                        const bool trained = store.has("pretrain", cell.keys.pretraining);
                        const std::scoped_lock lock(mutex);
                        broken[trained ? cell.keys.scores : cell.keys.pretraining] = why;
                      });
      progress.on_shared();
    });
  in_turn(open, [&](const auto& scenario, const PlannedCell& cell) {
    if (const auto why = reason(cell.keys); !why.empty()) {
      progress.on_cell_begin(work_of(scenario, experiment, store, cell));
      progress.on_failed_cell(cell_folder(cell.id), why);
      CellFiles(store.root(), cell).fail(why);
      ++unfinished;
    } else {
      unfinished += !finish_cell(scenario, experiment, store, cell, workers, progress);
    }
  });
  return unfinished;
}

/// Writes cells.csv and evaluations.csv of the finished cells among these, in this order.
inline void write_tables(const Store& store, const std::vector<PlannedCell>& cells) {
  std::string rows, evaluations;
  for (const auto& cell : cells)
    if (const CellFiles files(store.root(), cell); files.finished()) {
      append_csv(rows, files.cells());
      append_csv(evaluations, files.evaluations());
    }
  write_file(store.root() / "cells.csv", rows);
  write_file(store.root() / "evaluations.csv", evaluations);
}

}  // namespace serpette
