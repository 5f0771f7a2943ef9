#pragma once

#include <sys/resource.h>

#include "support/catch.hpp"

namespace serpette::test {

/// As long as it lives this process may use no more of a resource (RLIMIT_…).
class ResourceLimit {
 public:
  using Resource = decltype(RLIMIT_FSIZE);  // an enumeration with glibc

  ResourceLimit(Resource resource, ::rlim_t most) : resource_(resource) {
    REQUIRE(::getrlimit(resource_, &before_) == 0);
    const ::rlimit limit{most, before_.rlim_max};
    REQUIRE(::setrlimit(resource_, &limit) == 0);
  }
  ResourceLimit(const ResourceLimit&) = delete;
  ResourceLimit& operator=(const ResourceLimit&) = delete;
  ~ResourceLimit() { ::setrlimit(resource_, &before_); }

 private:
  Resource resource_;
  ::rlimit before_{};
};

}  // namespace serpette::test
