#include <ATen/Parallel.h>

#include <cstdio>
#include <mutex>
#include <set>
#include <thread>

#include "mine.hpp"

#if !__has_include(<serpette/laws/attack.hpp>) || !__has_include(<serpette/app/scenario_main.hpp>)
#error "laws and command line should be there in every way of using serpette"
#endif

namespace {

/// How many threads run what a user's own program gives LibTorch to run in parallel.
std::size_t threads_at_work(int wanted) {
  at::set_num_threads(wanted);
  std::mutex mutex;
  std::set<std::thread::id> threads;
  at::parallel_for(0, wanted, 1, [&](std::int64_t, std::int64_t) {
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  return threads.size();
}

}  // namespace

int main() {
  const Mine mine{};
  const bool equal = serpette::settings_text(mine.score) == describe_elsewhere(mine);
  std::printf("%s\n", describe_elsewhere(mine).c_str());
  const bool parallel = threads_at_work(1) == 1 && threads_at_work(3) == 3;
  std::printf("computes on as many threads as it says: %s\n", parallel ? "yes" : "no");
  return equal && parallel ? 0 : 1;
}
