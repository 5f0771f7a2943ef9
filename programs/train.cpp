// Trains a detector, robustly if asked, and writes darknet weights.
//   train --cfg F --images DIR --annotations F --out own.weights [--weights F] [--attack pgd]
//   [--validation-images DIR --validation-annotations F] [--test-images DIR …]
// Beside own.weights stand own.last.weights, own.names, own.log.csv, own.log.svg, while it trains
// own.checkpoint, from which the same command goes on after any kill, and once it is finished
// own.configuration, by which the same command finds nothing to do and another one is refused.
// Started by torchrun, mpirun or srun, all processes train one network, each on its share of every
// batch.
#include <CLI/CLI.hpp>
#include <array>
#include <cmath>
#include <csignal>
#include <cstdint>

#include "serpette/app/budget_options.hpp"
#include "serpette/app/cli.hpp"
#include "serpette/app/device.hpp"
#include "serpette/app/load_data.hpp"
#include "serpette/app/load_experiment.hpp"
#include "serpette/app/network_names.hpp"
#include "serpette/app/policies.hpp"
#include "serpette/app/program.hpp"
#include "serpette/app/say_notes.hpp"
#include "serpette/app/used_folder.hpp"
#include "serpette/core/counted.hpp"
#include "serpette/core/reused_memory.hpp"
#include "serpette/data/coco_folder.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/distributed/process_group.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/class_names.hpp"
#include "serpette/io/file_fingerprint.hpp"
#include "serpette/io/file_lock.hpp"
#include "serpette/io/load_annotations.hpp"
#include "serpette/method/checkpoint.hpp"
#include "serpette/method/evaluate.hpp"
#include "serpette/method/identity.hpp"
#include "serpette/method/learning_rate_finder.hpp"
#include "serpette/method/loader.hpp"
#include "serpette/method/train.hpp"
#include "serpette/method/training_log.hpp"
#include "serpette/metric/stopwatch.hpp"
#include "serpette/study/configuration.hpp"
#include "serpette/study/progress.hpp"
#include "serpette/study/workers.hpp"
#include "support/training_picture.hpp"

namespace serpette::train_program {

namespace {

namespace fs = std::filesystem;

struct Options {
  fs::path cfg, weights, images, annotations, out;
  fs::path validation_images, validation_annotations, test_images, test_annotations;
  std::string device = "auto";
  cli::PolicyNames policies;
  cli::SettingOptions augmentation;
  std::uint64_t seed = 1;
  bool plain = false, find_learning_rate = false, force = false;
  std::optional<double> learning_rate;
  int freeze = 0;
  std::int64_t evaluate_every = 0, patience = 0, checkpoint_every = 500;
  double checkpoint_minutes = 10;
  PgdAdversarial objective;
  TrainSettings settings{.steps = 1000, .batch_size = 16, .warmup = 100, .clip = 50};

