#pragma once

#include "serpette/concepts/detector.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/precision.hpp"
#include "serpette/core/settings.hpp"

namespace serpette {

/// For a scope, a detector computes in another number format: what is copied, frozen or attacked
/// meanwhile does too. A detector has formats to choose from if it has `precision()` and
/// `set_precision(p)`; others know float32 alone.
template <Detector D>
class [[nodiscard]] ComputesIn {
 public:
  /// @param detector  outlives this.
  /// @throws Error  if the detector has no such format.
  ComputesIn(D& detector, Precision precision) : detector_(detector) {
    if constexpr (kChooses) {
      before_ = detector.precision();
      detector.set_precision(precision);
    } else {
      require(precision == Precision::kFloat32, "precision",
              "should be f32, the only one of this detector, got {}", settings_text(precision));
    }
  }
  ComputesIn(const ComputesIn&) = delete;
  ComputesIn& operator=(const ComputesIn&) = delete;
  ~ComputesIn() {
    if constexpr (kChooses) detector_.set_precision(before_);
  }

 private:
  static constexpr bool kChooses =
      requires(D& d, Precision p) { d.set_precision(p = d.precision()); };

  D& detector_;
  Precision before_ = Precision::kFloat32;
};

}  // namespace serpette
