#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>

namespace serpette {

namespace detail {
/// Stands for whatever a finished cell is.
struct FinishedCell {
  template <class T>
  operator const T&() const;  // NOLINT(google-explicit-constructor): declared, never defined
};
}  // namespace detail

namespace req {
/// At least one of the hooks, by its name and arguments, or `is_silent`.
template <class T>
concept HearsSomething =
    requires(T& o, std::string_view stage, std::int64_t n) { o.on_stage(stage, n); } ||
    requires(T& o, std::int64_t n, double loss) { o.on_step(n, loss); } ||
    requires(T& o, const detail::FinishedCell& cell) { o.on_cell(cell); } || requires(T& o) {
      { o.stop_requested() } -> std::convertible_to<bool>;
    } || requires(T& o) { o.alone(); } || requires { T::is_silent; };
}  // namespace req

/// The hooks of the pipeline. An observer is any type that implements some of them; those it lacks
/// cost nothing.
///
///     void on_stage(std::string_view stage, std::int64_t steps)
///         a stage of so many steps begins (0: unknown)
///     void on_step(std::int64_t step, double loss)
///         a step of it is done; the loss is NaN where there is none
///     void on_known_steps(std::int64_t steps)
///         steps of the stage that an earlier run made
///     void on_cell(const CellRow& row)
///         a cell is finished and written
///     bool stop_requested()
///         true ends the run at the next step, cleanly
///     auto alone()
///         a guard; while it lives no other cell computes (timing)
template <class T>
concept Observer = req::HearsSomething<T>;

/// Hears nothing.
struct Silent {
  static constexpr bool is_silent = true;
};

/// Raised between two steps after `stop_requested()`; everything finished is on disk.
struct Interrupted {};

namespace notify {
template <Observer O>
void stage(O& observer, std::string_view name, std::int64_t steps) {
  if constexpr (requires { observer.on_stage(name, steps); }) observer.on_stage(name, steps);
}
template <Observer O>
void known_steps(O& observer, std::int64_t steps) {
  if constexpr (requires { observer.on_known_steps(steps); }) observer.on_known_steps(steps);
}
template <Observer O>
void step(O& observer, std::int64_t index, double loss) {
  if constexpr (requires { observer.on_step(index, loss); }) observer.on_step(index, loss);
  if constexpr (requires { observer.stop_requested(); }) {
    if (observer.stop_requested()) throw Interrupted{};
  }
}
template <Observer O, class Cell>
void cell(O& observer, const Cell& finished) {
  if constexpr (requires { observer.on_cell(finished); }) observer.on_cell(finished);
}
template <Observer O>
auto alone(O& observer) {
  if constexpr (requires { observer.alone(); })
    return observer.alone();
  else
    return 0;
}
}  // namespace notify

}  // namespace serpette