  /// What is written beside the weights, by the ends of the names.
  static constexpr std::array<std::string_view, 7> kBeside{
      "last.weights",  "names",      "log.csv",        "log.svg",
      "configuration", "checkpoint", "checkpoint.lock"};
  /// A file beside the weights: own.weights → own.log.csv.
  [[nodiscard]] fs::path beside(std::string_view end) const {
    return beside_network(out, fmt::format(".{}", end));
  }
  /// Refuses weights that would be named as what is written, and in the end removed, beside some.
  void require_own_name() const {
    for (const auto end : kBeside)
      require(!out.filename().string().ends_with(fmt::format(".{}", end)), "--out",
              "should be a name of weights, got {}: so ends what is written beside them",
              out.string());
  }
  Options() { augmentation.offer(Augment{}, "augment"); }
  /// What training views do.
  [[nodiscard]] Augment augment() const {
    return augmentation.apply_to(plain ? Augment::none() : Augment{}, "augment");
  }
  [[nodiscard]] bool validates() const { return !validation_annotations.empty(); }
  /// All files that this training writes.
  [[nodiscard]] std::vector<fs::path> outputs() const {
    std::vector<fs::path> files{out};
    for (const auto end : kBeside)
      if (end != "last.weights" || validates()) files.push_back(beside(end));
    return files;
  }
  [[nodiscard]] std::int64_t every() const {
    return evaluate_every > 0 ? evaluate_every : std::max<std::int64_t>(1, settings.steps / 10);
  }
};

/// @param names  of the network's classes, in their order; may be empty.
CocoFolder folder(const Options& o, const Yolov3& detector, const std::vector<std::string>& names,
                  const fs::path& annotations, const fs::path& images,
                  const Augment& augment = {}) {
  const bool is_fresh = o.weights.empty() || partial_cutoff(o.weights);
  auto instances =
      cli::load_matched(annotations, images, detector.graph().classes(), names, o.cfg.string(),
                        is_fresh ? cli::Heads::fresh : cli::Heads::trained);
  CocoFolder::Options options{.width = detector.graph().input.width,
                              .height = detector.graph().input.height,
                              .augment = augment};
  return {std::move(instances), images, options};
}

/// All that the trained weights depend on.
std::string configuration_text(const Options& o, const ChosenAttack& attack,
                               const ErasedColorMode& color, int processes, at::Device device,
                               const CocoFolder& data,
                               const std::optional<CocoFolder>& validation) {
  Configuration configuration{
      .training = {{"--cfg", file_fingerprint(o.cfg)},
                   {"--weights", o.weights.empty() ? "none" : file_fingerprint(o.weights)},
                   {"training images", identity_of(data)},
                   {"validation images", validation ? identity_of(*validation) : "none"},
                   {"--find-learning-rate", fmt::to_string(o.find_learning_rate)},
                   {"--attack", attack.settings},
                   {"--attacked", fmt::to_string(o.objective.attacked)},
                   {"--color", std::string(color.name)},
                   {"--freeze", fmt::to_string(o.freeze)},
                   {"--evaluate-every", fmt::to_string(o.every())},
                   {"--patience", fmt::to_string(o.patience)},
                   {"--seed", fmt::to_string(o.seed)},
                   {"processes", fmt::to_string(processes)}},
      .measuring = {},
      .machines = {machine_kind(device, {.count = 1, .threads = at::get_num_threads()})}};
  each_setting(o.settings, [&](const std::string& option, const auto&, const auto& value) {
    configuration.training.push_back({"--" + option, typed_text(value)});
  });
  return configuration.text();
}

/// In which settings two trainings differ, a text each.
std::vector<std::string> other_settings(const std::string& there, const std::string& here) {
  return differences(Configuration::parse(there).training, Configuration::parse(here).training);
}

/// Refuses what another training left.
/// @param file   what is there.
/// @param other  the settings in which that training differs.
void require_own(const fs::path& file, const std::vector<std::string>& other, const fs::path& out) {
  require<OtherConfiguration>(
      other.empty(), file.string(),
      "should be of this training, got another one's ({}); choose another --out, or add --force, "
      "which moves what is there to {} first",
      fmt::join(other, "; "), cli::place_aside(out).string());
}

/// What lies at --out when a training begins.
enum class Place : std::uint8_t {
  kOpen,      ///< Nothing, or what this training goes on from.
  kFinished,  ///< What this training made: nothing is left to do.
  kCleared,   ///< Nothing any more: what was there is set aside.
};

/// The configuration of a training that goes on: with the kinds of machines that took part before.
/// @param say  those that are others than this one, for people.
std::string continued(const std::string& kept, const std::string& here, bool say) {
  auto both = Configuration::parse(here);
  const auto machine = both.machines.front();
  for (const auto& before : Configuration::parse(kept).machines) {
    if (before == machine) continue;
    both.machines.push_back(before);
    if (say)
      fmt::print(stderr,
                 "note: some steps were computed on {}, now it is {}: last digits differ, and what "
                 "follows from them\n",
                 before, machine);
  }
  return both.text();
}

/// An observer that calls a function at every step.
template <class F>
struct AtEachStep {
  const F& f;
  void on_step(std::int64_t, double) const { f(); }
};

/// One training: the network, its data and its files.
class Run {
 public:
  Run(const Options& o, const ChosenAttack& attack, const ErasedColorMode& color,
      const Launch& launch, at::Device device)
      : o_(o),
        defence_{o.objective, attack.attack, color},
        device_(device),
        is_first_(launch.rank == 0),
        detector_(o.weights.empty() ? Yolov3(load_cfg(o.cfg), Seed(o.seed))
                                    : Yolov3::load(o.cfg, o.weights, Seed(o.seed))) {
    if (is_first_ && !o.weights.empty()) cli::say_notes(detector_, o.cfg, o.weights);
    detector_.freeze(o.freeze);
    detector_.to(device);
    auto names =
        cli::network_names({}, o.weights, o.cfg, detector_.graph().classes(), o.cfg.string());
    data_.emplace(folder(o, detector_, names, o.annotations, o.images, o.augment()));
    if (names.empty()) names = cli::class_names(data_->instances());
    if (o.validates())
      validation_.emplace(
          folder(o, detector_, names, o.validation_annotations, o.validation_images));
    if (!o.test_annotations.empty())
      test_.emplace(folder(o, detector_, names, o.test_annotations, o.test_images));
    require_own_data(validation_, o.validation_annotations);
    require_own_data(test_, o.test_annotations);
    cli::require_objects(*data_);
    std::vector<fs::path> inputs{o.cfg, o.weights, o.images, o.validation_images, o.test_images};
    for (const auto& annotations : {o.annotations, o.validation_annotations, o.test_annotations})
      std::ranges::move(files_of_annotations(annotations), std::back_inserter(inputs));
    for (const auto& output : o.outputs()) {
      require_no_input(output, inputs);
      if (is_first_) require_writable(output);
    }
    if (is_first_)
      lock_.emplace(o_.beside("checkpoint.lock"), OneAtATime{[&](std::string_view owner) {
                      fail(o_.out.string(), "should be free, but process {} trains it", owner);
                    }});
    detector_.set_peers(join(launch, device));
    configuration_ = configuration_text(o, attack, color, launch.size, device, *data_, validation_);
  }

  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;
  ~Run() {
    if (lock_) lock_->done();
  }

