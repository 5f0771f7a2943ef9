// expect-error: HearsSomething, Deaf
#include "serpette/concepts/observer.hpp"

struct Cell {};
struct Deaf {
#ifdef PASSING_TWIN
  void on_cell(const Cell&) {}
#else
  void on_cell(int, const Cell&) {}  // no hook has these arguments
#endif
};
static_assert(serpette::Observer<Deaf>);
