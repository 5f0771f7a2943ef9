#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Generator.h>

#include <cstdint>
#include <limits>
#include <string_view>

#include "serpette/torch/tensor.hpp"

namespace serpette {

/// The root of all randomness of a run. Every consumer derives its own stream by name, so that
/// adding a consumer never shifts the numbers of another, and a resumed run draws what an unbroken
/// one would have drawn.
class Seed {
 public:
  constexpr explicit Seed(std::uint64_t value = 0) : value_(value) {}

  /// The seed of a named part: `seed.derive("attack").derive(step)`.
  [[nodiscard]] constexpr Seed derive(std::string_view name) const {
    std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    return derive(hash);
  }
  [[nodiscard]] constexpr Seed derive(std::uint64_t index) const {
    return Seed(mix(value_ + 0x9e3779b97f4a7c15ULL * (index + 1)));
  }

  [[nodiscard]] constexpr std::uint64_t value() const { return value_; }
  friend constexpr bool operator==(Seed, Seed) = default;

 private:
  // splitmix64's finaliser: a bijection, so distinct indices give distinct seeds.
  static constexpr std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

  std::uint64_t value_;
};

/// One stream of random numbers, drawn on the CPU so that every device sees the same ones.
/// Models std::uniform_random_bit_generator; `torch()` is the stream to hand to LibTorch's random
/// functions.
class Generator {
 public:
  using result_type = std::uint64_t;

  explicit Generator(Seed seed)
      : state_(seed), torch_(at::detail::createCPUGenerator(seed.derive("torch").value())) {}

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
  result_type operator()() { return state_.derive(count_++).value(); }

  /// Uniform in [0, 1), the same on every platform (std::uniform_real_distribution is not).
  double uniform() { return static_cast<double>((*this)() >> 11) * 0x1.0p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }

  /// Uniform in {0, …, n − 1}; n in [1, 2^32].
  std::uint64_t below(std::uint64_t n) { return ((*this)() >> 32) * n >> 32; }

  at::Generator& torch() { return torch_; }

  /// Where the stream is: what a checkpoint keeps, so that it goes on with the same numbers.
  struct Position {
    std::int64_t drawn;  ///< Numbers of our own.
    at::Tensor torch;    ///< LibTorch's state, bytes.
  };
  [[nodiscard]] Position position() const {
    return {static_cast<std::int64_t>(count_), torch_.get_state()};
  }
  /// @param at  of a generator of the same seed.
  void go_to(const Position& at) {
    count_ = static_cast<std::uint64_t>(at.drawn);
    torch_.set_state(at.torch);
  }

 private:
  Seed state_;
  std::uint64_t count_ = 0;
  at::Generator torch_;
};

}  // namespace serpette