  /// @return  the exit status.
  int operator()() {
    const auto checkpoint = o_.beside("checkpoint");
    auto kept = is_first_ ? load_checkpoint(checkpoint) : std::nullopt;
    const auto place = from_first([&] { return look(kept); });
    if (place == Place::kFinished) return finished_before();
    if (place == Place::kCleared) kept.reset();
    if (!is_first_) kept = load_checkpoint(checkpoint);  // what the first one left there
    if (kept) require_own(checkpoint, other_settings(kept->configuration, configuration_), o_.out);
    require_same_step(detector_.peers(), kept ? kept->training.step : 0, device_);
    std::error_code ignored;
    if (is_first_) {
      fs::remove(o_.beside("configuration"), ignored);  // comes again once it is finished
      // Names of the classes travel with the weights, where the data has names. Where it has none
      // those of the cfg stay, if they are the ones there.
      const auto names = cli::class_names(data_->instances());
      const auto known = names_of_network(o_.weights, o_.cfg);
      if (!names.empty() || !fs::equivalent(o_.beside("names"), known, ignored))
        write_class_names(o_.beside("names"), names);
    }
    auto settings = o_.settings;
    if (kept) {
      log_ = TrainingLog::parse(kept->notes, o_.beside("checkpoint").string());
      if (o_.find_learning_rate) settings.learning_rate = kept->learning_rate;
      if (is_first_)
        fmt::print(stderr, "goes on after step {} of {}, which {} holds\n", kept->training.step,
                   settings.steps, o_.beside("checkpoint").string());
      configuration_ = continued(kept->configuration, configuration_, is_first_);
    } else if (o_.find_learning_rate) {
      settings.learning_rate = found_learning_rate();
    }
    take_from_first(detector_.peers(), tensors_of(detector_));
    MovedWeights moves(detector_);
    Training training(detector_, moves, defence_, settings, Seed(o_.seed), device_);
    if (kept) training.set_state(kept->training);
    is_kept_ = training.done() > 0;
    settings_ = settings;
    kept.reset();
    if (learn(training)) return stopped(training);
    if (!is_kept_) keep(training);
    training.finish();
    save_last(training.done());
    write_log(true);
    if (is_first_) {  // always one of the two says whose the weights are
      write_file(o_.beside("configuration"), configuration_);
      fs::remove(o_.beside("checkpoint"), ignored);
    }
    return finished(training.done());
  }

