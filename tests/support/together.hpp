#pragma once

#include <barrier>
#include <string>
#include <vector>

#include "serpette/attack/no_attack.hpp"
#include "serpette/attack/pgd.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/method/train.hpp"

namespace serpette::test {

/// Peers that are threads of this process: sums without any network.
class ThreadPeers {
 public:
  explicit ThreadPeers(int size) : parts_(static_cast<std::size_t>(size)), barrier_(size) {}

  [[nodiscard]] Peers of(int rank) {
    return {{rank, static_cast<int>(parts_.size())}, [this, rank](at::Tensor& tensor) {
              const torch::NoGradGuard no_grad;
              parts_[static_cast<std::size_t>(rank)] = tensor.clone();
              barrier_.arrive_and_wait();
              auto sum = parts_.front().clone();
              for (std::size_t i = 1; i < parts_.size(); ++i) sum += parts_[i];
              barrier_.arrive_and_wait();
              tensor.copy_(sum);
            }};
  }

 private:
  std::vector<at::Tensor> parts_;
  std::barrier<> barrier_;
};

/// A small YOLOv3 with a shortcut, a route and two heads.
inline Graph two_heads() {
  return parse_cfg(
      "[net]\nwidth=32\nheight=32\nchannels=3\n"
      "[convolutional]\nbatch_normalize=1\nfilters=6\nsize=3\nstride=2\npad=1\nactivation=leaky\n"
      "[convolutional]\nbatch_normalize=1\nfilters=6\nsize=3\nstride=1\npad=1\nactivation=leaky\n"
      "[shortcut]\nfrom=-2\nactivation=linear\n"
      "[convolutional]\nbatch_normalize=1\nfilters=8\nsize=3\nstride=2\npad=1\nactivation=leaky\n"
      "[convolutional]\nsize=1\nstride=1\npad=1\nfilters=7\nactivation=linear\n"
      "[yolo]\nmask=1\nanchors=6,6, 14,14\nclasses=2\nnum=2\nignore_thresh=.5\n"
      "[route]\nlayers=-3\n"
      "[upsample]\nstride=2\n"
      "[route]\nlayers=-1,2\n"
      "[convolutional]\nbatch_normalize=1\nfilters=6\nsize=1\nstride=1\npad=1\nactivation=leaky\n"
      "[convolutional]\nsize=1\nstride=1\npad=1\nfilters=7\nactivation=linear\n"
      "[yolo]\nmask=0\nanchors=6,6, 14,14\nclasses=2\nnum=2\nignore_thresh=.5\n",
      "two_heads");
}

/// The batch of one step, of eight images with a box or two each, or a share of it.
inline ImageBatch batch_of(std::int64_t step, Share share, at::ScalarType type) {
  constexpr std::int64_t kImages = 8;
  Generator rng{Seed(7).derive(static_cast<std::uint64_t>(step))};
  const auto images = at::rand({kImages, 3, 32, 32}, rng.torch());
  std::vector<at::Tensor> mine;
  std::vector<float> truth;
  for (std::int64_t i = 0; i < kImages; ++i)
    for (std::int64_t boxes = i % 3; boxes >= 0; --boxes) {
      const double category = static_cast<double>(rng.below(2)), x = rng.uniform(0.3, 0.7),
                   y = rng.uniform(0.3, 0.7), side = rng.uniform(0.1, 0.5);
      if (i % share.size != share.rank) continue;
      if (boxes == 0) mine.push_back(images[i]);
      for (const double v : {double(i / share.size), category, x, y, side, side * 0.8})
        truth.push_back(static_cast<float>(v));
    }
  const auto n = mine.size();
  return {at::stack(mine).to(type), at::tensor(truth).view({-1, 6}).to(type),
          std::vector<std::int64_t>(n), std::vector<Letterbox>(n, Letterbox::fit(32, 32, 32, 32))};
}

/// What a process has after some steps of training: the loss of each, and in the end all tensors
/// and gradients.
struct Trained {
  std::vector<double> losses;
  std::vector<at::Tensor> tensors, gradients;
};

template <Attack A>
Trained train_share(const Peers& peers, const A& attack, at::ScalarType type,
                    TrainSettings settings) {
  // Other weights in every process: training starts from the first one's.
  Yolov3 detector(two_heads(), Seed(static_cast<std::uint64_t>(peers.share.rank)));
  for (const int i : detector.graph().convolutions())
    for (auto& tensor : tensors(detector.layer(i))) tensor.set_data(tensor.detach().to(type));
  detector.set_peers(peers);
  struct Losses {
    std::vector<double>& losses;
    void on_step(std::int64_t, double loss) { losses.push_back(loss); }
  };
  Trained result;
  Losses observer{result.losses};
  std::int64_t step = 0;
  train(
      detector, MovedWeights(detector), [&] { return batch_of(step++, peers.share, type); },
      Defence{PgdAdversarial{}, attack, Rgb{}}, settings, Seed(1), at::kCPU, observer);
  result.tensors = state_of(detector);
  for (const auto& parameter : detector.parameters())
    result.gradients.push_back(parameter.grad().clone());
  return result;
}

/// Largest difference between tensors, relative to the largest number of each.
inline double distance(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  require(a.size() == b.size(), "distance", "should be of lists of one length, got {} and {}",
          a.size(), b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    worst = std::max(worst, (a[i] - b[i]).abs().max().item<double>() /
                                std::max(1e-3, b[i].abs().max().item<double>()));
  return worst;
}

}  // namespace serpette::test
