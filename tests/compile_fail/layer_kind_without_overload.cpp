// expect-error: HasOverloadFor
#include "serpette/graph/graph.hpp"

using namespace serpette;

/// Knows every kind of layer but max-pool.
int kind(const Layer& layer) {
  return visit(
      layer, [](const Convolutional&) { return 1; },
#ifdef PASSING_TWIN
      [](const MaxPool&) { return 2; },
#endif
      []<class Kind>(const Kind&)
        requires(!OneOf<Kind, Convolutional, MaxPool>)
      { return 3; });
}