 private:
  [[nodiscard]] fs::path last_weights() const {
    return o_.validates() ? o_.beside("last.weights") : o_.out;
  }

  /// Refuses data that count classes otherwise than the training set, or share an image with it.
  void require_own_data(const std::optional<CocoFolder>& data, const fs::path& annotations) const {
    if (!data) return;
    cli::require_apart(*data_, *data, annotations);
    cli::require_alike(*data_, *data);
  }

  /// What the first process answers, in every process.
  template <class Ask>
  [[nodiscard]] Place from_first(const Ask& ask) const {
    const auto mine = is_first_ ? ask() : Place{};
    const auto number = at::full({1}, static_cast<double>(mine), at::device(device_));
    return static_cast<Place>(std::lround(total(detector_.peers(), number)));
  }

  /// Looks at what lies at --out. Results of other settings, or of settings that nothing says, are
  /// refused, or where people force it, set aside.
  [[nodiscard]] Place look(const std::optional<Checkpoint>& kept) const {
    const auto finished = o_.beside("configuration");
    const bool has_weights = fs::is_regular_file(o_.out);
    const bool has_configuration = fs::is_regular_file(finished);
    if (!kept && !has_configuration && !has_weights && !fs::is_regular_file(last_weights()))
      return Place::kOpen;
    const auto file = kept ? o_.beside("checkpoint") : has_configuration ? finished : o_.out;
    std::vector<std::string> other;
    if (kept || has_configuration)
      other = other_settings(kept ? kept->configuration : read_file(finished), configuration_);
    else
      other.push_back(fmt::format("settings unknown, without {}", finished.filename().string()));
    if (other.empty()) return !kept && has_weights ? Place::kFinished : Place::kOpen;
    if (!o_.force) require_own(file, other, o_.out);
    set_aside();
    return Place::kCleared;
  }

  /// Moves what is there to a folder beside it.
  void set_aside() const {
    std::vector<fs::path> files{o_.out};
    for (const auto end : Options::kBeside)
      if (end != "checkpoint.lock" && end != "names") files.push_back(o_.beside(end));
    std::error_code none;
    std::erase_if(files, [&](const fs::path& file) {  // what this training starts from stays
      return !fs::is_regular_file(file, none) || fs::equivalent(file, o_.weights, none);
    });
    const auto place = cli::set_aside(o_.out, files);
    // Names are copied: they may be those of the cfg, too.
    if (const auto names = o_.beside("names"); fs::is_regular_file(names, none))
      fs::copy_file(names, place / names.filename());
  }

  /// For the same command after the end: what is left of it is to say what came out.
  int finished_before() {
    if (!is_first_) return 0;
    fmt::print("{}: finished already with these settings, which {} says\n", o_.out.string(),
               o_.beside("configuration").string());
    if (!test_) return 0;
    load_weights(detector_, o_.out);
    report(*test_, "test");
    return 0;
  }

