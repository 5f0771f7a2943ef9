#pragma once

/// @internal The frame of our own forms.

#include <cstddef>
#include <optional>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/deploy/form.hpp"
#include "serpette/deploy/plan_archive.hpp"
#include "serpette/deploy/rounded_map.hpp"
#include "serpette/deploy/slice.hpp"
#include "serpette/deploy/workers.hpp"

namespace serpette::deploy {

/// What the forms share that compute in a class of ours: into the plan's buffers, with the residual
/// added in passing, on as many threads as the layer is worth. A form derives from it and says its
/// name, what it fits, what it costs, and how a layer is prepared.
/// @tparam Convolution  offers run(x, y, finish, parallel, threads), where it has `reads` also with
///                      RoundedMaps, write, and a constructor from a PlanReader.
template <class Convolution, Layout kLayout>
struct OwnForm {
  static constexpr Layout layout = kLayout;
  static constexpr bool adds_residual = true;

  struct Prepared {
    Convolution convolution;
    Workers workers;
  };

  static void run(const Prepared& p, const FormInput& input) {
    const auto run = [&](const auto&... rounded) {
      p.convolution.run(input.x.data, input.y.data, input.finish, p.workers, p.workers.threads(),
                        rounded...);
    };
    if constexpr (requires { p.convolution.reads(); })
      run(input.rounded);
    else
      run();
  }

  static const Workers& workers(const Prepared& p) { return p.workers; }

  /// Where the convolution reads rounded maps.
  static std::optional<RoundedLayout> reads(const Prepared& p)
    requires requires(const Convolution& c) { c.reads(); }
  {
    return p.convolution.reads();
  }

  /// Where the convolution has them.
  static std::vector<Slice> slices(const Prepared& p)
    requires requires(const Convolution& c) { c.slices(); }
  {
    return p.convolution.slices();
  }
  static void run_slice(const Prepared& p, std::size_t k, const RowMaps<>& maps)
    requires requires(const Convolution& c) { c.slices(); }
  {
    p.convolution.run_slice(k, maps);
  }

  static void write(const Prepared& p, PlanWriter& to) {
    to.value(p.workers);
    p.convolution.write(to);
  }
  static Prepared read(const FoldedLayer& layer, PlanReader& from) {
    const auto workers = from.value<Workers>();
    require(workers.most() >= 1, from.place(), "should give a layer a thread at least, got {}",
            workers.most());
    return {Convolution(layer.settings, layer.in, from), workers};
  }
};

}  // namespace serpette::deploy
