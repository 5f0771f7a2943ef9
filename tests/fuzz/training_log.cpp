#include "serpette/method/training_log.hpp"

#include <cstdlib>

#include "fuzz/fuzz.hpp"

// What a checkpoint keeps of a log: what is read goes on as it was.
SERPETTE_FUZZ_TARGET(training_log) {
  using namespace serpette;
  return test::accept_or_refuse([&] {
    const auto log = TrainingLog::parse(test::text(data, size), "input");
    const auto state = log.state();
    if (TrainingLog::parse(state, "again").state() != state) std::abort();
    (void)log.best();
    (void)log.evaluations_without_gain();
  });
}
