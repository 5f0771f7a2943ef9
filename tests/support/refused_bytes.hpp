#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>

#include "serpette/deploy/plan_archive.hpp"
#include "serpette/graph/graph.hpp"
#include "support/catch.hpp"

namespace serpette::test {

/// What a prepared convolution writes is refused, by the file's name, once a value of it is
/// another.
/// @param at    where the bytes begin that are replaced.
/// @param says  what the message holds.
template <class Convolution, class T>
void refused_with(const Convolution& kept, const Convolutional& c, const Shape& in, std::size_t at,
                  const T& by, const std::string& says) {
  deploy::PlanWriter to(0);
  kept.write(to);
  const auto bytes = std::make_shared<std::string>(to.bytes());
  const auto read = [&] {
    deploy::PlanReader from(bytes, std::as_bytes(std::span(*bytes)), 0, "network.plan");
    const Convolution again(c, in, from);
    from.finish();
  };
  CHECK_NOTHROW(read());
  std::memcpy(bytes->data() + at, &by, sizeof by);
  CHECK_THROWS_MATCHES(
      read(), Error,
      Catch::Matchers::MessageMatches(Catch::Matchers::StartsWith("network.plan: ") &&
                                      Catch::Matchers::ContainsSubstring(says)));
}

}  // namespace serpette::test
