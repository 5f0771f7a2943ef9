#pragma once

#include "serpette/deploy/execution.hpp"
#include "serpette/deploy/forms/amx.hpp"
#include "serpette/deploy/forms/direct.hpp"
#include "serpette/deploy/forms/kernels.hpp"
#include "serpette/deploy/forms/weights.hpp"
#include "serpette/deploy/forms/winograd.hpp"

namespace serpette::deploy {

/// The forms that serpette has: of the plans that it makes, and of those that its runtime reads.
using OurExecution = Execution<WinogradForm, DirectForm, WeightsForm, ShiftedWeightsForm,
                               KernelsForm, WinogradBFloat16Form, DirectBFloat16Form,
                               DirectInt8Form, WeightsInt8Form, AmxBFloat16Form, AmxInt8Form>;

}  // namespace serpette::deploy