  double found_learning_rate() {
    require(detector_.peers().alone(), "--find-learning-rate",
            "should be asked of one process, got {}; find it first", detector_.peers().share.size);
    progress_.on_stage("learning rates", LearningRateFinder{}.steps);
    Loader<CocoFolder> loader(*data_, o_.settings.batch_size, Seed(o_.seed).derive("rates"), 1);
    const double rate = LearningRateFinder{}(
        detector_, [&] { return loader.next(); }, defence_, o_.settings,
        Seed(o_.seed).derive("find rate"), device_, progress_);
    progress_.clear();
    fmt::print("learning rate {:.2g} by a range test\n", rate);
    return rate;
  }

  /// Makes the steps that are left. @return  whether it was told to stop.
  template <class T>
  bool learn(T& training) {
    Loader<CocoFolder> loader(*data_, o_.settings.batch_size, Seed(o_.seed).derive("batches"), 1,
                              detector_.peers().share, training.done());
    const auto row_every = std::max<std::int64_t>(1, settings_.steps / 500);
    if (is_first_) {
      progress_.on_stage("training", settings_.steps);
      progress_.on_known_steps(training.done());
    }
    Stopwatch since_kept;
    const auto had_enough = [&] {
      return o_.patience > 0 && log_.evaluations_without_gain() >= o_.patience;
    };
    const auto is_evaluated = [&](std::int64_t step) {
      return o_.validates() && (step >= settings_.steps || step % o_.every() == 0);
    };
    while (!training.finished() && !had_enough()) {
      // Before the first weights are written: the checkpoint says whose they are.
      if (!is_kept_ && is_evaluated(training.done() + 1)) keep(training);
      const double rate = learning_rate(settings_, training.done());
      const double loss = training.step([&] { return loader.next(); });
      log_.add_loss(loss);
      const auto step = training.done();
      if (is_first_) progress_.on_step(step, loss);
      const bool is_last = training.finished();
      const bool evaluates = is_evaluated(step);
      if (evaluates || is_last || step % row_every == 0) {
        LogRow row{.step = step, .learning_rate = rate};
        if (evaluates)
          training.averaged([&] {
            evaluate_into(row);
            log_.close(row);
            if (is_first_ && log_.best()->step == step) save(o_.out, step);
          });
        else
          log_.close(row);
        write_log(false);
      }
      const bool is_due = detector_.peers().alone() &&
                          since_kept.seconds() > 60 * o_.checkpoint_minutes &&
                          o_.checkpoint_minutes > 0;
      if (evaluates || is_due || (o_.checkpoint_every > 0 && step % o_.checkpoint_every == 0)) {
        keep(training);
        since_kept = {};
      }
      if (is_first_ && progress_.stop_requested() && !is_last) return true;
    }
    return false;
  }

  /// Evaluations look at as many images at once as a process trains on.
  [[nodiscard]] EvaluateSettings evaluation() const {
    return {.batch_size = o_.settings.batch_size / detector_.peers().share.size};
  }

  /// Evaluates on the validation data, in the first process; the others learn what came out.
  void evaluate_into(LogRow& row) {
    auto numbers = at::zeros({4}, at::device(device_).dtype(at::kDouble));
    in_first(detector_.peers(), device_, [&]<class F>(const F& still_here) {
      AtEachStep<F> observer{still_here};
      const auto network = detector_.frozen();
      const auto seed = Seed(o_.seed).derive("validation");
      const auto clean = evaluate(detector_, network, *validation_, Unattacked{}, defence_.color,
                                  evaluation(), seed, device_, observer);
      numbers[0] = clean.standard.AP;
      numbers[1] = clean.standard.AP50;
      if (!defence_.attack.is_identity) {
        const auto hit = evaluate(detector_, network, *validation_, defence_.attack, defence_.color,
                                  evaluation(), seed, device_, observer);
        numbers[2] = hit.standard.AP;
        numbers[3] = hit.standard.AP50;
      }
    });
    if (!detector_.peers().alone()) detector_.peers().sum(numbers);
    const auto number = [&](int i) { return numbers[i].item<double>(); };
    row.ap = number(0), row.ap50 = number(1);
    if (!defence_.attack.is_identity) row.robust_ap = number(2), row.robust_ap50 = number(3);
    if (!is_first_) return;
    progress_.clear();
    fmt::print("step {}: AP50 {:.3f}{}\n", row.step, row.ap50,
               std::isnan(row.robust_ap50)
                   ? ""
                   : fmt::format(", under {} {:.3f}", defence_.attack.name, row.robust_ap50));
    std::fflush(stdout);
  }

