#pragma once

#include <unistd.h>

#include <string>

namespace serpette {

/// What this machine is called, as people are told who works in a folder.
inline std::string host_name() {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  return host;
}

}  // namespace serpette
