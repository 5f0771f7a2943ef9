// expect-error: describe
#include "serpette/core/settings.hpp"

struct Forgetful {
  double kept = 1, forgotten = 2;

  static constexpr auto describe() {
#ifdef PASSING_TWIN
    return serpette::settings(serpette::setting<&Forgetful::kept>("Named"),
                              serpette::setting<&Forgetful::forgotten>("Named too"));
#else
    return serpette::settings(serpette::setting<&Forgetful::kept>("Named"));
#endif
  }
};

std::string text() { return serpette::settings_text(Forgetful{}); }
