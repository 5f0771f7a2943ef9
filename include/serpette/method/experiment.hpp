#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/core/ratio.hpp"
#include "serpette/method/identity.hpp"
#include "serpette/method/settings.hpp"
#include "serpette/method/trial.hpp"
#include "serpette/version.hpp"

namespace serpette {

/// A network in the form in which it would be used: images [N, 3, H, W] to raw heads.
using Deployed = std::function<std::vector<at::Tensor>(const at::Tensor&)>;

/// The detector's own inference form.
template <Detector D>
Deployed deploy_frozen(const D& detector) {
  return [network = detector.frozen()](const at::Tensor& images) mutable {
    return network.forward(images);
  };
}

/// What all cells of an experiment share. What it is, results know by what it holds: the network
/// and its weights, the data, the budget and the seed.
template <Detector D, Dataset Train, Dataset Test>
class Experiment {
 public:
  /// @param pretrained  on `device` already.
  /// @param train,test  outlive the experiment.
  Experiment(D pretrained, const Train& train, const Test& test, Budget budget, Seed seed,
             at::Device device = at::kCPU)
      : pretrained(std::move(pretrained)),
        train(train),
        test(test),
        network_identity(identity_of(this->pretrained)),
        train_identity(identity_of(train)),
        test_identity(identity_of(test)),
        budget(budget),
        seed(seed),
        device(device) {}

  /// Lets scenarios of a colour mode start from weights of its own, trained on what they see.
  /// @param color    the mode's name.
  /// @param network  of the same graph, on `device` already.
  void start_from(std::string color, D network) {
    auto identity = identity_of(network);
    starts_.insert_or_assign(std::move(color), Start{std::move(network), std::move(identity)});
  }

  /// What scenarios of a colour mode start from.
  [[nodiscard]] const D& start(std::string_view color) const {
    const auto own = starts_.find(color);
    return own == starts_.end() ? pretrained : own->second.network;
  }

  const D pretrained;
  const Train& train;
  const Test& test;
  const std::string network_identity, train_identity, test_identity;

  Budget budget;
  Seed seed;
  at::Device device;
  /// What is timed: the finished network in the form it would be used in, made once per cell.
  std::function<Deployed(const D&)> deploy = deploy_frozen<D>;
  int loader_threads = 1;
  /// Attacks that finished networks are measured under besides the scenario's own; none unless
  /// asked for. They key no training.
  std::vector<Trial> suite{};

  /// What training starts from, one `name: value` a line.
  [[nodiscard]] std::string origin() const { return origin_of(network_identity); }
  /// The same for scenarios of a colour mode.
  [[nodiscard]] std::string origin(std::string_view color) const {
    const auto own = starts_.find(color);
    return origin_of(own == starts_.end() ? network_identity : own->second.identity);
  }
  /// Colour modes that have weights of their own, with what results know those by.
  [[nodiscard]] std::map<std::string, std::string> own_starts() const {
    std::map<std::string, std::string> identities;
    for (const auto& [color, start] : starts_) identities.emplace(color, start.identity);
    return identities;
  }

 private:
  struct Start {
    D network;
    std::string identity;
  };

  [[nodiscard]] std::string origin_of(const std::string& network) const {
    return fmt::format(
        "serpette: {}.{}.{}\nnetwork: {}\ntraining images: {}\nseed: {}\ndevice: {}\n",
        SERPETTE_VERSION_MAJOR, SERPETTE_VERSION_MINOR, SERPETTE_VERSION_PATCH, network,
        train_identity, seed.value(), device.is_cuda() ? "cuda" : "cpu");
  }

  std::map<std::string, Start, std::less<>> starts_;
};

/// Which cell of an experiment: one pruned network.
struct CellId {
  std::string scenario;  ///< Command-line id.
  int run = 1;           ///< 1-based.
  Ratio ratio;

  friend bool operator==(const CellId&, const CellId&) = default;
};

}  // namespace serpette