  template <class T>
  void keep(T& training) {
    auto state = training.state();  // of all processes
    is_kept_ = true;
    if (is_first_)
      save_checkpoint(o_.beside("checkpoint"), {.configuration = configuration_,
                                                .notes = log_.state(),
                                                .learning_rate = settings_.learning_rate,
                                                .training = std::move(state)});
  }

  void write_log(bool is_whole) const {
    if (!is_first_) return;
    write_file(o_.beside("log.csv"), log_.csv(), is_whole);
    if (is_whole || !o_.validates() || !std::isnan(log_.rows().back().merit()))
      write_file(o_.beside("log.svg"), cli::training_svg(log_, defence_.attack.name), is_whole);
  }

  void save(const fs::path& file, std::int64_t steps) const {
    auto header = detector_.header();
    header.seen += static_cast<std::uint64_t>(steps * o_.settings.batch_size);
    save_weights(detector_, file, header);
  }
  void save_last(std::int64_t steps) {
    if (!is_first_) return;
    progress_.clear();
    save(last_weights(), steps);
  }

  template <class T>
  int stopped(T& training) {
    if (detector_.peers().alone()) keep(training);
    training.averaged([&] { save_last(training.done()); });
    write_log(true);
    fmt::print(stderr, "stopped after {} of {} steps; the weights so far are in {}, {}\n",
               training.done(), settings_.steps, last_weights().string(),
               fs::exists(o_.beside("checkpoint")) ? "and the same command goes on from there"
                                                   : "and --weights goes on from them");
    if (progress_.stopped_by_hand() && (validation_ || test_)) {
      fmt::print(stderr, "evaluates them now; Ctrl-C again ends this\n");
      progress_.resume();
      training.averaged(
          [&] { report(test_ ? *test_ : *validation_, test_ ? "test" : "validation"); });
    }
    return 130;
  }

  int finished(std::int64_t steps) {
    if (!is_first_) return 0;
    fmt::print("{} in {}; weights in {}\n", counted(steps, "step"), clock_text(progress_.seconds()),
               o_.out.string());
    if (const auto* best = log_.best()) {
      fmt::print("{} holds the best, of step {}: AP50 {:.3f}{}; {} the last\n", o_.out.string(),
                 best->step, best->ap50,
                 std::isnan(best->robust_ap50)
                     ? ""
                     : fmt::format(", under {} {:.3f}", defence_.attack.name, best->robust_ap50),
                 last_weights().string());
      if (test_) load_weights(detector_, o_.out);
    }
    if (test_) report(*test_, "test");
    return 0;
  }

  void report(const CocoFolder& data, std::string_view name) {
    const auto network = detector_.frozen();
    notify::stage(progress_, name, data.size());
    const auto clean = evaluate(detector_, network, data, Unattacked{}, defence_.color,
                                evaluation(), Seed(o_.seed), device_, progress_);
    progress_.clear();
    fmt::print("{}: AP {:.3f} AP50 {:.3f} (confidence 0.001), AP50 {:.3f} (0.5)\n", name,
               clean.standard.AP, clean.standard.AP50, clean.paper.AP50);
    if (!defence_.attack.is_identity) {
      notify::stage(progress_, fmt::format("{} under attack", name), data.size());
      const auto hit = evaluate(detector_, network, data, defence_.attack, defence_.color,
                                evaluation(), Seed(o_.seed), device_, progress_);
      progress_.clear();
      fmt::print("under {}: AP {:.3f} AP50 {:.3f}\n", defence_.attack.name, hit.standard.AP,
                 hit.standard.AP50);
    }
  }

