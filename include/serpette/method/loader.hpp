#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <map>
#include <mutex>
#include <numeric>
#include <span>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "serpette/concepts/dataset.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/share.hpp"

namespace serpette {

/// 0 … n − 1 in random order.
inline std::vector<std::int64_t> shuffled(std::int64_t n, Generator& rng) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (auto i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
  return order;
}

/// Augmented training batches without end, made ahead by threads. Every epoch sees every image
/// once, in an order of its own; batch k is the same whatever the number of threads. One of several
/// processes makes its share of each batch: all shares are the batch, view by view.
template <Dataset D>
class Loader {
 public:
  /// @param dataset  outlives the loader.
  /// @param batch_size  of the whole batch.
  /// @param threads  workers, at least 1.
  /// @param share    which part of every batch to make; needs a data set whose `augmented` takes
  /// one.
  /// @param first    number of the batch to begin with, where a stopped training goes on.
  Loader(const D& dataset, std::int64_t batch_size, Seed seed, int threads, Share share = {},
         std::int64_t first = 0)
      : dataset_(dataset),
        batch_size_(batch_size),
        seed_(seed),
        share_(share),
        claimed_(first),
        delivered_(first) {
    require(batch_size > 0, "loader", "batch size should be at least 1, got {}", batch_size);
    require(batch_size % share.size == 0, "loader",
            "batch size should be a multiple of the {} processes, got {}", share.size, batch_size);
    require(share.size == 1 || kShares, "loader",
            "data set should have augmented(indices, seed, share)");
    require(threads > 0, "loader", "should have at least one thread, got {}", threads);
    for (int i = 0; i < threads; ++i)
      workers_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }

  /// The next batch; waits until it is made.
  /// @throws whatever the data set threw for this batch.
  ImageBatch next() {
    std::unique_lock lock(mutex_);
    made_.wait(lock, [&] { return ready_.contains(delivered_) || failed_.contains(delivered_); });
    if (failed_.contains(delivered_)) std::rethrow_exception(failed_.at(delivered_));
    auto batch = std::move(ready_.extract(delivered_++).mapped());
    wanted_.notify_all();
    return batch;
  }

  /// Passes over the next batches; those that are not made yet are not.
  void skip(std::int64_t batches) {
    const std::scoped_lock lock(mutex_);
    delivered_ += batches;
    claimed_ = std::max(claimed_, delivered_);
    ready_.erase(ready_.begin(), ready_.lower_bound(delivered_));
    failed_.erase(failed_.begin(), failed_.lower_bound(delivered_));
    wanted_.notify_all();
  }

 private:
  static constexpr std::int64_t kAhead = 4;  // batches made but not yet taken
  static constexpr bool kShares =
      requires(const D& d, std::span<const std::int64_t> indices, Seed seed, Share share) {
        d.augmented(indices, seed, share);
      };

  void work(const std::stop_token& stop) {
    while (true) {
      std::int64_t mine = 0;
      {
        std::unique_lock lock(mutex_);
        if (!wanted_.wait(lock, stop, [&] { return claimed_ < delivered_ + kAhead; })) return;
        mine = claimed_++;
      }
      try {
        auto batch = make(mine);
        const std::scoped_lock lock(mutex_);
        if (mine >= delivered_) ready_.emplace(mine, std::move(batch));
      } catch (...) {
        const std::scoped_lock lock(mutex_);
        if (mine >= delivered_) failed_.emplace(mine, std::current_exception());
      }
      made_.notify_all();
    }
  }

  [[nodiscard]] ImageBatch make(std::int64_t k) const {
    const std::int64_t n = dataset_.size();
    std::vector<std::int64_t> indices;
    std::int64_t epoch = -1;
    std::vector<std::int64_t> order;
    for (std::int64_t i = k * batch_size_; i < (k + 1) * batch_size_; ++i) {
      if (i / n != epoch) {
        epoch = i / n;
        Generator rng(seed_.derive("epoch").derive(static_cast<std::uint64_t>(epoch)));
        order = shuffled(n, rng);
      }
      if (i % share_.size == share_.rank) indices.push_back(order[static_cast<std::size_t>(i % n)]);
    }
    const auto views = seed_.derive("views").derive(static_cast<std::uint64_t>(k));
    if constexpr (kShares)
      return dataset_.augmented(indices, views, share_);
    else
      return dataset_.augmented(indices, views);
  }

  const D& dataset_;
  std::int64_t batch_size_;
  Seed seed_;
  Share share_;
  std::mutex mutex_;
  std::condition_variable made_;
  std::condition_variable_any wanted_;
  std::map<std::int64_t, ImageBatch> ready_;
  std::map<std::int64_t, std::exception_ptr> failed_;
  std::int64_t claimed_, delivered_;
  std::vector<std::jthread> workers_;  // last: stops before what it uses goes
};

}  // namespace serpette
