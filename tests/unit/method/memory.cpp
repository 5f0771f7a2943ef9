// What a training holds does not grow, and a device whose memory runs out is said to.

#include "serpette/torch/nn.hpp"

#include <malloc.h>

#include <limits>
#include <memory>
#include <vector>

#include "serpette/attack/pgd.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/method/evaluate.hpp"
#include "serpette/method/train.hpp"
#include "serpette/objective/pgd_adversarial.hpp"
#include "support/catch.hpp"
#include "support/noise_data.hpp"
#include "support/second_device.hpp"
#include "support/small_graphs.hpp"

using namespace serpette;

namespace {

/// Bytes of blocks that are in use.
std::size_t heap_in_use() {
  const auto all = ::mallinfo2();
  return all.uordblks + all.hblkhd;
}

/// A device with room for no block above `bytes`, while it lives.
struct ScarceMemory {
  explicit ScarceMemory(std::size_t bytes) { test::second::allocator.largest = bytes; }
  ~ScarceMemory() { test::second::allocator.largest = std::numeric_limits<std::size_t>::max(); }
  ScarceMemory(const ScarceMemory&) = delete;
  ScarceMemory& operator=(const ScarceMemory&) = delete;
};

}  // namespace

TEST_CASE("a training holds as much after a thousand steps more", "[method]") {
  Yolov3 detector(test::tiny_graph(), Seed(1));
  const test::NoiseData data(4, 1);
  MovedWeights moves(detector);
  Training training(detector, moves, {PgdAdversarial{}, Pgd{.steps = 1}, Rgb{}},
                    {.steps = 1100, .batch_size = 2, .learning_rate = 1e-4, .average = 0.99},
                    Seed(1), at::kCPU);
  const auto batch = data.batch(std::vector<std::int64_t>{0, 1});
  const auto until = [&](std::int64_t step) {
    while (training.done() < step) training.step([&] { return batch; });
    return heap_in_use();
  };
  const auto before = until(100);
  constexpr std::size_t kSlack = 64 << 10;  // a batch alone is 6 kB: kept, they would be 6 MB
  CHECK(until(1100) <= before + kSlack);
}

TEST_CASE("a batch that a device has no room for is an error that says so", "[method][device]") {
  test::need_second_device();
  const test::NoiseData data(4, 1);
  Yolov3 detector(test::tiny_graph(), Seed(1));
  detector.to(test::kSecondDevice);
  const auto says = [](const char* place) {
    return place + std::string(
                       ": batches of 4 should fit into the device's memory, got \"second out of "
                       "memory. Tried to allocate 32768 bytes.\"; halve the batch size "
                       "(--batch-size, or the stage's --…-batch-size)");
  };

  MovedWeights moves(detector);
  Training training(detector, moves, {PgdAdversarial{}, Pgd{.steps = 1}, Rgb{}},
                    {.steps = 2, .batch_size = 4}, Seed(1), test::kSecondDevice);
  const auto step = [&] {
    training.step([&] { return data.batch(std::vector<std::int64_t>{0, 1, 2, 3}); });
  };
  step();
  Silent silent;
  const auto evaluated = [&] {
    (void)evaluate(detector, detector, data, Pgd{.steps = 1}, Rgb{}, {.batch_size = 4}, Seed(1),
                   test::kSecondDevice, silent);
  };
  {
    const ScarceMemory memory(20'000);  // a batch is 12 kB, the first layer makes 32 of it
    CHECK_THROWS_WITH(step(), says("training"));
    CHECK_THROWS_WITH(evaluated(), says("evaluation"));
  }
  CHECK(training.done() == 1);
  step();
  evaluated();
}