  const Options& o_;
  Defence defence_;
  at::Device device_;
  bool is_first_;
  std::optional<FileLock> lock_;  ///< One training of an output at a time.
  Yolov3 detector_;
  std::optional<CocoFolder> data_, validation_, test_;
  std::string configuration_;
  bool is_kept_ = false;  ///< Whether there is a checkpoint, for what goes on from one.
  TrainSettings settings_;
  TrainingLog log_;
  Progress progress_;
};

int run(const Options& o) {
  const auto attack = o.policies.attack.chosen();
  const auto color = o.policies.color.chosen();
  const ReusedMemory memory;  // before any thread starts
  const auto launch = launch_from_environment();
  require(o.settings.batch_size % launch.size == 0, "--batch-size",
          "should be a multiple of the {} processes, got {}", launch.size, o.settings.batch_size);
  auto device = cli::parse_device(o.device);
  if (device.is_cuda() && launch.size > 1 && o.device.find(':') == std::string::npos)
    device = cli::parse_device(cli::numbered_gpu(o.device, launch.local_rank));
  Run training(o, attack, color, launch, device);
  if (launch.rank > 0)  // Ctrl-C is for the first process, which keeps the weights
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, SIG_IGN);
  return training();
}

}  // namespace

int main(int argc, char** argv) {
  return cli::run_main([&] {
    Options o;
    CLI::Option *attacked = nullptr, *evaluate_every = nullptr, *patience = nullptr;
    CLI::App app(
        "Trains a detector, robustly if asked, and writes darknet weights. Beside OUT.weights "
        "stand "
        "OUT.names,\n"
        "OUT.log.csv and OUT.log.svg, with validation data also OUT.last.weights; while it trains\n"
        "OUT.checkpoint, from which the same command goes on after any kill; in the end\n"
        "OUT.configuration, by which other settings are refused.");
    app.add_option("--cfg", o.cfg, "Network in darknet's format")->required();
    app.add_option("--weights", o.weights,
                   "Weights to start from; a name ending in .conv.N is read up to layer N");
    cli::under(app, "Data", [&] {
      app.add_option("--images", o.images, "Folder of the training images")->required();
      app.add_option("--annotations", o.annotations,
                     fmt::format("Their boxes: {}", cli::kAnnotationsHelp))
          ->required();
      app.add_option("--validation-images", o.validation_images,
                     "Folder of images that are evaluated while it trains: OUT is then the best "
                     "network");
      app.add_option("--validation-annotations", o.validation_annotations, "Their boxes");
      app.add_option("--test-images", o.test_images, "Folder of test images, evaluated at the end");
      app.add_option("--test-annotations", o.test_annotations, "Their boxes");
    });
    cli::under(app, "Views of training images", [&] {
      app.add_flag("--no-augmentation", o.plain,
                   "The images as they are, but for what these options say");
      o.augmentation.add_to(app);
    });
    app.add_option("--out", o.out, "Weights to write")->required();
    cli::under(app, "Training", [&] {
      app.add_option("--steps", o.settings.steps, "Optimizer steps")
          ->check(cli::kCount)
          ->capture_default_str();
      app.add_option(
             "--batch-size", o.settings.batch_size,
             "Images per step, of all processes together; an evaluation looks at as many at once "
             "as a process trains on")
          ->check(cli::whole_number(std::int64_t{1}, std::int64_t{1} << 20))
          ->capture_default_str();
      cli::add_choice(app, "--optimizer", o.settings.optimizer, "How weights move");
      app.add_option("--learning-rate", o.learning_rate, "Its peak [0.001; adam and adamw: 0.0001]")
          ->check(cli::kNonNegative);
      app.add_flag("--find-learning-rate", o.find_learning_rate,
                   "Take the rate that a range test of 60 steps finds")
          ->excludes("--learning-rate");
      app.add_option("--warmup", o.settings.warmup,
                     "Steps of the linear rise; no more than half of all count")
          ->check(cli::kCount)
          ->capture_default_str();
      app.add_option("--weight-decay", o.settings.weight_decay, "On convolution weights")
          ->check(cli::kNonNegative)
          ->capture_default_str();
      app.add_option("--clip", o.settings.clip, "Largest gradient norm; 0: no limit")
          ->check(cli::kNonNegative)
          ->capture_default_str();
      app.add_option("--average", o.settings.average,
                     "Share of the past in a moving average of the weights, which is what is "
                     "evaluated and written; 0: none")
          ->check(cli::kFraction)
          ->capture_default_str();
      cli::add_choice(app, "--precision", o.settings.precision, cli::kPrecisionHelp);
      app.add_option("--freeze", o.freeze, "So many layers, the first, stay as they are")
          ->check(cli::whole_number(0))
          ->capture_default_str();
    });
    cli::under(app, "Attack", [&] {
      o.policies.add_to(app, "What attacks the training images");
      attacked = app.add_option("--attacked", o.objective.attacked,
                                "Part of every batch that is attacked");
      attacked->check(cli::kFraction)->capture_default_str();
    });
    cli::under(app, "While it trains", [&] {
      evaluate_every =
          app.add_option("--evaluate-every", o.evaluate_every,
                         "Steps between evaluations on validation data; 0: a tenth of all");
      evaluate_every->check(cli::kCount)->capture_default_str();
      patience =
          app.add_option("--patience", o.patience,
                         "Stop after so many evaluations without a better AP50 (under the attack, "
                         "where there is one); 0: never");
      patience->check(cli::kCount)->capture_default_str();
      app.add_option("--checkpoint-every", o.checkpoint_every,
                     "Steps between checkpoints; 0: by time alone")
          ->check(cli::kCount)
          ->capture_default_str();
      app.add_option("--checkpoint-minutes", o.checkpoint_minutes,
                     "Most minutes between them (one process); 0: by steps alone")
          ->check(cli::kNonNegative)
          ->capture_default_str();
    });
    app.add_option("--seed", o.seed, "Root of all randomness")
        ->check(cli::kSeed)
        ->capture_default_str();
    app.add_option("--device", o.device, std::string(cli::kDeviceHelp))->capture_default_str();
    cli::add_force(app, o.force);
    cli::parse(app, argc, argv);
    o.require_own_name();
    cli::require_files(
        {o.cfg, o.weights, o.annotations, o.validation_annotations, o.test_annotations});
    const auto both = [](const char* name, const fs::path& images, const fs::path& annotations) {
      require(images.empty() == annotations.empty(), fmt::format("{} data", name),
              "should be given by both --{0}-images and --{0}-annotations, or by neither", name);
    };
    both("test", o.test_images, o.test_annotations);
    both("validation", o.validation_images, o.validation_annotations);
    for (const auto* option : {evaluate_every, patience})
      require(o.validates() || option->count() == 0, option->get_name(),
              "should come with --validation-images and --validation-annotations, got none");
    require(
        !o.validates() || o.settings.steps > 0, "--steps",
        "should be at least 1 with validation data, by which trained weights are chosen, got 0");
    require(o.policies.attack.name != "none" || attacked->count() == 0, "--attacked",
            "should come with --attack, got none");
    const bool is_sgd = o.settings.optimizer == TrainSettings::Optimizer::kSgd;
    o.settings.learning_rate = o.learning_rate.value_or(is_sgd ? 1e-3 : 1e-4);
    return run(o);
  });
}

}  // namespace serpette::train_program
